"""The workloads on asyncio's interface.

`sp` is a module with the names of asyncio.subprocess: that one, on asyncio's loop or
on uvloop's, or procession.subprocess. Each function checks its answer and returns a
sample.
"""

import asyncio
import importlib
import tempfile
import time
from contextlib import asynccontextmanager
from itertools import repeat

from build import child
from measure import (
    Meter,
    Peak,
    Refused,
    Stamps,
    Ticker,
    ballast,
    expect,
    growth,
    open_descriptors,
    own_ids,
    private_bytes,
)

BLOCK = 65536


async def in_flight(k, n, job):
    """Run job() n times, k at once."""
    jobs = iter(range(n))

    async def work():
        for _ in jobs:
            await job()

    await asyncio.gather(*(work() for _ in range(k)))


async def spawn(sp, n, k, program="nolibc", status=7):
    command = child(program)

    async def job():
        process = await sp.create_subprocess_exec(command)
        expect(await process.wait(), status, "exit status")

    meter = Meter()
    with meter:
        await in_flight(k, n, job)
    return meter.result(n)


KIB_OF_EACH = b"o" * 1024, b"e" * 1024


async def capture(sp, n, k):
    command = child("k1")
    wanted = KIB_OF_EACH

    async def job():
        process = await sp.create_subprocess_exec(command, stdout=sp.PIPE, stderr=sp.PIPE)
        expect(await process.communicate(), wanted, "output")
        expect(process.returncode, 0, "exit status")

    meter = Meter()
    with meter:
        await in_flight(k, n, job)
    return meter.result(n)


def call_of(sp, name):
    """Return procession's call of that name, None on asyncio, which has none."""
    if sp is asyncio.subprocess:
        return None
    call = getattr(importlib.import_module("procession"), name, None)
    if call is None:
        raise Refused(f"this procession has no {name}()")
    return call


async def batch(sp, n, k, program, status):
    """As spawn, by map() where there is one."""
    call = call_of(sp, "map")
    if call is None:
        return await spawn(sp, n, k, program, status)
    command = [child(program)]
    ended = 0
    meter = Meter()
    with meter:
        async for completed in call(repeat(command, n), concurrency=k):
            expect(completed.returncode, status, "exit status")
            ended += 1
    expect(ended, n, "results")
    return meter.result(n)


async def batch_capture(sp, n, k):
    """As capture, by map() where there is one."""
    call = call_of(sp, "map")
    if call is None:
        return await capture(sp, n, k)
    command = [child("k1")]
    ended = 0
    meter = Meter()
    with meter:
        async for completed in call(repeat(command, n), concurrency=k, capture_output=True):
            expect((completed.stdout, completed.stderr), KIB_OF_EACH, "output")
            expect(completed.returncode, 0, "exit status")
            ended += 1
    expect(ended, n, "results")
    return meter.result(n)


async def run(sp, n, k):
    """As capture, by run() where there is one."""
    call = call_of(sp, "run")
    if call is None:
        return await capture(sp, n, k)
    command = [child("k1")]

    async def job():
        completed = await call(command, capture_output=True)
        expect((completed.stdout, completed.stderr), KIB_OF_EACH, "output")
        expect(completed.returncode, 0, "exit status")

    meter = Meter()
    with meter:
        await in_flight(k, n, job)
    return meter.result(n)


async def read_flood(sp, size):
    process = await sp.create_subprocess_exec(child("flood"), str(size), stdout=sp.PIPE)
    total = 0
    while block := await process.stdout.read(BLOCK):
        total += len(block)
    expect((total, await process.wait()), (size, 0), "bytes and exit status")


async def stream(sp, size):
    meter = Meter()
    with meter:
        await read_flood(sp, size)
    return meter.result(size)


async def streams(sp, k, size):
    meter = Meter()
    with meter:
        await asyncio.gather(*(read_flood(sp, size) for _ in range(k)))
    return meter.result(k * size)


class Count(asyncio.SubprocessProtocol):
    """Counts what it is told; ended is done at the end."""

    def __init__(self):
        self.total = 0
        self.ended = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd, data):
        self.total += len(data)

    def connection_lost(self, exc):
        self.ended.set_result(None)


async def protocol(sp, size):
    package = importlib.import_module(sp.__name__.partition(".")[0])
    call = getattr(package, "subprocess_exec", asyncio.get_running_loop().subprocess_exec)
    meter = Meter()
    with meter:
        transport, count = await call(Count, child("flood"), str(size), stdin=None, stderr=None)
        await count.ended
    expect((count.total, transport.get_returncode()), (size, 0), "bytes and exit status")
    transport.close()
    return meter.result(size)


async def communicate(sp, size):
    peak = Peak()
    meter = Meter()
    with meter:
        process = await sp.create_subprocess_exec(child("flood"), str(size), stdout=sp.PIPE)
        out, err = await process.communicate()
    expect((len(out), err, process.returncode), (size, None, 0), "output and status")
    expect((out[:BLOCK], out[-BLOCK:]), (b"x" * BLOCK,) * 2, "first and last block")
    return meter.result(size, peak=peak.over(size))


async def start_lines(sp, n, width):
    return await sp.create_subprocess_exec(child("lines"), str(n), str(width), stdout=sp.PIPE)


def expect_last(line, width):
    expect(line, b"z" * (width - 1) + b"\n", "last line")


