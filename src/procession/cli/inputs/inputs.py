"""One source of values: arguments, or a file that is read as they are wanted."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from procession.cli.errors import UsageError
from procession.cli.inputs.combining import LARGEST
from procession.cli.inputs.reading import count_values, values

STDIN = 0

ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|(.))", re.DOTALL)
LETTERS = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}


@dataclass(slots=True)
class Source:
    """The values that are given, or the descriptor that they are read from."""

    name: str
    is_linked: bool  # to the source before it
    given: list[str] = field(default_factory=list)
    fd: int | None = None  # ours to close, but for standard input
    offset: int | None = None  # where a regular file begins for us

    async def lists(self, delimiter: bytes) -> AsyncGenerator[list[str], None]:
        """Yield the values as they come.

        Raises:
            OSError: they cannot be read; it has the name of the source.
        """
        if self.fd is None:
            for begin in range(0, len(self.given), LARGEST):
                yield self.given[begin : begin + LARGEST]
            return
        async with aclosing(values(self.fd, delimiter)) as lists:
            while True:
                try:
                    some = await anext(lists)
                except StopAsyncIteration:
                    return
                except OSError as error:
                    raise OSError(error.errno, error.strerror, self.name) from error
                yield some

    async def count(self, delimiter: bytes) -> int | None:
        """Return how many values there are, None if only reading tells."""
        if self.fd is None:
            return len(self.given)
        if self.offset is None or len(delimiter) > 1:
            return None
        return await count_values(self.fd, self.offset, delimiter)

    def close(self) -> None:
        fd, self.fd = self.fd, None
        if fd is not None and fd != STDIN:
            os.close(fd)


def opened(name: str, is_linked: bool) -> Source:
    """Open a file, - being standard input.

    Raises:
        UsageError: it cannot be opened, or is a directory.
    """
    if name == "-":
        source = Source("standard input", is_linked, fd=STDIN)
        # Another file may have got its number since.
        if sys.__stdin__ is None:
            raise UsageError("cannot read standard input: it is closed")
    else:
        source = Source(name, is_linked)
    try:
        if source.fd is None:
            # Nobody may have opened a named pipe for writing yet: that is not waited for.
            source.fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        kind = os.fstat(source.fd).st_mode
        if fcntl.fcntl(source.fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
            raise OSError(errno.EBADF, "it is open for writing only")
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if stat.S_ISREG(kind):
            source.offset = os.lseek(source.fd, 0, os.SEEK_CUR)
    except OSError as error:
        source.close()
        raise UsageError(f"cannot read {source.name}: {error.strerror}") from error
    return source


def delimiter_of(text: str) -> bytes:
    r"""Return what --delimiter means: \n, \t, \0, \x2c and the like are single bytes.

    Raises:
        UsageError: it has no byte, or an escape that there is not.
    """

    def byte(match: re.Match[str]) -> str:
        code, octal, letter = match.groups()
        if letter is None:
            number = int(code, 16) if code else int(octal, 8) & 0xFF
        elif letter in LETTERS:
            number = LETTERS[letter]
        else:
            raise UsageError(f"--delimiter {text}: there is no \\{letter}; a backslash is \\\\")
        return os.fsdecode(bytes([number]))

    delimiter = os.fsencode(ESCAPE.sub(byte, text))
    if not delimiter:
        raise UsageError("--delimiter must not be empty")
    return delimiter
