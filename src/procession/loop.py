"""Event loops whose subprocesses are ours, and programs that call asyncio put on them."""

from __future__ import annotations

import asyncio
import asyncio.base_events
import asyncio.subprocess
from subprocess import PIPE
from typing import Any

from procession import lowlevel, pipes
from procession.pipes import Factory
from procession.spec import Stream, StrOrBytesPath
from procession.subprocess import create_subprocess_exec, create_subprocess_shell


class SubprocessMixin:
    """The methods of an event loop that concern children and pipes, on our engine.

    For a loop of any kind that has add_reader(), first among the base classes:
    `class Loop(procession.SubprocessMixin, uvloop.Loop): pass`.
    """

    async def subprocess_exec(
        self,
        protocol_factory: Factory,
        program: StrOrBytesPath,
        *args: StrOrBytesPath,
        stdin: Stream = PIPE,
        stdout: Stream = PIPE,
        stderr: Stream = PIPE,
        **kwargs: Any,
    ) -> tuple[Any, Any]:
        """Run a program whose events call a protocol; return (transport, protocol).

        Arguments, errors and cancellation as for create_subprocess_exec().
        """
        return await lowlevel.subprocess_exec_on(
            self,
            protocol_factory,
            program,
            *args,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            **kwargs,
        )

    async def subprocess_shell(
        self,
        protocol_factory: Factory,
        cmd: str | bytes,
        *,
        stdin: Stream = PIPE,
        stdout: Stream = PIPE,
        stderr: Stream = PIPE,
        **kwargs: Any,
    ) -> tuple[Any, Any]:
        """Run a command line whose events call a protocol; return (transport, protocol)."""
        return await lowlevel.subprocess_shell_on(
            self, protocol_factory, cmd, stdin=stdin, stdout=stdout, stderr=stderr, **kwargs
        )

    async def connect_read_pipe(self, protocol_factory: Factory, pipe: Any) -> tuple[Any, Any]:
        """Read from a pipe, FIFO, terminal or socket; return (transport, protocol).

        `pipe` is a file object, which is made non-blocking and belongs to the transport
        from now on. Cancelled, it is closed.

        Raises:
            ValueError: pipe is of another kind.
            PermissionError: the kernel cannot wait for this device, such as /dev/null.
        """
        return await pipes.connect_read_pipe(self, protocol_factory, pipe)

    async def connect_write_pipe(self, protocol_factory: Factory, pipe: Any) -> tuple[Any, Any]:
        """Write to a pipe, FIFO, terminal or socket; return (transport, protocol).

        The rest as for connect_read_pipe().
        """
        return await pipes.connect_write_pipe(self, protocol_factory, pipe)


class EventLoop(SubprocessMixin, asyncio.SelectorEventLoop):
    """asyncio's selector loop, with children and pipes on our engine."""


def new_event_loop() -> EventLoop:
    """Return a new EventLoop: for `asyncio.Runner(loop_factory=procession.new_event_loop)`."""
    return EventLoop()


_CALLS = {
    "create_subprocess_exec": create_subprocess_exec,
    "create_subprocess_shell": create_subprocess_shell,
}
_METHODS = {
    "subprocess_exec": SubprocessMixin.subprocess_exec,
    "subprocess_shell": SubprocessMixin.subprocess_shell,
}
_PLACES: tuple[tuple[Any, dict[str, Any]], ...] = (
    (asyncio, _CALLS),
    (asyncio.subprocess, _CALLS),
    (asyncio.base_events.BaseEventLoop, _METHODS),
)
_originals: list[tuple[Any, str, Any]] = []


def install() -> None:
    """Put this package under programs that call asyncio.

    asyncio.create_subprocess_exec and _shell are replaced, and loop.subprocess_exec and
    _shell of asyncio's event loops. Libraries get them, too, unless they imported the
    functions by name before. A second call changes nothing.
    """
    if _originals:
        return
    for place, replacements in _PLACES:
        for name, function in replacements.items():
            _originals.append((place, name, getattr(place, name)))
            setattr(place, name, function)


def uninstall() -> None:
    """Undo install()."""
    while _originals:
        place, name, function = _originals.pop()
        setattr(place, name, function)