async def lines(sp, n, width):
    meter = Meter()
    with meter:
        process = await start_lines(sp, n, width)
        count = 0
        async for line in process.stdout:  # noqa: B007
            count += 1
        status = await process.wait()
    expect((count, status), (n, 0), "lines and exit status")
    expect_last(line, width)
    return meter.result(n)


async def batches(sp, n, width):
    """As lines, where the reader has no better way."""
    meter = Meter()
    with meter:
        process = await start_lines(sp, n, width)
        reader = process.stdout
        count = 0
        if hasattr(reader, "readlines"):
            while batch := await reader.readlines():
                for line in batch:  # noqa: B007
                    count += 1
        else:
            async for line in reader:  # noqa: B007
                count += 1
        status = await process.wait()
    expect((count, status), (n, 0), "lines and exit status")
    expect_last(line, width)
    return meter.result(n)


async def readline(sp, n, width):
    meter = Meter()
    with meter:
        process = await start_lines(sp, n, width)
        reader = process.stdout
        for _ in range(n):
            line = await reader.readline()
        rest, status = await reader.read(), await process.wait()
    expect((rest, status), (b"", 0), "rest and exit status")
    expect_last(line, width)
    return meter.result(n)


async def readuntil(sp, n, width):
    meter = Meter()
    with meter:
        process = await start_lines(sp, n, width)
        reader = process.stdout
        for _ in range(n):
            line = await reader.readuntil(b"\n")
        rest, status = await reader.read(), await process.wait()
    expect((rest, status), (b"", 0), "rest and exit status")
    expect_last(line, width)
    return meter.result(n)


async def readexactly(sp, n, width):
    meter = Meter()
    with meter:
        process = await start_lines(sp, n, width)
        reader = process.stdout
        for _ in range(n):
            line = await reader.readexactly(width)
        rest, status = await reader.read(), await process.wait()
    expect((rest, status), (b"", 0), "rest and exit status")
    expect_last(line, width)
    return meter.result(n)


async def pingpong(sp, n):
    message = b"p" * 63 + b"\n"
    meter = Meter()
    process = await sp.create_subprocess_exec(child("echo"), stdin=sp.PIPE, stdout=sp.PIPE)
    with meter:
        for _ in range(n):
            process.stdin.write(message)
            await process.stdin.drain()
            expect(await process.stdout.readline(), message, "answer")
    process.stdin.close()
    expect(await process.wait(), 0, "exit status")
    return meter.result(n)


async def write(sp, size):
    block = b"w" * BLOCK
    meter = Meter()
    process = await sp.create_subprocess_exec(child("sink"), stdin=sp.PIPE, stdout=sp.PIPE)
    with meter:
        for _ in range(size // BLOCK):
            process.stdin.write(block)
            await process.stdin.drain()
        process.stdin.close()
        answer = await process.stdout.readline()
    expect((int(answer), await process.wait()), (size, 0), "bytes and exit status")
    return meter.result(size)


async def live(sp, n, k):
    command = child("hold")
    processes = []

    async def start():
        processes.append(
            await sp.create_subprocess_exec(command, stdin=sp.PIPE, stdout=sp.PIPE, stderr=sp.PIPE)
        )

    before = private_bytes()
    meter = Meter()
    with meter:
        await in_flight(k, n, start)
        with meter.aside():
            memory = (private_bytes() - before) / n
        started = time.perf_counter()
        for process in processes:
            process.kill()
        statuses = await asyncio.gather(*(process.wait() for process in processes))
    expect(statuses, [-9] * n, "exit statuses")
    end = meter.begin + meter.seconds - started
    return meter.result(n, start=meter.seconds - end, end=end, memory=memory)


async def descriptors(sp, n, few, many):
    with open_descriptors(few):
        sample = await spawn(sp, n, 1)
    with open_descriptors(many):
        return growth(sample, await spawn(sp, n, 1))


async def exits(sp, n):
    with tempfile.NamedTemporaryFile() as file:
        stamps = Stamps(file)
        meter = Meter()
        with meter:
            for _ in range(n):
                process = await sp.create_subprocess_exec(child("stamp"), stamps.path, "1000")
                status = await process.wait()
                stamps.exit_noticed()
                expect(status, 0, "exit status")
        return meter.result(n, p50=stamps.p50())


@asynccontextmanager
async def ticking():
    ticker = Ticker()

    async def tick():
        while True:
            await asyncio.sleep(ticker.PERIOD)
            ticker.tick()

    task = asyncio.ensure_future(tick())
    try:
        yield ticker
        # One more tick, so that a stall up to the last moment is counted.
        await asyncio.sleep(2 * ticker.PERIOD)
    finally:
        task.cancel()


async def lateness(sp, mib, seconds, k, ids):
    command = child("nolibc")
    options = own_ids(ids)
    ended = 0

    async def job():
        process = await sp.create_subprocess_exec(command, **options)
        expect(await process.wait(), 7, "exit status")

    async def work(until):
        nonlocal ended
        while time.perf_counter() < until:
            await job()
            ended += 1

    if ids:
        try:
            await job()
        except (TypeError, ValueError) as refusal:
            raise Refused(str(refusal)) from None
    with ballast(mib):
        async with ticking() as ticker:
            meter = Meter()
            with meter:
                until = meter.begin + seconds
                await asyncio.gather(*(work(until) for _ in range(k)))
    return meter.result(ended, **ticker.summary())


async def fairness(sp, size):
    async with ticking() as ticker:
        meter = Meter()
        with meter:
            await read_flood(sp, size)
    return meter.result(size, **ticker.summary())
