"""Pipes whose events call a protocol: those of children, and the program's own."""

from __future__ import annotations

import asyncio
import os
import stat
import warnings
from collections.abc import Callable
from typing import Any

from procession._transport import ReadCore, WriteCore
from procession.debuglog import logger
from procession.transport import ReadPipe, WritePipe

Factory = Callable[[], Any]


class _Connected:
    """What both kinds of transport have in common: a protocol, and perhaps a pipe of the
    caller's."""

    _end: Any
    _extra: dict[str, Any]
    _pipe: Any = None

    def _take(self, pipe: Any) -> None:
        self._end.open(pipe.fileno())
        self._extra["pipe"] = self._pipe = pipe

    def _closed_now(self) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()

    def _state(self) -> str:
        if self._pipe is not None and self._end._pipe_fileno() < 0:
            # Without a protocol: the loop was closed first.
            return "open" if self._end._get_protocol() is None else "closing"
        return super()._state()  # type: ignore[misc, no-any-return]

    def __del__(self) -> None:
        if self._pipe is not None:
            warnings.warn(
                f"unclosed transport {self!r}", ResourceWarning, stacklevel=2, source=self
            )
            self._pipe.close()

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._end._get_protocol()  # type: ignore[no-any-return]

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._end._set_protocol(protocol)


class ReadPipeTransport(_Connected, ReadPipe):
    """A pipe that is read; what comes is told to a protocol.

    As the transport of asyncio's loop.connect_read_pipe().
    """

    _end: ReadCore

    def __init__(self, loop: Any, protocol: Any, pipe: Any = None) -> None:
        super().__init__(ReadCore(loop, self, protocol))
        self._loop = loop
        if pipe is not None:
            self._take(pipe)

    def pause_reading(self) -> None:
        if self.is_reading():
            self._end._stop(True)
            if self._loop.get_debug():
                logger.debug("%r pauses reading", self)

    def resume_reading(self) -> None:
        if not self.is_closing() and self._end._stopped():
            self._end._stop(False)
            if self._loop.get_debug():
                logger.debug("%r resumes reading", self)

    def is_closing(self) -> bool:
        return self._end.is_closing()


class WritePipeTransport(_Connected, WritePipe):
    """A pipe that is written; its water marks and its end are told to a protocol.

    As the transport of asyncio's loop.connect_write_pipe().
    """

    _end: WriteCore

    def __init__(self, loop: Any, protocol: Any, pipe: Any = None, is_socket: bool = False) -> None:
        super().__init__(WriteCore(loop, self, protocol, is_socket))
        if pipe is not None:
            self._take(pipe)


def kind_of(pipe: Any, kinds: str) -> int:
    """Return the file type of a pipe of the caller's, made non-blocking.

    Raises:
        ValueError: it is of no kind whose readiness can be waited for.
    """
    fd = pipe.fileno()
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)):
        raise ValueError(f"Pipe transport is {kinds}")
    os.set_blocking(fd, False)
    return mode


async def connected(loop: Any, transport: Any, pipe: Any, name: str) -> tuple[Any, Any]:
    """Tell the protocol of its transport, then start; return both."""
    protocol = transport.get_protocol()
    started = loop.create_future()

    def start() -> None:
        if started.cancelled():
            return
        try:
            transport._end.start()
        except (OSError, MemoryError) as error:
            started.set_exception(error)
        else:
            started.set_result(None)

    loop.call_soon(protocol.connection_made, transport)
    loop.call_soon(start)
    try:
        await started
    except BaseException:
        transport.close()
        raise
    if loop.get_debug():
        logger.debug("%s pipe %r connected: (%r, %r)", name, pipe.fileno(), transport, protocol)
    return transport, protocol


async def connect_read_pipe(loop: Any, protocol_factory: Factory, pipe: Any) -> tuple[Any, Any]:
    protocol = protocol_factory()
    kind_of(pipe, "for pipes/sockets only.")
    return await connected(loop, ReadPipeTransport(loop, protocol, pipe), pipe, "Read")


async def connect_write_pipe(loop: Any, protocol_factory: Factory, pipe: Any) -> tuple[Any, Any]:
    protocol = protocol_factory()
    mode = kind_of(pipe, "only for pipes, sockets and character devices")
    transport = WritePipeTransport(loop, protocol, pipe, stat.S_ISSOCK(mode))
    return await connected(loop, transport, pipe, "Write")
