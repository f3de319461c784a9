"""What a descriptor gives, as it comes: in chunks, and cut into values.

The descriptor may be anything that can be read, and others may share its description (a
terminal with the shell, a pipe with another reader): its flags stay as they are, and yet
reading never blocks the loop for longer than a disk takes.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import select
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing

# What a pipe holds, so that one read can empty it.
CHUNK = 64 * 1024

# What is counted of a file in one go: a fraction of a millisecond.
COUNTED = 1024 * 1024


async def chunks(fd: int, size: int = CHUNK) -> AsyncGenerator[bytes, None]:
    """Yield what there is, as soon as it is there, until the end of the input.

    The loop watches an epoll of our own instead of the descriptor: one kind of loop makes
    what it watches non-blocking, which would be so for everybody who shares it.

    Cancelled or closed, it leaves nothing at the loop. The descriptor stays open, and must
    stay so until then.

    Args:
        size: read at most at a time.

    Raises:
        OSError: it cannot be read.
    """
    # Of what is open for writing only an epoll would never say that it can be read, and were
    # it closed the epoll would get its number.
    if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
        raise OSError(errno.EBADF, "it is open for writing only")
    with select.epoll(1) as watch:
        try:
            watch.register(fd, select.EPOLLIN)
        except PermissionError:
            # A regular file or /dev/null, say: there is nothing to wait for.
            while chunk := os.read(fd, size):
                yield chunk
                await asyncio.sleep(0)
            return
        buffer = bytearray(size)
        while True:
            await readable(watch)
            piece = read_now(fd, buffer)
            if piece == b"":
                return
            if piece is not None:
                yield piece


async def readable(watch: select.epoll) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(watch.fileno(), wake)
    try:
        await ready
    finally:
        loop.remove_reader(watch.fileno())


def read_now(fd: int, buffer: bytearray) -> bytes | None:
    """Read without waiting; return None if another reader has taken what there was."""
    try:
        count = os.preadv(fd, [buffer], -1, os.RWF_NOWAIT)
        return bytes(memoryview(buffer)[:count])
    except BlockingIOError:
        return None
    except OSError:
        # Terminals and old kernels do not know how. There was something a moment ago.
        pass
    try:
        return os.read(fd, len(buffer))
    except BlockingIOError:
        return None


async def values(fd: int, delimiter: bytes = b"\n") -> AsyncGenerator[list[str], None]:
    """Yield lists of the values that each chunk completes, decoded as file names are.

    The last value needs no delimiter. Memory is a chunk, or the longest value.

    Raises:
        OSError: the descriptor cannot be read.
    """
    encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
    # In UTF-8 an ASCII byte is never a part of another character, so that a chunk can be
    # decoded at once and split then.
    at_once = len(delimiter) == 1 and delimiter.isascii() and encoding == "utf-8"
    separator = delimiter.decode("latin-1")
    pending = bytearray()
    async with aclosing(chunks(fd)) as pieces:
        async for chunk in pieces:
            begin = max(0, len(pending) - len(delimiter) + 1)
            pending += chunk
            if pending.find(delimiter, begin) < 0:
                continue
            if at_once:
                end = pending.rfind(delimiter)
                found = pending[:end].decode(encoding, errors).split(separator)
                del pending[: end + 1]
            else:
                *parts, pending = pending.split(delimiter)
                found = [part.decode(encoding, errors) for part in parts]
            yield found
    if pending:
        yield [pending.decode(encoding, errors)]


async def count_values(fd: int, offset: int, delimiter: bytes = b"\n") -> int:
    """Return how many values a regular file has from an offset on.

    Its own position stays, so that it can be read meanwhile.

    Args:
        delimiter: a single byte.
    """
    count = 0
    last = delimiter
    while block := os.pread(fd, COUNTED, offset):
        offset += len(block)
        count += block.count(delimiter)
        last = block[-1:]
        await asyncio.sleep(0)
    return count + (last != delimiter)
