"""Values from a descriptor of any kind: at once, in any pieces, without touching its flags."""

import asyncio
import fcntl
import os
import socket
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from children import TIMEOUT
from procession.cli.inputs.reading import CHUNK, chunks, count_values, values

pieces = st.lists(st.binary(min_size=1, max_size=12), max_size=8)
delimiters = st.sampled_from([b"\n", b"\0", b",", b"ab", b"aa", b"\xa9", b"\xff"])


def packets(pieces):
    """Return a descriptor of which each read brings one piece."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        for piece in pieces:
            theirs.send(piece)
    return ours


def values_of(data, delimiter):
    *parts, last = data.split(delimiter)
    return [os.fsdecode(part) for part in parts] + ([os.fsdecode(last)] if last else [])


async def all_values(fd, delimiter=b"\n"):
    return [value async for some in values(fd, delimiter) for value in some]


@given(pieces, delimiters)
def test_any_bytes_in_any_pieces_are_the_same_values(pieces, delimiter):
    with packets(pieces) as source:
        found = asyncio.run(all_values(source.fileno(), delimiter))

    assert found == values_of(b"".join(pieces), delimiter)


@given(st.lists(st.text("a,b\né\udc80", max_size=9).map(os.fsencode), min_size=1), delimiters)
def test_any_text_in_any_pieces_is_the_same_values(pieces, delimiter):
    pieces = [piece for piece in pieces if piece]

    with packets(pieces) as source:
        found = asyncio.run(all_values(source.fileno(), delimiter))

    assert found == values_of(b"".join(pieces), delimiter)


async def test_a_line_is_there_as_soon_as_it_is_written(pipe):
    reading, writing = pipe

    async with aclosing(values(reading)) as lines:
        for line in ("a", "b", "c"):
            os.write(writing, f"{line}\nx".encode())
            found = await asyncio.wait_for(anext(lines), TIMEOUT)
            assert found[0].endswith(line)


async def test_what_needs_more_than_one_chunk_is_whole(tmp_path):
    long = "x" * (2 << 20)
    path = tmp_path / "lines"
    path.write_text(f"a\n{long}\n\nb")

    with open(path) as file:
        assert await all_values(file.fileno()) == ["a", long, "", "b"]


async def test_carriage_returns_and_what_is_no_utf_8_stay(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes(b"a\r\n\xff\xc3\n\xc3\xa9\n")

    with open(path) as file:
        assert await all_values(file.fileno()) == ["a\r", "\udcff\udcc3", "é"]


@pytest.mark.parametrize("path", ["/dev/null", "/proc/self/stat"])
async def test_what_cannot_be_watched_is_read(path):
    with open(path) as file:
        expected = file.read().splitlines()
        file.seek(0)
        assert len(await all_values(file.fileno())) == len(expected)


async def test_a_terminal_gives_lines_until_its_end_is_typed():
    master, terminal = os.openpty()
    try:
        os.write(master, b"one\ntwo\n")
        async with aclosing(values(terminal)) as lines:
            found = await asyncio.wait_for(anext(lines), TIMEOUT)
            if len(found) < 2:
                found += await asyncio.wait_for(anext(lines), TIMEOUT)
            os.write(master, b"\x04")
            assert [some async for some in lines] == []
    finally:
        os.close(master)
        os.close(terminal)

    assert found == ["one", "two"]


async def test_the_flags_of_a_shared_description_stay(pipe, loop_of_each_kind):
    reading, writing = pipe
    before = fcntl.fcntl(reading, fcntl.F_GETFL)
    os.write(writing, b"a\n")

    async def during():
        async with aclosing(values(reading)) as lines:
            await anext(lines)
            more = asyncio.ensure_future(anext(lines))
            await asyncio.sleep(0)
            flags = fcntl.fcntl(reading, fcntl.F_GETFL)
            os.write(writing, b"b\n")
            return flags, await more

    flags, found = await asyncio.to_thread(loop_of_each_kind, during)

    assert (flags, found) == (before, ["b"])
    assert fcntl.fcntl(reading, fcntl.F_GETFL) == before


async def test_a_regular_file_is_read_on_any_loop(tmp_path, loop_of_each_kind):
    path = tmp_path / "lines"
    path.write_text("a\nb\n")

    async def read():
        with open(path) as file:
            return await all_values(file.fileno())

    assert await asyncio.to_thread(loop_of_each_kind, read) == ["a", "b"]


@pytest.fixture(params=["asyncio", "uvloop"])
def loop_of_each_kind(request):
    """Return what runs a coroutine function on a loop of that kind."""
    package = pytest.importorskip(request.param)

    def run(function):
        loop = package.new_event_loop()
        try:
            return loop.run_until_complete(asyncio.wait_for(function(), TIMEOUT))
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    return run


@pytest.mark.parametrize("kind", ["pipe", "socket"])
async def test_two_who_share_a_descriptor_do_not_wait_for_each_other(kind):
    if kind == "pipe":
        reading, writing = os.pipe()
    else:
        reading, writing = (end.detach() for end in socket.socketpair())
    try:
        async with aclosing(chunks(reading)) as one, aclosing(chunks(reading)) as other:
            waiting = {asyncio.ensure_future(anext(reader)) for reader in (one, other)}
            found = []
            for byte in (b"a", b"b"):
                os.write(writing, byte)
                done, waiting = await asyncio.wait(
                    waiting, timeout=TIMEOUT, return_when=asyncio.FIRST_COMPLETED
                )
                found += [task.result() for task in done]
    finally:
        os.close(reading)
        os.close(writing)

    assert found == [b"a", b"b"]
    assert not waiting


async def test_a_description_that_does_not_wait_is_waited_for(pipe):
    reading, writing = pipe
    os.set_blocking(reading, False)

    async with aclosing(values(reading)) as lines:
        line = asyncio.ensure_future(anext(lines))
        await asyncio.sleep(0)
        os.write(writing, b"a\n")
        assert await asyncio.wait_for(line, TIMEOUT) == ["a"]


async def test_cancelled_it_leaves_nothing_at_the_loop(pipe):
    reading, _ = pipe
    lines = values(reading)
    line = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0)

    line.cancel()
    with pytest.raises(asyncio.CancelledError):
        await line

    loop = asyncio.get_running_loop()
    watched = [key.fd for key in loop._selector.get_map().values()]
    assert watched == [loop._ssock.fileno()]


async def test_others_get_their_turn_while_a_file_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(8 * CHUNK))
    turns = 0

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.ensure_future(count())
    with open(path) as file:
        sizes = [len(chunk) async for chunk in chunks(file.fileno())]
    counting.cancel()

    assert sizes == [CHUNK] * 8
    assert turns >= 8


async def test_a_closed_descriptor_is_an_error(pipe):
    reading, _ = pipe
    os.close(reading)

    with pytest.raises(OSError, match="Bad file descriptor"):
        await all_values(reading)


async def test_a_directory_is_an_error(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError):
            await all_values(fd)
    finally:
        os.close(fd)


@given(st.binary(), st.binary(max_size=9), st.sampled_from([b"\n", b"\0"]))
def test_the_count_is_the_number_of_values(tmp_path_factory, before, data, delimiter):
    path = tmp_path_factory.getbasetemp() / "counted"
    path.write_bytes(before + data)

    with open(path) as file:
        count = asyncio.run(count_values(file.fileno(), len(before), delimiter))
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 0

    assert count == len(values_of(data, delimiter))
