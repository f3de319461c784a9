"""readlines() and lines(): many lines at once, and lines of any length."""

import asyncio
import resource

import pytest

import procession
from children import end, flood, sh, start_cat, turns
from helpers.own_interpreter import not_run, own_interpreter

KIB = 1 << 10
MIB = 1 << 20


def fed(*chunks, limit=65536, eof=True):
    """Return a reader that has been fed."""
    reader = procession.StreamReader(limit=limit)
    for chunk in chunks:
        reader.feed_data(chunk)
    if eof:
        reader.feed_eof()
    return reader


async def printing(text, **options):
    """Start a child that prints; return it."""
    return await procession.create_subprocess_exec(
        "printf", text, stdout=procession.PIPE, **options
    )


async def collected(lines):
    return [line async for line in lines]


async def test_readlines_returns_all_lines_that_are_there():
    reader = fed(b"one\ntwo\n\nthr", eof=False)

    assert await reader.readlines() == [b"one\n", b"two\n", b"\n"]
    reader.feed_data(b"ee\nlast")
    assert await reader.readlines() == [b"three\n"]
    reader.feed_eof()
    assert await reader.readlines() == [b"last"]
    assert await reader.readlines() == []


async def test_readlines_of_a_child():
    process = await procession.create_subprocess_exec("seq", "100000", stdout=procession.PIPE)

    numbers = []
    while lines := await process.stdout.readlines():
        numbers += map(int, lines)

    assert numbers == list(range(1, 100_001))
    assert process.stdout.at_eof()
    await process.wait()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"\n", [b"\n"]),
        (b"\n\n", [b"\n", b"\n"]),
        (b"last", [b"last"]),
        (b"one\nlast", [b"one\n", b"last"]),
        (b"\0\n\r\n\xff", [b"\0\n", b"\r\n", b"\xff"]),
    ],
)
async def test_what_is_left_at_the_end_is_a_line(text, expected):
    assert await fed(text).readlines() == expected


async def test_readlines_waits_only_for_a_whole_line():
    process = await start_cat(procession)
    reading = asyncio.ensure_future(process.stdout.readlines())

    process.stdin.write(b"no end yet")
    await turns()
    assert not reading.done()
    process.stdin.write(b", but now\nnext")

    assert await reading == [b"no end yet, but now\n"]
    process.stdin.close()
    assert await process.stdout.readlines() == [b"next"]
    assert await process.stdout.readlines() == []
    await process.wait()


async def test_readlines_returns_the_lines_before_one_that_is_too_long():
    for chunk, left in (
        (b"a\nbb\n0123456\nc\n", b"c\n"),
        (b"a\nbb\n0123456", b""),
        (b"a\nbb\n012345", b""),
    ):
        reader = fed(chunk, limit=5)

        assert await reader.readlines() == [b"a\n", b"bb\n"]
        with pytest.raises(ValueError, match="limit"):
            await reader.readlines()
        assert await reader.read() == left


async def test_readlines_does_not_count_the_end_of_a_line():
    assert await fed(b"12345\n54321\n12345", limit=5).readlines() == [
        b"12345\n",
        b"54321\n",
        b"12345",
    ]


async def test_a_line_of_a_child_beyond_the_limit_costs_no_other_line():
    process = await procession.create_subprocess_exec(
        *sh('printf "a\\nb\\n%0200d\\nc\\n" 0'), stdout=procession.PIPE, limit=100
    )

    lines, errors = [], 0
    while not process.stdout.at_eof():
        try:
            lines += await process.stdout.readlines()
        except ValueError:
            errors += 1

    assert (lines, errors) == ([b"a\n", b"b\n", b"c\n"], 1)
    await process.wait()


