"""Any bytes in any pieces come out of readlines(), lines() and readinto() as they went in."""

import asyncio
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import procession
from children import start_cat
from test_reader_equivalence import SETTINGS, Feed, call, chunks, limits

AT_MOST = 1000

sizes = st.none() | st.integers(1, 20)
calls = st.one_of(
    st.just(("readlines",)),
    st.tuples(st.just("readinto"), st.integers(0, 60)),
    st.tuples(st.just("lines"), sizes),
    st.just(("readline",)),
    st.tuples(st.just("read"), st.integers(1, 60)),
    st.just(("feed",)),
    st.just(("cancel", "readlines")),
    st.tuples(st.just("cancel"), st.just("readinto"), st.integers(1, 60)),
    st.tuples(st.just("cancel"), st.just("lines"), sizes),
    st.just(("cancel", "read", -1)),
)


def pieces_of(line, size):
    """Return a line in pieces of at most that many bytes, its end not counted."""
    text = line.removesuffix(b"\n")
    size = size or len(line)
    pieces = [text[i : i + size] for i in range(0, len(text), size)] or [b""]
    return [*pieces[:-1], pieces[-1] + line[len(text) :]]


class Taking:
    """A reader each of whose calls returns the bytes that it took."""

    def __init__(self, reader):
        self.reader = reader

    async def readlines(self):
        return b"".join(await self.reader.readlines())

    async def readinto(self, size):
        buffer = bytearray(size)
        return bytes(buffer[: await self.reader.readinto(buffer)])

    async def lines(self, size):
        return await anext(self.reader.lines(max_line=size, keepends=True), b"")

    async def readline(self):
        return await self.reader.readline()

    async def read(self, size):
        return await self.reader.read(size)


async def all_of(method):
    """Call until there is no more; return all results, and errors by their text."""
    results = []
    while True:
        try:
            result = await method()
        except ValueError as error:
            result = str(error)
        if not result:
            return results
        results += result if isinstance(result, list) else [result]


@pytest.mark.slow
@SETTINGS
@given(chunks=chunks, limit=limits)
def test_readlines_gives_the_lines_and_errors_of_readline(chunks, limit):
    async def history(name):
        reader = procession.StreamReader(limit=limit)
        feed = Feed(reader, chunks)
        return await all_of(lambda: tried(reader, feed, name))

    async def tried(reader, feed, name):
        result = await call(reader, feed, name)
        if isinstance(result, tuple):
            raise result[0](*result[1])
        return result

    async def compare():
        assert await history("readlines") == await history("readline")

    asyncio.run(compare())


@pytest.mark.slow
@SETTINGS
@given(chunks=chunks, size=sizes)
def test_lines_depend_on_the_bytes_alone(chunks, size):
    lines = io.BytesIO(b"".join(chunks)).readlines()
    pieces = [piece for line in lines for piece in pieces_of(line, size)]

    async def iterated(keepends):
        reader = procession.StreamReader(limit=1)
        feed = Feed(reader, chunks)
        iterator = reader.lines(max_line=size, keepends=keepends)
        found = []
        while not isinstance(item := await call(iterator, feed, "__anext__"), tuple):
            found.append(item)
        assert item[0] is StopAsyncIteration
        return found

    async def compare():
        assert await iterated(True) == pieces
        assert await iterated(False) == [piece.removesuffix(b"\n") for piece in pieces]

    asyncio.run(compare())


@pytest.mark.slow
@SETTINGS
@given(chunks=chunks, calls=st.lists(calls, max_size=20))
def test_any_mixture_of_calls_gives_the_bytes_in_order(chunks, calls):
    async def joined():
        reader = procession.StreamReader(limit=AT_MOST)
        feed = Feed(reader, chunks)
        taken = []
        for name, *args in [*calls, ("read", -1)]:
            result = await call(Taking(reader), feed, name, *args)
            if isinstance(result, bytes):
                taken.append(result)
        return b"".join(taken)

    assert asyncio.run(joined()) == b"".join(chunks)


@pytest.mark.slow
@settings(SETTINGS, max_examples=40)
@given(chunks=chunks, calls=st.lists(calls, max_size=8))
def test_any_mixture_of_calls_on_a_real_pipe_gives_the_bytes_in_order(chunks, calls):
    async def joined():
        process = await start_cat(procession)
        for chunk in chunks:
            process.stdin.write(chunk)
            await asyncio.sleep(0)
        process.stdin.close()
        taking = Taking(process.stdout)
        taken = []
        for name, *args in [*calls, ("read", -1)]:
            if name not in ("feed", "cancel"):
                taken.append(await getattr(taking, name)(*args))
        await process.wait()
        return b"".join(taken)

    assert asyncio.run(joined()) == b"".join(chunks)
