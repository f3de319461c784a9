"""Input that is cut at the ends of lines, for --pipe: the blocks are the input, byte for byte.

Where it is cut depends on the bytes only, not on when they come: the same input gives the
same blocks. The last line needs no newline.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator
from contextlib import aclosing

from procession.cli.inputs.reading import chunks

# Blocks are large: with more at a time there are fewer turns of the loop.
READ = 256 * 1024


def blocks_of(options: argparse.Namespace, fd: int) -> AsyncGenerator[bytes, None]:
    """Return the blocks that the options ask for: of so many lines, or of so many bytes.

    Raises:
        OSError: the descriptor cannot be read.
    """
    if options.max_replace_args is not None:
        return blocks_of_lines(fd, options.max_replace_args)
    return blocks(fd, options.block)


async def blocks(fd: int, size: int) -> AsyncGenerator[bytes, None]:
    """Yield as many whole lines at a time as have at most so many bytes.

    A line that alone has more is a block by itself. Memory is a block and a read, beside
    the block that was yielded.

    Args:
        size: of a block, in bytes, at least 1.

    Raises:
        OSError: the descriptor cannot be read.
    """
    buffer = bytearray()
    searched = 0
    async with aclosing(chunks(fd, READ)) as pieces:
        async for chunk in pieces:
            buffer += chunk
            while len(buffer) >= size:
                end = buffer.rfind(b"\n", 0, size) + 1
                end = end or buffer.find(b"\n", max(size, searched)) + 1
                if not end:
                    # No part of a very long line is searched twice.
                    searched = len(buffer)
                    break
                searched = 0
                yield take(buffer, end)
    if buffer:
        yield bytes(buffer)


async def blocks_of_lines(fd: int, lines: int) -> AsyncGenerator[bytes, None]:
    """Yield so many lines at a time, however long, and at last the rest.

    Args:
        lines: of a block, at least 1.

    Raises:
        OSError: the descriptor cannot be read.
    """
    buffer = bytearray()
    searched = found = 0
    async with aclosing(chunks(fd, READ)) as pieces:
        async for chunk in pieces:
            buffer += chunk
            while end := buffer.find(b"\n", searched) + 1:
                searched = end
                found += 1
                if found == lines:
                    searched = found = 0
                    yield take(buffer, end)
            searched = len(buffer)
    if buffer:
        yield bytes(buffer)


def take(buffer: bytearray, end: int) -> bytes:
    with memoryview(buffer) as view:
        block = bytes(view[:end])
    del buffer[:end]
    return block
