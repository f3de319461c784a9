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
from procession.loop import EventLoop, SubprocessMixin, install, new_event_loop, uninstall
from procession.lowlevel import subprocess_exec, subprocess_shell
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
    "EventLoop",
    "Process",
    "StreamReader",
    "StreamWriter",
    "SubprocessMixin",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "install",
    "new_event_loop",
    "subprocess",
    "subprocess_exec",
    "subprocess_shell",
    "uninstall",
]

for _public in (
    EventLoop,
    Process,
    StreamReader,
    StreamWriter,
    SubprocessMixin,
    create_subprocess_exec,
    create_subprocess_shell,
    install,
    new_event_loop,
    subprocess_exec,
    subprocess_shell,
    uninstall,
):
    _public.__module__ = "procession"
del _public


def __getattr__(name: str) -> object:
    if name == "EventLoopPolicy":
        from procession.loop import make_policy

        policy = globals()[name] = make_policy()
        return policy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
