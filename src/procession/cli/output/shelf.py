"""Output of many jobs in one temporary file, while they wait for their turn."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from io import FileIO

from procession.cli.output.spool import PIECE, naming


class Shelf:
    """A file without a name to which bytes are appended.

    It goes when nothing that is in it is needed any more; closing all that was put is enough.
    """

    def __init__(self) -> None:
        self._file: FileIO | None = None
        self._place = ""
        self._end = 0
        self._used = 0

    def put(self, pieces: Iterable[bytes]) -> Shelved:
        """Append bytes; return where they are.

        Raises:
            OSError: there is no room, or the pieces cannot be read; nothing is appended.
        """
        if self._file is None:
            import tempfile

            self._place = tempfile.gettempdir()
            with naming(self._place):
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - close() does
        begin = end = self._end
        try:
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    with naming(self._place):
                        n = os.pwrite(self._file.fileno(), rest, end)
                    rest, end = rest[n:], end + n
        except BaseException:
            self._file.truncate(begin)
            self._close_unused()
            raise
        self._end = end
        self._used += 1
        return Shelved(self, begin, end - begin)

    def read(self, begin: int, size: int) -> Iterator[bytes]:
        """Yield what is at a place.

        Raises:
            OSError: it cannot be read.
        """
        assert self._file is not None
        end = begin + size
        while begin < end:
            with naming(self._place):
                piece = os.pread(self._file.fileno(), min(PIECE, end - begin), begin)
                if not piece:
                    raise OSError(errno.EIO, "the temporary file was cut short")
            begin += len(piece)
            yield piece

    def take_back(self) -> None:
        """Forget one of those that were put."""
        self._used -= 1
        self._close_unused()

    def _close_unused(self) -> None:
        if not self._used and self._file is not None:
            self._file.close()
            self._file, self._end = None, 0


class Shelved:
    """Bytes on a shelf."""

    __slots__ = ("_begin", "_shelf", "in_file", "size")

    def __init__(self, shelf: Shelf, begin: int, size: int) -> None:
        self._shelf: Shelf | None = shelf
        self._begin = begin
        self.size = size
        # The descriptor is the shelf's.
        self.in_file = False

    def pieces(self) -> Iterator[bytes]:
        """Yield all bytes.

        Raises:
            OSError: they cannot be read.
        """
        assert self._shelf is not None
        return self._shelf.read(self._begin, self.size)

    def close(self) -> None:
        """Give up the bytes. Twice is fine."""
        if self._shelf is not None:
            self._shelf.take_back()
            self._shelf = None
