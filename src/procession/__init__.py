"""asyncio's subprocess system on a core of C and Cython.

Replace `asyncio.create_subprocess_exec` by `procession.create_subprocess_exec`, or call
`procession.install()` once.
"""

import sys

if sys.platform.startswith("linux"):
    try:
        from procession import subprocess
    except ImportError as error:
        if "interpreter" not in str(error).lower():
            raise
        raise ImportError(
            "procession runs in one interpreter of a process, and in none with a GIL of its "
            "own; use asyncio.create_subprocess_exec here, which has the same interface"
        ) from error
    from procession.batch import Results, map
    from procession.command import Attempt, Command
    from procession.completed import CommandFailed, CommandTimedOut, Completed, Usage
    from procession.limits import Limits
    from procession.loop import EventLoop, SubprocessMixin, install, new_event_loop, uninstall
    from procession.lowlevel import subprocess_exec, subprocess_shell
    from procession.pool import Pool, PoolStats
    from procession.running import run
    from procession.stats import Stats, stats
    from procession.streams import StreamReader, StreamWriter
    from procession.subprocess import (
        DEVNULL,
        PIPE,
        STDOUT,
        Process,
        create_subprocess_exec,
        create_subprocess_shell,
    )
    from procession.waiting import wait_pid

    for _public in (
        Attempt,
        Command,
        CommandFailed,
        CommandTimedOut,
        Completed,
        EventLoop,
        Pool,
        PoolStats,
        Limits,
        Process,
        Results,
        Stats,
        StreamReader,
        StreamWriter,
        SubprocessMixin,
        Usage,
        create_subprocess_exec,
        create_subprocess_shell,
        install,
        map,
        new_event_loop,
        run,
        stats,
        subprocess_exec,
        subprocess_shell,
        uninstall,
        wait_pid,
    ):
        _public.__module__ = "procession"
    del _public
else:
    from procession import elsewhere as subprocess
    from procession.elsewhere import (
        DEVNULL,
        PIPE,
        STDOUT,
        Attempt,
        Command,
        CommandFailed,
        CommandTimedOut,
        Completed,
        EventLoop,
        Limits,
        Pool,
        PoolStats,
        Process,
        Results,
        Stats,
        StreamReader,
        StreamWriter,
        SubprocessMixin,
        Usage,
        create_subprocess_exec,
        create_subprocess_shell,
        install,
        map,
        new_event_loop,
        run,
        stats,
        subprocess_exec,
        subprocess_shell,
        uninstall,
        wait_pid,
    )

    sys.modules["procession.subprocess"] = subprocess

__version__ = "0.1.0"

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "Attempt",
    "Command",
    "CommandFailed",
    "CommandTimedOut",
    "Completed",
    "EventLoop",
    "Limits",
    "Pool",
    "PoolStats",
    "Process",
    "Results",
    "Stats",
    "StreamReader",
    "StreamWriter",
    "SubprocessMixin",
    "Usage",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "install",
    "map",
    "new_event_loop",
    "run",
    "stats",
    "subprocess",
    "subprocess_exec",
    "subprocess_shell",
    "uninstall",
    "wait_pid",
]


def __getattr__(name: str) -> object:
    if name == "EventLoopPolicy":
        # On demand: from 3.14 on asyncio warns whoever touches its policies.
        from procession.policy import make_policy

        policy = globals()[name] = make_policy(EventLoop)
        return policy
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