@pytest.mark.parametrize(("limit", "most"), [(100, 64 * KIB), (100 * KIB, 200 * KIB)])
async def test_readlines_returns_as_much_as_is_read_ahead(limit, most):
    reader = fed(b"0123456789\n" * 100_000, limit=limit)

    sizes = []
    while lines := await reader.readlines():
        sizes.append(sum(map(len, lines)))

    assert sum(sizes) == 1_100_000
    assert most - 11 < max(sizes) <= most
    assert len(sizes) == -(-sum(sizes) // max(sizes))


async def test_a_cancelled_readlines_loses_nothing():
    process = await start_cat(procession)
    process.stdin.write(b"one\ntwo")
    assert await process.stdout.readlines() == [b"one\n"]

    reading = asyncio.ensure_future(process.stdout.readlines())
    await turns()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    process.stdin.write(b"\nthree\n")
    process.stdin.close()

    lines = []
    while more := await process.stdout.readlines():
        lines += more
    assert lines == [b"two\n", b"three\n"]
    await process.wait()


async def test_lines_come_without_their_ends():
    text = b"one\n\ntwo\r\n\r\r\n last "

    assert await collected(fed(text).lines()) == [b"one", b"", b"two\r", b"\r\r", b" last "]
    assert await collected(fed(text).lines(keepends=True)) == [
        b"one\n",
        b"\n",
        b"two\r\n",
        b"\r\r\n",
        b" last ",
    ]


async def test_lines_of_a_child():
    process = await procession.create_subprocess_exec("seq", "100000", stdout=procession.PIPE)

    numbers = [int(line) async for line in process.stdout.lines()]

    assert numbers == list(range(1, 100_001))
    await process.wait()


async def test_a_line_may_be_longer_than_the_limit():
    process = await procession.create_subprocess_exec(
        *sh('printf "%01000000d\\nshort\\n%0300000d" 0 0'), stdout=procession.PIPE, limit=1000
    )

    lines = await collected(process.stdout.lines())

    assert lines == [b"0" * 1_000_000, b"short", b"0" * 300_000]
    await process.wait()


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        (b"", [b""]),
        (b"1", [b"1"]),
        (b"123", [b"123"]),
        (b"1234", [b"123", b"4"]),
        (b"123456", [b"123", b"456"]),
        (b"1234567", [b"123", b"456", b"7"]),
    ],
)
async def test_a_line_beyond_max_line_comes_in_pieces(line, pieces):
    ends = [*pieces[:-1], pieces[-1] + b"\n"]

    assert await collected(fed(line, b"\n").lines(max_line=3)) == pieces
    assert await collected(fed(line, b"\n").lines(max_line=3, keepends=True)) == ends
    assert await collected(fed(line).lines(max_line=3)) == [piece for piece in pieces if piece]


async def test_a_piece_does_not_wait_for_the_end_of_its_line():
    reader = fed(b"1234", eof=False)
    lines = reader.lines(max_line=3)

    assert await anext(lines) == b"123"
    reader.feed_data(b"56")
    reading = asyncio.ensure_future(collected(lines))
    await turns()
    assert await reader.read(0) == b""
    reader.feed_data(b"\n7")
    reader.feed_eof()

    assert await reading == [b"456", b"7"]


async def test_max_line_bounds_the_memory_for_a_line():
    size = 4 * MIB
    process = await procession.create_subprocess_exec(
        *flood(size), stdout=procession.PIPE, limit=1000
    )

    largest = 0
    async for piece in process.stdout.lines(max_line=1000):
        size -= len(piece)
        if size % 100_000 < 1000:
            largest = max(largest, len(process.stdout._buffer))

    assert size == 0
    assert largest <= 128 * KIB
    await process.wait()


async def test_max_line_is_a_positive_number():
    reader = fed(b"0123456789\n")

    for wrong, error in ((0, ValueError), (-1, ValueError), (1.5, TypeError), ("1", TypeError)):
        with pytest.raises(error):
            reader.lines(max_line=wrong)
    assert await collected(reader.lines(max_line=2**70)) == [b"0123456789"]


async def test_the_reader_goes_on_where_an_iteration_was_left():
    reader = fed(b"1\n2\n3\n4\n56\n7\n8\n")

    async for line in reader.lines():
        if line == b"2":
            break

    assert await reader.readline() == b"3\n"
    assert await anext(reader.lines(keepends=True)) == b"4\n"
    assert await reader.readexactly(1) == b"5"
    assert await collected(reader.lines()) == [b"6", b"7", b"8"]


async def test_iterations_side_by_side_share_the_lines():
    reader = fed(b"1\n2\n3\n")
    one, other = reader.lines(), reader.lines(keepends=True)

    assert [await anext(one), await anext(other), await anext(one)] == [b"1", b"2\n", b"3"]
    for lines in (one, other, one):
        with pytest.raises(StopAsyncIteration):
            await anext(lines)


async def test_a_cancelled_iteration_loses_nothing_and_goes_on():
    process = await start_cat(procession)
    lines = process.stdout.lines()

    async def next_line():
        return await anext(lines)

    process.stdin.write(b"one\ntw")
    assert await next_line() == b"one"
    reading = asyncio.ensure_future(next_line())
    await turns()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    process.stdin.write(b"o\nthree")
    process.stdin.close()

    assert await collected(lines) == [b"two", b"three"]
    await process.wait()


