"""Bytes to standard output and standard error, from an event loop that never waits for them."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable, Iterator

from procession.cli.output.backlog import Backlog, Source
from procession.cli.output.channel import Channel, channel_to, is_same_place

# Backlogs between which those who write should pause.
HIGH = 8 * 1024 * 1024
LOW = 1024 * 1024
# Written in one go, before others on the loop have their turn.
TURN = 1024 * 1024

NAMES = {1: "standard output", 2: "standard error"}
NEWLINE = 0x0A


class Printer:
    """A queue in front of a descriptor.

    What cannot be written at once waits here. When nobody reads any more, or nothing can be
    written for another reason, the rest is dropped, as is all that is written later.

    Attributes:
        stopped: whether all is dropped.
        on_broken: called once, when the reader has gone.
        on_error: called once, with another error, such as that of a full disk, or with what
            went wrong as pieces were made.
        on_full: called when `is_full` becomes true.
        on_low: called when enough has gone for `is_full` to be no longer true.
        before, after: called around all that is written in one go, so that something else
            on the same terminal can step aside. None of these six may write.
        at_line_start: whether what has been written ended with a newline.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, fd: int) -> None:
        self.stopped = False
        self.at_line_start = True
        self.on_broken: Callable[[], None] | None = None
        self.on_error: Callable[[Exception], None] | None = None
        self.on_full: Callable[[], None] | None = None
        self.on_low: Callable[[], None] | None = None
        self.before: Callable[[], None] | None = None
        self.after: Callable[[], None] | None = None
        self._loop = loop
        self._name = NAMES.get(fd, f"descriptor {fd}")
        self._backlog = Backlog()
        self._full = False
        # From the first byte that comes to the last that has gone.
        self._busy = False
        self._drains: list[asyncio.Future[None]] = []
        self._soon: asyncio.Handle | None = None
        self._watched = False
        self._writable: select.epoll | None = None
        self._channel: Channel | None = None
        self._refusal: OSError | None = None
        try:
            self._channel = channel_to(fd)
        except OSError as error:
            # As with other commands, it is no fault as long as there is nothing to say.
            self._refusal = error
        else:
            self._writable = epoll_of(self._channel.fd)

    @property
    def backlog(self) -> int:
        """How many bytes wait."""
        return self._backlog.size

    @property
    def is_full(self) -> bool:
        """Whether those who write should pause until on_low() is called."""
        return self._full

    @property
    def is_busy(self) -> bool:
        """Whether anything waits, or has still to be fetched."""
        return self._busy

    def write(self, data: bytes) -> None:
        """Write bytes, now or as soon as they are taken; never waits."""
        if data and not self.stopped:
            self._backlog.put(data)
            self._begin()

    def send(self, pieces: Iterator[bytes], size: int, done: Callable[[], None]) -> None:
        """Write pieces that are fetched one by one, each when those before it are gone.

        Args:
            pieces: of bytes; an OSError of theirs is one of the printer's.
            size: how many bytes they are, about.
            done: called when nothing is fetched any more, in any case.
        """
        if self.stopped:
            done()
            return
        self._backlog.put_source(Source(pieces, size, done))
        self._begin()

    def _begin(self) -> None:
        if not self._busy:
            self._busy = True
            self._go_on()
        if self._backlog.size > HIGH and not self._full:
            self._full = True
            if self.on_full is not None:
                self.on_full()

    def _go_on(self) -> None:
        """Write for one turn, and see to it that the rest is written."""
        self._soon = None
        if self.before is not None:
            self.before()
        try:
            self._busy = not self._write_some()
            self._watch(False)
            if self._busy:
                self._soon = self._loop.call_soon(self._go_on)
        except BlockingIOError:
            self._watch(True)
        except Exception as error:
            self._stop(error)
        finally:
            if self.after is not None:
                self.after()
        self._tell()

    def _write_some(self) -> bool:
        """Write for one turn; return whether all is gone."""
        if self._channel is None:
            assert self._refusal is not None
            raise self._refusal
        write, backlog = self._channel.write, self._backlog
        left = TURN
        while left > 0:
            head = backlog.head()
            if head is None:
                return True
            n = write(head)
            self.at_line_start = head[n - 1] == NEWLINE
            backlog.advance(n)
            left -= n
        return False

    def _watch(self, wanted: bool) -> None:
        """Go on when the descriptor can be written to, or no longer do so."""
        if wanted == self._watched:
            return
        self._watched = wanted
        assert self._writable is not None
        if wanted:
            self._loop.add_reader(self._writable.fileno(), self._go_on)
        elif not self._loop.is_closed():
            self._loop.remove_reader(self._writable.fileno())

    def _tell(self) -> None:
        """Tell those who wait for the backlog to shrink."""
        if self._full and self._backlog.size <= LOW:
            self._full = False
            if self.on_low is not None:
                self.on_low()
        if self._drains:
            drains, self._drains = self._drains, []
            for drain in drains:
                if not drain.done():
                    drain.set_result(None)

    def _stop(self, error: Exception) -> None:
        """Drop what is left, and say why."""
        self._release()
        if isinstance(error, (BrokenPipeError, ConnectionResetError)):
            if self.on_broken is not None:
                self.on_broken()
        elif self.on_error is not None:
            if isinstance(error, OSError) and error.filename is None:
                error = OSError(error.errno, error.strerror, self._name)
            self.on_error(error)

    def _release(self) -> None:
        self.stopped = True
        self._busy = False
        self._backlog.clear()
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self._watch(False)
        if self._writable is not None:
            self._writable.close()
            self._writable = None
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def drop(self) -> None:
        """Drop what waits and all that comes: nobody waits for it any longer."""
        self._release()
        self._tell()

    async def drain(self, limit: int = LOW) -> None:
        """Wait until no more than `limit` bytes wait, or all is dropped.

        Cancellation changes nothing: the printer goes on.
        """
        while self._backlog.size > limit:
            await self._progress()

    async def flush(self) -> None:
        """Wait until all is written or dropped. Cancellation changes nothing."""
        while self._busy:
            await self._progress()

    async def aclose(self) -> None:
        """Wait until all is written or dropped; then close what is the printer's own.

        Cancelled, it leaves the printer open and writing.
        """
        await self.flush()
        self.close()

    async def _progress(self) -> None:
        drain = self._loop.create_future()
        self._drains.append(drain)
        await drain

    def close(self) -> None:
        """Write what is left, waiting for it, and close what is the printer's own.

        The descriptor itself stays open. Twice is fine. If it is interrupted, the rest is
        dropped.
        """
        try:
            while self._busy:
                self._write_out()
        finally:
            self._release()
            self._tell()

    def _write_out(self) -> None:
        assert self._channel is not None
        try:
            self._busy = not self._write_some()
        except BlockingIOError:
            ready = select.poll()
            ready.register(self._channel.fd, select.POLLOUT)
            ready.poll()
        except Exception as error:
            self._stop(error)


def epoll_of(fd: int) -> select.epoll | None:
    """Return what is readable when a descriptor can be written to; None if it always can.

    A loop watches this instead of the descriptor: some loops make what they watch
    non-blocking, and the descriptor may be one that others have, too.
    """
    writable = select.epoll()
    try:
        writable.register(fd, select.EPOLLOUT)
    except BaseException as error:
        writable.close()
        if isinstance(error, PermissionError):
            return None
        raise
    return writable


def printers(loop: asyncio.AbstractEventLoop) -> tuple[Printer, Printer]:
    """Return those for standard output and standard error.

    They are one and the same where both descriptors lead to one place (2>&1), for what is
    written in one order has to come in that order.
    """
    out = Printer(loop, 1)
    return out, out if is_same_place(1, 2) else Printer(loop, 2)
