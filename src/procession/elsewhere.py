"""The names of this package on systems without its engine: asyncio's own calls.

On Windows they need asyncio's ProactorEventLoop, its default. There, too, signals are what
asyncio documents: terminate() and kill() call TerminateProcess(), and CTRL_C_EVENT and
CTRL_BREAK_EVENT reach a child that was started with CREATE_NEW_PROCESS_GROUP.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import Process, SubprocessStreamProtocol
from collections.abc import Awaitable, Callable
from subprocess import DEVNULL, PIPE, STDOUT
from typing import Any, TypeVar

from procession.completed import CommandFailed, CommandTimedOut, Completed, Usage
from procession.limits import Limits
from procession.stats import Stats

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
    "SubprocessStreamProtocol",
    "Usage",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "install",
    "map",
    "new_event_loop",
    "run",
    "stats",
    "subprocess_exec",
    "subprocess_shell",
    "uninstall",
    "wait_pid",
]

T = TypeVar("T")

EventLoop: Any = getattr(asyncio, "ProactorEventLoop", asyncio.SelectorEventLoop)


class SubprocessMixin:
    """Nothing: the loop's own methods are used."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop of a kind that can run subprocesses."""
    return EventLoop()  # type: ignore[no-any-return]


def install() -> None:
    """Do nothing: what programs call is asyncio's already."""


def uninstall() -> None:
    """Do nothing."""


async def _explained(call: Awaitable[T]) -> T:
    """Await a call of asyncio's; say what to do if the loop cannot do it."""
    try:
        return await call
    except NotImplementedError:
        loop = type(asyncio.get_running_loop()).__name__
        raise NotImplementedError(
            f"{loop} cannot run subprocesses. On Windows use asyncio.ProactorEventLoop, the "
            "default: remove what sets WindowsSelectorEventLoopPolicy, or pass "
            "loop_factory=asyncio.ProactorEventLoop to asyncio.Runner."
        ) from None


def _check(loop: asyncio.AbstractEventLoop | None, kwds: dict[str, Any]) -> None:
    if kwds.pop("limits", None) is not None:
        raise NotImplementedError("limits= needs the engine of procession, which is for Linux")
    if loop is not None and loop is not asyncio.get_running_loop():
        raise ValueError("loop is not the running event loop, on which the child would be watched")


async def create_subprocess_exec(
    program: Any,
    *args: Any,
    loop: asyncio.AbstractEventLoop | None = None,
    limit: int | None = 2**16,
    **kwds: Any,
) -> Process:
    """Run a program. As asyncio.create_subprocess_exec.

    Raises:
        NotImplementedError: the running loop cannot run subprocesses.
    """
    _check(loop, kwds)
    return await _explained(
        asyncio.create_subprocess_exec(program, *args, limit=limit or 2**16, **kwds)
    )


async def create_subprocess_shell(
    cmd: str | bytes,
    stdin: Any = None,
    stdout: Any = None,
    stderr: Any = None,
    limit: int | None = 2**16,
    loop: asyncio.AbstractEventLoop | None = None,
    **kwds: Any,
) -> Process:
    """Run a command line with the system's shell. As asyncio.create_subprocess_shell.

    Raises:
        NotImplementedError: the running loop cannot run subprocesses.
    """
    _check(loop, kwds)
    return await _explained(
        asyncio.create_subprocess_shell(cmd, stdin, stdout, stderr, limit or 2**16, **kwds)
    )


async def subprocess_exec(
    protocol_factory: Callable[[], Any], program: Any, *args: Any, **kwargs: Any
) -> tuple[Any, Any]:
    """Run a program whose events call a protocol. As loop.subprocess_exec().

    Raises:
        NotImplementedError: the running loop cannot run subprocesses.
    """
    loop = asyncio.get_running_loop()
    _check(loop, kwargs)
    return await _explained(loop.subprocess_exec(protocol_factory, program, *args, **kwargs))


async def subprocess_shell(
    protocol_factory: Callable[[], Any], cmd: str | bytes, **kwargs: Any
) -> tuple[Any, Any]:
    """Run a command line whose events call a protocol. As loop.subprocess_shell().

    Raises:
        NotImplementedError: the running loop cannot run subprocesses.
    """
    loop = asyncio.get_running_loop()
    _check(loop, kwargs)
    return await _explained(loop.subprocess_shell(protocol_factory, cmd, **kwargs))


def stats() -> Stats:
    """Return what has happened so far: only where there is an engine that counts.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(
        "procession.stats() runs on Linux: asyncio's own subprocess calls, which are used here, "
        "count nothing."
    )


async def wait_pid(pid: int) -> int:
    """Wait for a child that the program has started itself: only where there is an engine.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(
        "procession.wait_pid() runs on Linux. Here await asyncio.to_thread(os.waitpid, pid, 0)."
    )


class _OnLinuxOnly:
    """What there is where there is an engine: says so when it is called."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raise NotImplementedError."""
        raise NotImplementedError(
            f"procession.{self.__name__}() runs on Linux. Here build it from "
            "asyncio.create_subprocess_exec() and an asyncio.Semaphore."
        )


run = _OnLinuxOnly("run")
map = _OnLinuxOnly("map")
Pool = _OnLinuxOnly("Pool")
PoolStats = _OnLinuxOnly("PoolStats")
Results = _OnLinuxOnly("Results")
Attempt = _OnLinuxOnly("Attempt")
Command = _OnLinuxOnly("Command")
