"""Any bytes in any pieces, read in any way, give what asyncio.StreamReader gives."""

import asyncio
import io
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from children import start_cat, turns

TUPLES = sys.version_info >= (3, 13)
SETTINGS = settings(
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# Few different bytes, so that separators are found, and found in part.
letters = st.sampled_from([b"a", b"b", b"\n", b";", b"\r\n", b"ab"])
chunks = st.lists(st.lists(letters, max_size=30).map(b"".join) | st.binary(max_size=60), max_size=8)
separators = st.lists(letters, min_size=1, max_size=3).map(lambda x: b"".join(x)[:3])
limits = st.integers(1, 50)

any_separator = separators
if TUPLES:
    any_separator |= st.lists(separators | st.just(b""), max_size=3).map(tuple)

calls_alike = st.one_of(
    st.just(("readline",)),
    st.just(("__anext__",)),
    st.tuples(st.just("readexactly"), st.integers(-1, 60)),
    st.tuples(st.just("readuntil"), any_separator),
    st.just(("read",)),
    st.just(("at_eof",)),
)
calls = st.lists(
    calls_alike
    | st.tuples(st.just("read"), st.integers(-1, 60))
    | st.just(("feed",))
    | st.just(("cancel", "readline"))
    | st.just(("cancel", "readexactly", 20)),
    max_size=20,
)


class Transport(asyncio.ReadTransport):
    """Notes when a reader pauses and resumes it."""

    def __init__(self):
        super().__init__()
        self.paused = False

    def pause_reading(self):
        assert not self.paused
        self.paused = True

    def resume_reading(self):
        assert self.paused
        self.paused = False


class Feed:
    """Gives a reader one piece after the other, and then the end."""

    def __init__(self, reader, chunks):
        self.reader = reader
        self.rest = [*chunks, None]

    def next(self):
        if not self.rest:
            return
        chunk = self.rest.pop(0)
        if chunk is None:
            self.reader.feed_eof()
        else:
            self.reader.feed_data(chunk)


def described(error):
    """Return what a program can see of an exception."""
    names = ("partial", "expected", "consumed")
    return type(error), error.args, [getattr(error, name, None) for name in names]


async def settled(task):
    """Return a finished task's result or error."""
    try:
        return await task
    except (Exception, asyncio.CancelledError) as error:
        return described(error)


async def call(reader, feed, name, *args):
    """Make one call; feed it as long as it waits."""
    if name == "feed":
        return feed.next()
    if name == "at_eof":
        return reader.at_eof()
    if name == "cancel":
        task = asyncio.ensure_future(getattr(reader, args[0])(*args[1:]))
        await turns(3)
        task.cancel()
        return await settled(task)

    async def coroutine():
        return await getattr(reader, name)(*args)

    task = asyncio.ensure_future(coroutine())
    await turns(3)
    while not task.done():
        assert feed.rest, f"{name}{args} waits after the end"
        feed.next()
        await turns(3)
    return await settled(task)


async def history(streams, chunks, limit, calls, transport=None):
    """Return everything that can be seen of a reader during some calls."""
    reader = streams.StreamReader(limit=limit)
    if transport is not None:
        reader.set_transport(transport)
    feed = Feed(reader, chunks)
    seen = []
    for name, *args in [*calls, ("read", -1), ("read", -1)]:
        result = await call(reader, feed, name, *args)
        paused = transport is not None and transport.paused
        seen.append((name, args, result, reader.at_eof(), len(feed.rest), paused))
    return seen


@pytest.mark.slow
@SETTINGS
@given(chunks=chunks, limit=limits, calls=calls)
def test_a_fed_reader_is_asyncios_in_all_that_can_be_seen(streams, chunks, limit, calls):
    async def compare():
        expected = await history(asyncio, chunks, limit, calls)
        assert await history(streams, chunks, limit, calls) == expected

    asyncio.run(compare())


@pytest.mark.slow
@SETTINGS
@given(chunks=chunks, limit=limits, calls=calls)
def test_a_reader_pauses_its_transport_when_asyncios_does(streams, chunks, limit, calls):
    async def compare():
        expected = await history(asyncio, chunks, limit, calls, Transport())
        assert await history(streams, chunks, limit, calls, Transport()) == expected

    asyncio.run(compare())


@pytest.mark.slow
@settings(SETTINGS, max_examples=50)
@given(chunks=chunks)
def test_the_lines_do_not_depend_on_the_pieces(streams, chunks):
    data = b"".join(chunks)

    async def lines(pieces):
        reader = streams.StreamReader(limit=1000)
        feed = Feed(reader, pieces)
        result = []
        while line := await call(reader, feed, "readline"):
            result.append(line)
        return result

    async def compare():
        expected = io.BytesIO(data).readlines()
        assert await lines(chunks) == expected
        assert await lines([data[i : i + 1] for i in range(len(data))]) == expected

    asyncio.run(compare())


@pytest.mark.slow
@settings(SETTINGS, max_examples=40)
@given(chunks=chunks, calls=st.lists(calls_alike, max_size=8))
def test_the_reader_of_a_real_pipe_is_asyncios(impl, chunks, calls):
    async def through_a_pipe():
        process = await start_cat(impl, limit=1 << 20)
        for chunk in chunks:
            process.stdin.write(chunk)
            await asyncio.sleep(0)
        process.stdin.close()
        results = []
        for name, *args in [*calls, ("read",)]:
            if name != "at_eof":
                results.append(await settled(getattr(process.stdout, name)(*args)))
        await process.wait()
        return results

    async def by_hand():
        reader = asyncio.StreamReader(limit=1 << 20)
        feed = Feed(reader, [b"".join(chunks)])
        return [
            await call(reader, feed, name, *args)
            for name, *args in [*calls, ("read",)]
            if name != "at_eof"
        ]

    async def compare():
        assert await through_a_pipe() == await by_hand()

    asyncio.run(compare())
