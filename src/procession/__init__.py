"""asyncio's subprocess system on a core of C and Cython.

Replace `asyncio.create_subprocess_exec` by `procession.create_subprocess_exec`, or call
`procession.install()` once.
"""

import sys

if not sys.platform.startswith("linux"):
    raise ImportError(
        f"procession runs on Linux; this is {sys.platform}. Use asyncio.create_subprocess_exec "
        "here (on Windows with the default ProactorEventLoop), which has the same interface."
    )

from procession import subprocess
from procession.loop import install, uninstall
from procession.streams import StreamReader, StreamWriter
from procession.subprocess import (
    DEVNULL,
    PIPE,
    STDOUT,
    Process,
    create_subprocess_exec,
    create_subprocess_shell,
)

__version__ = "0.1.0"

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "Process",
    "StreamReader",
    "StreamWriter",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "install",
    "subprocess",
    "uninstall",
]

for _public in (
    Process,
    StreamReader,
    StreamWriter,
    create_subprocess_exec,
    create_subprocess_shell,
    install,
    uninstall,
):
    _public.__module__ = "procession"
del _public
