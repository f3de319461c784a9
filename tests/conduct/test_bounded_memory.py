"""Memory is bounded by limits, not by what a child or the program has to say."""

import asyncio
import collections
import gc
import os

from children import bytes_written, until, until_still
from helpers.leftovers import resident
from helpers.own_interpreter import not_run, own_interpreter, skip

KIB, MIB = 1 << 10, 1 << 20

# What a pipe holds once its stream has flowed.
PIPE = 256 * KIB

# What one read brings, by which a limit may be passed.
READ = 64 * KIB

LIMIT = 64 * KIB

# Whatever the amount, the parent may grow by this.
GROWTH = 256 * KIB

# By this, too, for a moment: the kernel counts the pages of each processor by the batch, and
# the allocator gives back late.
SPIKE = 4 * MIB

AMOUNTS = [16 * MIB, 128 * MIB]
SLOW_AMOUNT = 4096 * MIB

NOT_OURS = not_run("asyncio's buffers are not ours to test")


def start_to_measure():
    """Return the resident memory, where it says something."""
    with open("/proc/self/maps") as maps:
        if "libasan" in maps.read():
            skip("a sanitizer keeps what is freed")
    if "PYTHONMALLOC" in os.environ:
        skip("another allocator has pages and paddings of its own")
    gc.collect()
    return resident()


def growth_of(samples):
    """Return by how much memory had grown nine times in ten."""
    assert max(samples) <= SPIKE
    left = sum(samples.values()) * 9 // 10
    for growth in sorted(samples):
        left -= samples[growth]
        if left < 0:
            break
    return growth


async def is_bounded(measure, *args):
    """Whether the growth that a coroutine function returns comes within the bound. What the
    allocator keeps for later it takes once, so a few attempts are given; memory that goes
    with the amount is taken by each."""
    for _ in range(4):
        if await measure(*args) <= GROWTH:
            return True
    return False


def flood(size):
    return ("head", "-c", str(size), "/dev/zero")


async def read_ahead(child):
    """Wait until as much is read ahead as ever is."""
    await until(lambda: len(child.stdout._buffer) > 2 * LIMIT)
    assert len(child.stdout._buffer) <= 2 * LIMIT + READ


async def read_with_pauses(sp, size):
    """Read slowly what a child writes fast; return the largest growth on the way."""
    child = await sp.create_subprocess_exec(*flood(size), stdout=sp.PIPE)
    pauses, left = size // 8, size
    await read_ahead(child)
    before, samples = start_to_measure(), collections.Counter()
    while piece := await child.stdout.read(READ):
        left -= len(piece)
        if left % pauses < len(piece) and left > MIB:
            await read_ahead(child)
        del piece
        samples[resident() - before] += 1
    assert left == 0
    assert await child.wait() == 0
    return growth_of(samples)


@own_interpreter(NOT_OURS)
async def test_what_a_slow_reader_needs_does_not_depend_on_the_amount(sp):
    await read_with_pauses(sp, 4 * MIB)

    for amount in AMOUNTS:
        assert await is_bounded(read_with_pauses, sp, amount)


@own_interpreter(NOT_OURS, seconds=300, slow=True)
async def test_four_gib_through_a_paused_stream_need_no_more(sp):
    await read_with_pauses(sp, 4 * MIB)

    assert await is_bounded(read_with_pauses, sp, SLOW_AMOUNT)


@own_interpreter(NOT_OURS)
async def test_a_child_that_nobody_reads_from_is_held_up_by_its_pipe(sp):
    for limit in (1, 1000, 64 * KIB):
        child = await sp.create_subprocess_exec(*flood(AMOUNTS[0]), stdout=sp.PIPE, limit=limit)

        written = await until_still(lambda pid=child.pid: bytes_written(pid))

        assert len(child.stdout._buffer) <= 2 * limit + READ
        assert written <= PIPE + 2 * limit + READ
        child.kill()
        await child.communicate()