async def test_a_line_that_nobody_awaits_is_not_lost():
    reader = fed(b"1\n2\n3\n")
    lines = reader.lines()

    lines.__anext__()
    kept = lines.__anext__()
    kept.close()

    assert await collected(lines) == [b"1", b"2", b"3"]


async def test_a_reader_that_waits_has_the_stream_for_itself():
    process = await start_cat(procession)
    reader = process.stdout
    calls = {
        "readlines": reader.readlines,
        "lines": lambda: collected(reader.lines()),
        "readinto": lambda: reader.readinto(bytearray(10)),
    }

    for holds in ("readline", *calls):
        reading = asyncio.ensure_future(calls.get(holds, reader.readline)())
        await turns()
        for name, call in calls.items():
            with pytest.raises(RuntimeError) as caught:
                await call()
            assert str(caught.value) == (
                f"{name}() called while another coroutine is already waiting for incoming data"
            )
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    await end(process)


async def test_lines_belong_to_a_communicate_that_waits_and_come_back_if_it_is_cancelled():
    process = await procession.create_subprocess_exec(
        *sh("printf 'one\ntwo\n'; read x; printf 'three\n'"),
        stdin=procession.PIPE,
        stdout=procession.PIPE,
    )
    assert await process.stdout.readexactly(1) == b"o"
    everything = asyncio.ensure_future(process.stdout.read())
    await turns()

    for call in (process.stdout.readlines(), anext(process.stdout.lines())):
        with pytest.raises(RuntimeError, match="already waiting"):
            await call
    everything.cancel()
    await asyncio.gather(everything, return_exceptions=True)

    assert await process.stdout.readlines() == [b"ne\n", b"two\n"]
    process.stdin.close()
    assert await collected(process.stdout.lines()) == [b"three"]
    await process.wait()


async def test_an_exception_is_raised_before_any_line_and_wakes_who_waits():
    error = ConnectionError("lost")
    reader = fed(b"1\n2\n", eof=False)
    reader.set_exception(error)
    for call in (reader.readlines(), collected(reader.lines())):
        with pytest.raises(ConnectionError) as caught:
            await call
        assert caught.value is error

    for name in ("readlines", "lines"):
        reader = fed(eof=False)
        call = reader.readlines() if name == "readlines" else collected(reader.lines())
        reading = asyncio.ensure_future(call)
        await turns()
        reader.set_exception(error)
        with pytest.raises(ConnectionError, match="lost"):
            await reading


class Transport(asyncio.ReadTransport):
    """Notes what a reader asks of its transport."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def pause_reading(self):
        self.calls.append("pause")

    def resume_reading(self):
        self.calls.append("resume")


async def test_lines_that_are_taken_resume_a_transport():
    for take in (
        lambda reader: reader.readlines(),
        lambda reader: collected(reader.lines()),
        lambda reader: reader.readinto(bytearray(100)),
    ):
        reader, transport = fed(limit=5, eof=False), Transport()
        reader.set_transport(transport)
        reader.feed_data(b"1234\n" * 3)
        assert transport.calls == ["pause"]
        reader.feed_eof()

        await take(reader)

        assert transport.calls == ["pause", "resume"]


async def test_other_tasks_turn_while_a_flood_of_lines_is_read():
    size = 16 * MIB

    async def by_readlines(reader):
        read = 0
        while lines := await reader.readlines():
            read += sum(map(len, lines))
        return read

    async def by_lines(reader):
        return sum([len(line) async for line in reader.lines(keepends=True)])

    for read in (by_readlines, by_lines):
        process = await procession.create_subprocess_shell(
            f"yes {'x' * 99} | head -c {size}", stdout=procession.PIPE
        )
        reading = asyncio.ensure_future(read(process.stdout))
        count = 0
        while not reading.done():
            await asyncio.sleep(0)
            count += 1

        assert await reading == size
        assert count >= size // (4 * MIB)
        await process.wait()


@own_interpreter(not_run("asyncio has no readlines()"))
async def test_missing_memory_for_a_line_costs_no_line(sp):
    size = 64 * MIB
    reader = sp.StreamReader(limit=2 * size)
    reader.feed_data(b"short\n")
    reader.feed_data(b"x" * size)
    reader.feed_data(b"\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + size // 2, hard))

    assert await reader.readlines() == [b"short\n"]
    for call in (reader.readlines, reader.lines().__anext__):
        try:
            await call()
        except MemoryError:
            continue
        raise AssertionError("there was memory")
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))

    (line,) = await reader.readlines()
    assert len(line) == size + 1
