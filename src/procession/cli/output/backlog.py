"""Bytes that wait to be written, some of which are not even read yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Short pieces are joined up to this.
JOINED = 64 * 1024


@dataclass(slots=True)
class Source:
    """Bytes that are fetched when their turn has come.

    Attributes:
        pieces: of bytes.
        left: how many bytes they still are, about.
        done: called when nothing is fetched any more, in any case.
    """

    pieces: Iterator[bytes]
    left: int
    done: Callable[[], None]


class Backlog:
    """A queue of bytes and of sources of bytes.

    Attributes:
        size: how many bytes wait, sources with what they say of themselves.
    """

    __slots__ = ("_head", "_queue", "size")

    def __init__(self) -> None:
        self.size = 0
        # What is written first; never empty.
        self._head: memoryview | None = None
        self._queue: deque[bytes | bytearray | Source] = deque()

    def put(self, data: bytes) -> None:
        """Append bytes, of which there are some."""
        self.size += len(data)
        queue = self._queue
        if not queue:
            if self._head is None:
                self._head = memoryview(data)
                return
        else:
            last = queue[-1]
            if isinstance(last, bytearray) and len(last) < JOINED:
                last += data
                return
        queue.append(bytearray(data) if len(data) < JOINED else data)

    def put_source(self, source: Source) -> None:
        """Append bytes that are there, but not here."""
        self.size += source.left
        self._queue.append(source)

    def head(self) -> memoryview | None:
        """Return the first bytes; None if nothing is left.

        Raises:
            OSError: a source has failed.
        """
        while self._head is None and self._queue:
            item = self._queue[0]
            if isinstance(item, Source):
                self._fetch(item)
            else:
                self._queue.popleft()
                self._head = memoryview(item)
        return self._head

    def _fetch(self, source: Source) -> None:
        piece = next(source.pieces, None)
        if piece is None:
            self._queue.popleft()
            self.size -= source.left
            source.done()
        elif piece:
            counted = min(source.left, len(piece))
            source.left -= counted
            self.size += len(piece) - counted
            self._head = memoryview(piece)

    def advance(self, n: int) -> None:
        """Drop the first n bytes of the head."""
        assert self._head is not None
        self.size -= n
        self._head = self._head[n:] if n < len(self._head) else None

    def clear(self) -> None:
        """Drop everything."""
        queue, self._queue = self._queue, deque()
        self._head = None
        self.size = 0
        for item in queue:
            if isinstance(item, Source):
                item.done()