@own_interpreter(NOT_OURS)
async def test_what_waits_for_a_slow_child_is_bounded_by_drain(sp):
    most = 0
    # Nobody reads what it writes, so that it soon reads no more.
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
    piece = bytes(64 * KIB)
    transport = child.stdin.transport
    _, high = transport.get_write_buffer_limits()

    async def feed():
        nonlocal most
        while True:
            child.stdin.write(piece)
            most = max(most, transport.get_write_buffer_size())
            await child.stdin.drain()
            assert transport.get_write_buffer_size() <= high

    feeding = asyncio.ensure_future(feed())
    await until_still(lambda: bytes_written(child.pid))

    assert not feeding.done()
    assert most <= high + len(piece)
    feeding.cancel()
    child.kill()
    await child.wait()


async def feed_slowly(sp, size):
    """Write fast what a child reads in pieces; return the largest growth."""
    child = await sp.create_subprocess_exec("wc", "-c", stdin=sp.PIPE, stdout=sp.PIPE)
    piece = bytes(64 * KIB)
    before, samples = start_to_measure(), collections.Counter()
    for _ in range(size // len(piece)):
        child.stdin.write(piece)
        await child.stdin.drain()
        samples[resident() - before] += 1
    child.stdin.close()
    assert int(await child.stdout.read()) == size
    await child.wait()
    return growth_of(samples)


@own_interpreter(NOT_OURS)
async def test_what_a_slow_child_needs_does_not_depend_on_the_amount(sp):
    await feed_slowly(sp, 4 * MIB)

    for amount in AMOUNTS:
        assert await is_bounded(feed_slowly, sp, amount)


@own_interpreter()
async def test_readline_on_a_line_without_an_end_raises_at_the_limit(sp):
    child = await sp.create_subprocess_exec("cat", "/dev/zero", stdout=sp.PIPE)
    errors = 0
    for _ in range(20):
        try:
            await child.stdout.readline()
        except ValueError:
            errors += 1
        assert len(child.stdout._buffer) <= 512 * KIB

    assert errors == 20
    child.kill()
    await child.communicate()


async def growth_over(calls, call):
    await call()
    before, samples = start_to_measure(), collections.Counter()
    for _ in range(calls):
        await call()
        samples[resident() - before] += 1
    return growth_of(samples)


@own_interpreter(NOT_OURS)
async def test_an_endless_line_needs_no_more_memory_the_longer_it_is(sp):
    child = await sp.create_subprocess_exec("cat", "/dev/zero", stdout=sp.PIPE)
    pieces = child.stdout.lines(max_line=10_000)

    async def fail_to_read_a_line():
        for _ in range(16):
            try:
                await child.stdout.readline()
            except ValueError:
                continue
            raise AssertionError("no error")

    async def fail_to_read_lines():
        for _ in range(16):
            try:
                await child.stdout.readlines()
            except ValueError:
                continue
            raise AssertionError("no error")

    async def read_pieces():
        for _ in range(200):
            assert len(await anext(pieces)) == 10_000

    for call in (fail_to_read_a_line, fail_to_read_lines, read_pieces):
        assert await is_bounded(growth_over, 30, call)
    child.kill()
    await child.communicate()


@own_interpreter(NOT_OURS)
async def test_readuntil_and_readexactly_keep_no_more_than_they_are_asked_for(sp):
    child = await sp.create_subprocess_exec("cat", "/dev/zero", stdout=sp.PIPE)

    async def read():
        for _ in range(16):
            await child.stdout.readexactly(100_000)
        try:
            await child.stdout.readuntil(b"never")
        except asyncio.LimitOverrunError as error:
            assert await child.stdout.readexactly(error.consumed)

    assert await is_bounded(growth_over, 30, read)
    child.kill()
    await child.communicate()


@own_interpreter(NOT_OURS)
async def test_many_idle_children_hold_no_buffers(sp):
    async def start():
        child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
        child.stdin.write(bytes(32 * KIB))
        assert len(await child.stdout.readexactly(32 * KIB)) == 32 * KIB
        return child

    children = [await start() for _ in range(4)]
    before = start_to_measure()
    children += [await start() for _ in range(60)]
    gc.collect()

    assert resident() - before <= 60 * 32 * KIB
    for child in children:
        child.kill()
        await child.communicate()
