"""The output of one job: in memory while it is short, then in a file without a name."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO

# Of each stream of each job that runs.
IN_MEMORY = 1024 * 1024
PIECE = 256 * 1024


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Have an OSError of a file without a name say where the file is."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, place) from error


class Spool:
    """Bytes that are kept in the order in which they came.

    The first MiB is in memory; what is longer is in a temporary file as a whole, in the
    directory that tempfile.gettempdir() names, and goes with the process whatever ends it.

    Attributes:
        size: how many bytes came.
    """

    __slots__ = ("_data", "_file", "_place", "size")

    def __init__(self) -> None:
        self.size = 0
        # Most jobs write nothing, or one chunk, which is kept as it came.
        self._data: bytes | bytearray = b""
        self._file: FileIO | None = None
        self._place = ""

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            OSError: the temporary file cannot be made or is full; its filename is the
                directory. What was written before is still there, and nothing of these bytes.
        """
        size = self.size + len(data)
        if self._file is not None:
            self._append(self._file, data)
        elif size > IN_MEMORY:
            self._move(data)
        elif not self.size:
            self._data = data
        else:
            if isinstance(self._data, bytes):
                self._data = bytearray(self._data)
            self._data += data
        self.size = size

    def _move(self, data: bytes) -> None:
        import tempfile

        self._place = tempfile.gettempdir()
        with naming(self._place):
            file: FileIO = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - close() does
        try:
            if self._data:
                self._append(file, self._data)
            self._append(file, data)
        except BaseException:
            file.close()
            raise
        self._file, self._data = file, b""

    def _append(self, file: FileIO, data: bytes | bytearray) -> None:
        with naming(self._place):
            begin = file.tell()
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
            except BaseException:
                file.seek(begin)
                file.truncate()
                raise

    @property
    def in_file(self) -> bool:
        """Whether it takes a descriptor and no memory."""
        return self._file is not None

    def pieces(self) -> Iterator[bytes]:
        """Yield all bytes, as often as is asked; nothing may be written meanwhile.

        Raises:
            OSError: the temporary file cannot be read.
        """
        if self._file is None:
            if self._data:
                yield bytes(self._data)
            return
        offset = 0
        while offset < self.size:
            with naming(self._place):
                piece = os.pread(self._file.fileno(), PIECE, offset)
                if not piece:
                    raise OSError(errno.EIO, "the temporary file was cut short")
            offset += len(piece)
            yield piece

    def close(self) -> None:
        """Drop the bytes, but not the memory of how many they were. Twice is fine."""
        self._data = b""
        if self._file is not None:
            self._file.close()
            self._file = None
