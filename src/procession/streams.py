"""The documented streams: the waiting on top of what _reader and _writer do at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from procession._lines import Lines, try_lines
from procession._reading import Reading, use_own_next
from procession._writer import Writer
from procession.transport import ReadPipe, WritePipe, transport_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

DEFAULT_LIMIT = 2**16

Bytes = bytes | bytearray | memoryview


class StreamReader(Reading, asyncio.StreamReader):  # type: ignore[misc]
    """The bytes that a child writes. As asyncio.StreamReader, call by call.

    Cancelled while it waits, no method loses anything: the next call goes on with all
    that was read.
    """

    _transport_ref: Any = None

    def __init__(
        self, limit: int = DEFAULT_LIMIT, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        super().__init__(limit, asyncio.get_event_loop() if loop is None else loop)

    def __repr__(self) -> str:
        info = ["StreamReader"]
        if self._buffer:
            info.append(f"{len(self._buffer)} bytes")
        if self._eof:
            info.append("eof")
        if self._limit != DEFAULT_LIMIT:
            info.append(f"limit={self._limit}")
        if self._waiter:
            info.append(f"waiter={self._waiter!r}")
        if self._exception:
            info.append(f"exception={self._exception!r}")
        if self._transport:
            info.append(f"transport={self._transport!r}")
        if self._paused:
            info.append("paused")
        return "<{}>".format(" ".join(info))

    @property
    def _transport(self) -> Any:
        return transport_of(self, ReadPipe) if self._is_piped() else self._fed_by()

    async def _wait_for_data(self, func_name: str, gathering: bool = False) -> None:
        waiter = self._begin_wait(func_name, gathering)
        try:
            await waiter
        except BaseException:
            self._wait_failed(waiter)
            raise

    # Where the calls of Reading have to wait. They have tried, so the wait comes first.

    async def _wait_read(self, n: int) -> bytes:
        data = None
        while data is None:
            await self._wait_for_data("read", gathering=n < 0)
            data = self._retry_read(n)
        return data

    async def _wait_exactly(self, n: int) -> bytes:
        data = None
        while data is None:
            await self._wait_for_data("readexactly")
            data = self._retry_exactly(n)
        return data

    async def _wait_until(self, separator: Bytes | tuple[Bytes, ...]) -> bytes:
        found: bytes | int = 0
        while isinstance(found, int):
            await self._wait_for_data("readuntil")
            found = self._retry_until(separator, found)
        return found

    async def _wait_line(self) -> bytes:
        line: bytes | int = 0
        while isinstance(line, int):
            await self._wait_for_data("readuntil")
            line = self._retry_line(line)
        return line

    async def _wait_next(self) -> bytes:
        line = await self._wait_line()
        if not line:
            raise StopAsyncIteration
        return line

    # What asyncio does not have

    async def readinto(self, buffer: Buffer) -> int:
        """Read into a buffer as soon as there is anything; return how many bytes came.

        That is 0 at the end of the stream, or if the buffer is empty. What was read ahead
        comes first, else one read of at most 64 KiB. The buffer is not held while this
        waits.

        Raises:
            TypeError: buffer is not writable, not contiguous, or no buffer.
            RuntimeError: another task waits for data of this stream.
        """
        while (count := self._try_into(buffer)) is None:
            await self._wait_for_data("readinto")
        return count

    async def readlines(self) -> list[bytes]:
        r"""Read all lines that are there, each with its b"\n"; wait only if there is none.

        What is left at the end of the stream is a line, then comes an empty list. A call
        returns as much as is read ahead, the larger of 64 KiB and twice the limit.

        Raises:
            ValueError: the first line is longer than the limit. What becomes of it is as
                in readline(); the lines before it were returned.
            RuntimeError: another task waits for data of this stream.
        """
        lines = try_lines(self, 0)
        while isinstance(lines, int):
            await self._wait_for_data("readlines")
            lines = try_lines(self, lines)
        return lines

    def lines(self, max_line: int | None = None, keepends: bool = False) -> AsyncIterator[bytes]:
        r"""Iterate over the lines, however long they are; the limit is not applied.

        Args:
            max_line: of a line with more bytes than this, its end not counted, each item
                is a piece of exactly as many bytes, and the last one is the rest. None:
                lines are always whole, and take the memory that they need.
            keepends: leave the b"\n" on each line. Only then can a piece be told from a
                line: it has none. Otherwise the b"\n" is taken off, and nothing else.

        Nothing is lost by breaking off or by cancellation: the reader and a new iterator go
        on from there.

        Raises, while iterating:
            RuntimeError: another task waits for data of this stream.
        """
        return Lines(self, max_line, keepends)

    async def _next_of(self, lines: Lines) -> bytes:
        line = lines._try_next(0)
        while isinstance(line, int):
            await self._wait_for_data("lines")
            line = lines._try_next(line)
        if line is None:
            raise StopAsyncIteration
        return line


use_own_next(StreamReader)


class StreamWriter(Writer, asyncio.StreamWriter):
    """Where a child reads from. As asyncio.StreamWriter, call by call."""

    _transport_ref: Any = None

    def __init__(self) -> None:
        """Unconnected: create_subprocess_exec() and its kin connect it to a child."""

    # asyncio's takes an argument from Python 3.13 on.
    def __del__(self) -> None:  # type: ignore[override, unused-ignore]
        """Let go in silence: the pipe is closed with the object."""

    def __repr__(self) -> str:
        return f"<StreamWriter transport={self.transport!r}>"

    @property
    def transport(self) -> Any:
        """The pipe as an asyncio.WriteTransport."""
        return transport_of(self, WritePipe)

    @property
    def _transport(self) -> Any:
        return self.transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the pipe for "pipe", else the default."""
        return self.transport.get_extra_info(name, default)

    async def drain(self) -> None:
        """Wait until the child has read enough for more to be written.

        Cancelled, it leaves what was written on its way.

        Raises:
            ConnectionResetError: the pipe is closed.
            BrokenPipeError: the child closed its end while this waited.
        """
        if self.is_closing():
            await asyncio.sleep(0)
        waiter = self._begin_drain()
        if waiter is None:
            return
        try:
            await waiter
        finally:
            self._end_drain(waiter)

    async def wait_closed(self) -> None:
        """Wait until the pipe is closed.

        Raises:
            BrokenPipeError: the child closed its end before it had read everything.
        """
        await asyncio.shield(self._closed_future())
