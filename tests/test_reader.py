"""StreamReader: on the pipe of a child, and fed by hand."""

import array
import asyncio

import pytest

from children import (
    bytes_written,
    end,
    flood,
    sh,
    start_cat,
    turns,
    until_still,
)


def fed(streams, *chunks, limit=65536, eof=True):
    """Return a reader that has been fed."""
    reader = streams.StreamReader(limit=limit)
    for chunk in chunks:
        reader.feed_data(chunk)
    if eof:
        reader.feed_eof()
    return reader


async def printing(impl, text, **options):
    """Start a child that prints; return it."""
    return await impl.create_subprocess_exec("printf", text, stdout=impl.PIPE, **options)


class Transport(asyncio.ReadTransport):
    """Notes what a reader asks of its transport."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def pause_reading(self):
        self.calls.append("pause")

    def resume_reading(self):
        self.calls.append("resume")

    def __repr__(self):
        return "<Transport>"


async def test_lines_of_a_child(impl):
    process = await printing(impl, "one\ntwo\n\nlast")

    lines = [await process.stdout.readline() for _ in range(5)]

    assert lines == [b"one\n", b"two\n", b"\n", b"last", b""]
    assert process.stdout.at_eof()
    await process.wait()


async def test_iteration_over_the_lines_of_a_child(impl):
    process = await printing(impl, "one\ntwo\n\nlast")

    lines = [line async for line in process.stdout]

    assert lines == [b"one\n", b"two\n", b"\n", b"last"]
    assert [line async for line in process.stdout] == []
    await process.wait()


async def test_iteration_over_many_lines(impl):
    process = await impl.create_subprocess_exec("seq", "100000", stdout=impl.PIPE)

    numbers = [int(line) async for line in process.stdout]

    assert numbers == list(range(1, 100_001))
    await process.wait()


async def test_pieces_of_the_output_of_a_child(impl):
    process = await printing(impl, "0123456789;tail")

    assert await process.stdout.readexactly(4) == b"0123"
    assert await process.stdout.readuntil(b";") == b"456789;"
    assert await process.stdout.read(2) == b"ta"
    assert await process.stdout.read() == b"il"
    assert await process.stdout.read(1) == b""
    await process.wait()


async def test_read_returns_what_there_is(impl):
    process = await start_cat(impl)

    for data in (b"a", b"bc", b"d" * 1000):
        process.stdin.write(data)
        assert await process.stdout.read(100_000) == data

    process.stdin.close()
    assert await process.stdout.read(10) == b""
    await process.wait()


async def test_read_all_is_not_bounded_by_the_limit(impl):
    process = await impl.create_subprocess_exec(*flood(1_000_000), stdout=impl.PIPE, limit=100)

    assert await process.stdout.read() == bytes(1_000_000)
    await process.wait()


async def test_readexactly_is_not_bounded_by_the_limit(impl):
    process = await impl.create_subprocess_exec(*flood(1_000_000), stdout=impl.PIPE, limit=100)

    assert await process.stdout.readexactly(999_999) == bytes(999_999)
    assert await process.stdout.readexactly(1) == bytes(1)
    await process.wait()


async def test_a_cancelled_read_loses_nothing(impl):
    process = await start_cat(impl)

    for name, *args in (("readline",), ("readexactly", 9), ("readuntil", b";")):
        process.stdin.write(b"ab")
        reading = asyncio.ensure_future(getattr(process.stdout, name)(*args))
        await turns()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    process.stdin.close()

    assert await process.stdout.read() == b"ababab"
    await process.wait()


async def test_a_flood_that_nobody_reads_is_stopped(impl):
    size, limit = 10_000_000, 10_000
    process = await impl.create_subprocess_exec(*flood(size), stdout=impl.PIPE, limit=limit)

    written = await until_still(lambda: bytes_written(process.pid))

    assert 2 * limit < written < 1_000_000
    while chunk := await process.stdout.read(limit):
        size -= len(chunk)
    assert size == 0
    assert await process.wait() == 0


async def test_a_line_beyond_the_limit_of_a_child_is_a_value_error(impl):
    process = await impl.create_subprocess_exec(
        *sh('printf "%0200000d\\nshort\\n" 0'), stdout=impl.PIPE, limit=1000
    )

    with pytest.raises(ValueError, match="chunk exceed the limit"):
        await process.stdout.readline()

    assert (await process.stdout.read()).endswith(b"0\nshort\n")
    await process.wait()


async def test_two_readers_at_once_are_a_runtime_error(impl):
    process = await start_cat(impl)
    reading = asyncio.ensure_future(process.stdout.readline())
    await turns()

    for name, *args in (("read",), ("readuntil",), ("readexactly", 5), ("readline",)):
        with pytest.raises(RuntimeError) as caught:
            await getattr(process.stdout, name)(*args)
        asked = "readuntil" if name == "readline" else name
        assert str(caught.value) == (
            f"{asked}() called while another coroutine is already waiting for incoming data"
        )

    process.stdin.write(b"line\n")
    assert await reading == b"line\n"
    await end(process)


async def test_reading_nothing_returns_at_once(streams):
    reader = fed(streams, eof=False)

    assert await reader.read(0) == b""
    assert await reader.readexactly(0) == b""


async def test_any_negative_size_reads_all(streams):
    for size in (-1, -2, -100):
        assert await fed(streams, b"abc", b"def", limit=2).read(size) == b"abcdef"


async def test_results_are_bytes(streams):
    reader = fed(streams, bytearray(b"one\ntwo;three and four"))

    results = [
        await reader.readline(),
        await reader.readuntil(b";"),
        await reader.readexactly(5),
        await reader.read(4),
        await reader.read(),
    ]

    assert results == [b"one\n", b"two;", b"three", b" and", b" four"]
    assert {type(result) for result in results} == {bytes}


async def test_what_is_fed_is_copied(streams):
    data = bytearray(b"abc")
    reader = fed(streams, data)

    data[:] = b"xyz"

    assert await reader.read() == b"abc"


async def test_at_eof_is_the_end_of_the_buffer_too(streams):
    reader = fed(streams, b"x", eof=False)

    assert not reader.at_eof()
    reader.feed_eof()
    assert not reader.at_eof()
    await reader.read(1)
    assert reader.at_eof()


async def test_feeding_after_the_end_is_an_assertion_error(streams):
    with pytest.raises(AssertionError, match="feed_data after feed_eof"):
        fed(streams).feed_data(b"x")


async def test_the_end_wakes_each_kind_of_reader(streams):
    for name, args, partial in (
        ("read", (-1,), None),
        ("read", (10,), None),
        ("readline", (), None),
        ("readexactly", (10,), b""),
        ("readuntil", (b";",), b""),
    ):
        reader = fed(streams, eof=False)
        reading = asyncio.ensure_future(getattr(reader, name)(*args))
        await turns()

        reader.feed_eof()

        if partial is None:
            assert await reading == b""
        else:
            with pytest.raises(asyncio.IncompleteReadError) as caught:
                await reading
            assert caught.value.partial == partial


async def test_incomplete_reads_carry_what_there_was(streams):
    reader = fed(streams, b"part")
    with pytest.raises(asyncio.IncompleteReadError) as exactly:
        await reader.readexactly(9)
    assert await reader.read() == b""

    with pytest.raises(asyncio.IncompleteReadError) as until:
        await fed(streams, b"part").readuntil(b";")

    assert (exactly.value.partial, exactly.value.expected) == (b"part", 9)
    assert (until.value.partial, until.value.expected) == (b"part", None)


async def test_readuntil_with_a_separator_of_several_bytes(streams):
    reader = fed(streams, b"a\r", b"\nb\r\r", b"\n\nc")

    assert await reader.readuntil(b"\r\n") == b"a\r\n"
    assert await reader.readuntil(b"\r\n") == b"b\r\r\n"
    assert await reader.read() == b"\nc"


async def test_readuntil_takes_several_separators_and_the_shortest_match(streams):
    reader = fed(streams, b"one;two\r\nthree", b"-->four")

    for expected in (b"one;", b"two\r\n", b"three-->"):
        assert await reader.readuntil((b"-->", b"\r\n", b";")) == expected
    with pytest.raises(asyncio.IncompleteReadError):
        await reader.readuntil((b";", b"\n"))


async def test_readuntil_takes_no_empty_tuple_of_separators(streams):
    for separators, message in (((), "at least one element"), ((b"",), "one-byte")):
        with pytest.raises(ValueError, match=message):
            await fed(streams, b"x").readuntil(separators)


async def test_bad_arguments_are_value_errors(streams):
    reader = fed(streams, b"data")

    with pytest.raises(ValueError, match="one-byte string"):
        await reader.readuntil(b"")
    with pytest.raises(ValueError, match="size can not be less than zero"):
        await reader.readexactly(-1)
    for limit in (0, -1):
        with pytest.raises(ValueError, match="Limit cannot be <= 0"):
            streams.StreamReader(limit=limit)
    assert await reader.read() == b"data"


async def test_readuntil_beyond_the_limit_leaves_the_data(streams):
    for chunk, consumed in ((b"0123456789", 10), (b"0123456789;x", 10)):
        reader = fed(streams, chunk, limit=5)

        with pytest.raises(asyncio.LimitOverrunError) as caught:
            await reader.readuntil(b";")

        assert caught.value.consumed == consumed
        assert await reader.read() == chunk


@pytest.mark.parametrize(
    ("chunk", "left"),
    [(b"0123456789\nnext", b"next"), (b"0123456789", b""), (b"012345\n", b"")],
)
async def test_readline_beyond_the_limit_drops_the_line(streams, chunk, left):
    reader = fed(streams, chunk, limit=5)

    with pytest.raises(ValueError, match="limit"):
        await reader.readline()

    assert await reader.read() == left


async def test_the_limit_does_not_count_the_separator(streams):
    assert await fed(streams, b"12345\n", limit=5).readline() == b"12345\n"


async def test_an_exception_is_raised_until_the_end_of_time(streams):
    reader = fed(streams, b"data\n", eof=False)
    error = ConnectionError("lost")
    assert reader.exception() is None

    reader.set_exception(error)

    assert reader.exception() is error
    for name, *args in (("read",), ("readline",), ("readexactly", 1), ("readuntil",)):
        with pytest.raises(ConnectionError) as caught:
            await getattr(reader, name)(*args)
        assert caught.value is error


async def test_an_exception_wakes_a_reader(streams):
    reader = fed(streams, eof=False)
    reading = asyncio.ensure_future(reader.read())
    await turns()

    reader.set_exception(ConnectionError("lost"))

    with pytest.raises(ConnectionError, match="lost"):
        await reading


async def test_a_transport_is_paused_at_twice_the_limit(streams):
    reader, transport = fed(streams, limit=5, eof=False), Transport()
    reader.set_transport(transport)

    reader.feed_data(b"x" * 10)
    assert transport.calls == []
    reader.feed_data(b"x")
    assert transport.calls == ["pause"]
    await reader.read(5)
    assert transport.calls == ["pause"]
    await reader.read(1)
    assert transport.calls == ["pause", "resume"]


async def test_repr_tells_the_state(streams):
    reader = fed(streams, limit=5, eof=False)
    assert repr(reader) == "<StreamReader limit=5>"

    reader.set_transport(Transport())
    reader.feed_data(b"x" * 11)
    reader.feed_eof()
    reader.set_exception(OSError("lost"))

    assert repr(reader) == (
        "<StreamReader 11 bytes eof limit=5 exception=OSError('lost') transport=<Transport> paused>"
    )
    assert repr(fed(streams, b"abc", eof=False)) == "<StreamReader 3 bytes>"


async def test_the_class_is_asyncios_or_inherits_from_it(streams):
    assert isinstance(fed(streams), asyncio.StreamReader)


@pytest.mark.parametrize(
    "data", [array.array("I", [1, 2]), memoryview(b"abcd").cast("H"), [97, 98], (99,), range(3)]
)
async def test_whatever_extends_a_bytearray_can_be_fed(streams, data):
    expected = bytearray()
    expected.extend(data)
    reader = streams.StreamReader()

    reader.feed_data(data)
    reader.feed_eof()

    assert await reader.read() == bytes(expected)


async def test_numbers_may_be_larger_than_any_buffer(streams):
    reader = streams.StreamReader()
    reader.feed_data(b"data")
    reader.feed_eof()

    assert await reader.read(2**70) == b"data"
    reader = streams.StreamReader()
    reader.feed_data(b"data")
    reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError) as caught:
        await reader.readexactly(2**70)
    assert (caught.value.partial, caught.value.expected) == (b"data", 2**70)


@pytest.mark.parametrize("separator", [[99], {99}, "c", 5])
async def test_a_separator_is_bytes_like(streams, separator):
    reader = streams.StreamReader()
    reader.feed_data(b"abc")

    with pytest.raises(TypeError):
        await reader.readuntil(separator)
    reader.feed_eof()
    assert await reader.read() == b"abc"


async def test_a_value_cannot_be_sent_into_a_line_that_is_not_awaited_yet(streams):
    reader = streams.StreamReader()
    reader.feed_data(b"line\n")
    awaitable = reader.__anext__()

    with pytest.raises(TypeError, match="just-started"):
        awaitable.send(5)
    awaitable.close()
    reader.feed_eof()

    assert await reader.readline() == b"line\n"
