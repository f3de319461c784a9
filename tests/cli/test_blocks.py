"""Blocks of input: all of it, byte for byte, cut at the ends of lines and nowhere else."""

import asyncio
import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from children import TIMEOUT
from helpers.leftovers import resident
from procession.cli.inputs.blocks import READ, blocks, blocks_of_lines

lines = st.lists(st.binary(max_size=6).map(lambda text: text.replace(b"\n", b"") + b"\n"))
data = st.tuples(lines, st.binary(max_size=3)).map(lambda parts: b"".join(parts[0]) + parts[1])
cuts = st.lists(st.integers(1, 20), min_size=1, max_size=5)

MIB = 1 << 20


def in_pieces(data, cuts):
    """Return a socket of which each read brings as many bytes as the cuts say, in turn."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MIB)
    with theirs:
        number = 0
        while data:
            size = cuts[number % len(cuts)]
            theirs.send(data[:size])
            data = data[size:]
            number += 1
    return ours


async def collect(cutting):
    return [block async for block in cutting]


def by_size(data, size):
    """Cut as it is said in words: the model."""
    found = []
    while len(data) >= size:
        end = data.rfind(b"\n", 0, size) + 1 or data.find(b"\n", size) + 1
        if not end:
            break
        found.append(data[:end])
        data = data[end:]
    return found + [data] * bool(data)


@given(data, cuts, st.integers(1, 30))
def test_blocks_are_the_input_whatever_the_pieces(data, cuts, size):
    with in_pieces(data, cuts) as source:
        found = asyncio.run(collect(blocks(source.fileno(), size)))

    assert b"".join(found) == data
    assert found == by_size(data, size)
    assert all(block.endswith(b"\n") for block in found[:-1])
    assert all(len(block) <= size or block.count(b"\n", 0, -1) == 0 for block in found)


@given(data, cuts, st.integers(1, 5))
def test_blocks_have_as_many_lines_as_wanted(data, cuts, number):
    with in_pieces(data, cuts) as source:
        found = asyncio.run(collect(blocks_of_lines(source.fileno(), number)))

    assert b"".join(found) == data
    assert all(block.count(b"\n") == number and block.endswith(b"\n") for block in found[:-1])
    assert all(block.rstrip(b"\n") or block for block in found)
    assert not found or found[-1].count(b"\n") <= number


async def test_no_input_is_no_block():
    with open("/dev/null", "rb") as null:
        assert await collect(blocks(null.fileno(), MIB)) == []


async def test_a_block_is_there_before_the_input_has_ended(pipe):
    reading, writing = pipe
    os.write(writing, b"a\nb\nc")
    cutting = blocks(reading, 4)

    assert await asyncio.wait_for(anext(cutting), TIMEOUT) == b"a\nb\n"

    await cutting.aclose()


@pytest.mark.slow
async def test_memory_is_a_block_and_a_read(tmp_path):
    path = tmp_path / "lines"
    with open(path, "wb") as file:
        for number in range(64):
            file.write(b"%07d\n" % number * (MIB // 8))
    size = total = 0
    with open(path, "rb") as file:
        cutting = blocks(file.fileno(), MIB)
        total += len(await anext(cutting))
        before = resident()
        async for block in cutting:
            total += len(block)
            size = max(size, resident() - before)

    assert total == path.stat().st_size
    assert size <= 4 * MIB + READ
