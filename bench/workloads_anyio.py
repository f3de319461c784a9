"""The workloads on anyio's own interface, with asyncio below."""

import subprocess
import tempfile
import time
from contextlib import asynccontextmanager

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from build import child
from measure import (
    Meter,
    Peak,
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
PIPE = subprocess.PIPE


async def start(*command, stdin=None, stdout=None, stderr=None, **options):
    """Unlike anyio's own, without a pipe that is not asked for."""
    streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
    return await anyio.open_process(command, **streams, **options)


async def in_flight(k, n, job):
    """Run job() n times, k at once."""
    jobs = iter(range(n))

    async def work():
        for _ in jobs:
            await job()

    async with anyio.create_task_group() as group:
        for _ in range(k):
            group.start_soon(work)


async def spawn(n, k, program="nolibc", status=7):
    command = child(program)

    async def job():
        process = await start(command)
        expect(await process.wait(), status, "exit status")

    meter = Meter()
    with meter:
        await in_flight(k, n, job)
    return meter.result(n)


async def capture(n, k):
    command = [child("k1")]
    wanted = b"o" * 1024, b"e" * 1024, 0

    async def job():
        done = await anyio.run_process(command)
        expect((done.stdout, done.stderr, done.returncode), wanted, "output")

    meter = Meter()
    with meter:
        await in_flight(k, n, job)
    return meter.result(n)


async def receive(stream):
    """The next bytes, b"" at the end."""
    try:
        return await stream.receive(BLOCK)
    except anyio.EndOfStream:
        return b""


async def read_flood(size):
    async with await start(child("flood"), str(size), stdout=PIPE) as process:
        total = 0
        while block := await receive(process.stdout):
            total += len(block)
        status = await process.wait()
    expect((total, status), (size, 0), "bytes and exit status")


async def stream(size):
    meter = Meter()
    with meter:
        await read_flood(size)
    return meter.result(size)


# There are no protocols: the stream is read.
protocol = stream


async def streams(k, size):
    meter = Meter()
    with meter:
        async with anyio.create_task_group() as group:
            for _ in range(k):
                group.start_soon(read_flood, size)
    return meter.result(k * size)


async def communicate(size):
    peak = Peak()
    meter = Meter()
    with meter:
        done = await anyio.run_process([child("flood"), str(size)], stderr=None)
    out = done.stdout
    expect((len(out), done.returncode), (size, 0), "output and status")
    expect((out[:BLOCK], out[-BLOCK:]), (b"x" * BLOCK,) * 2, "first and last block")
    return meter.result(size, peak=peak.over(size))


async def lines(n, width):
    """anyio iterates over blocks: the caller splits them."""
    meter = Meter()
    with meter:
        async with await start(child("lines"), str(n), str(width), stdout=PIPE) as process:
            count = 0
            held = b""
            async for block in process.stdout:
                *complete, held = (held + block).split(b"\n")
                for line in complete:  # noqa: B007
                    count += 1
            status = await process.wait()
    expect((count, status, held), (n, 0, b""), "lines and exit status")
    expect(line, b"z" * (width - 1), "last line")
    return meter.result(n)


# The caller has whole batches already.
batches = lines


async def readline(n, width):
    meter = Meter()
    with meter:
        async with await start(child("lines"), str(n), str(width), stdout=PIPE) as process:
            buffered = BufferedByteReceiveStream(process.stdout)
            for _ in range(n):
                line = await buffered.receive_until(b"\n", BLOCK)
            rest, status = await receive(buffered), await process.wait()
    expect((rest, status), (b"", 0), "rest and exit status")
    expect(line, b"z" * (width - 1), "last line")
    return meter.result(n)


readuntil = readline


async def readexactly(n, width):
    meter = Meter()
    with meter:
        async with await start(child("lines"), str(n), str(width), stdout=PIPE) as process:
            buffered = BufferedByteReceiveStream(process.stdout)
            for _ in range(n):
                line = await buffered.receive_exactly(width)
            rest, status = await receive(buffered), await process.wait()
    expect((rest, status), (b"", 0), "rest and exit status")
    expect(line, b"z" * (width - 1) + b"\n", "last line")
    return meter.result(n)


async def pingpong(n):
    message = b"p" * 63 + b"\n"
    meter = Meter()
    async with await start(child("echo"), stdin=PIPE, stdout=PIPE) as process:
        buffered = BufferedByteReceiveStream(process.stdout)
        with meter:
            for _ in range(n):
                await process.stdin.send(message)
                expect(await buffered.receive_until(b"\n", BLOCK), message[:-1], "answer")
        await process.stdin.aclose()
        expect(await process.wait(), 0, "exit status")
    return meter.result(n)


async def write(size):
    block = b"w" * BLOCK
    meter = Meter()
    async with await start(child("sink"), stdin=PIPE, stdout=PIPE) as process:
        with meter:
            for _ in range(size // BLOCK):
                await process.stdin.send(block)
            await process.stdin.aclose()
            answer = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", BLOCK)
        expect((int(answer), await process.wait()), (size, 0), "bytes and exit status")
    return meter.result(size)


async def live(n, k):
    command = child("hold")
    processes = []
    statuses = []

    async def begin():
        processes.append(await start(command, stdin=PIPE, stdout=PIPE, stderr=PIPE))

    async def end(process):
        statuses.append(await process.wait())
        await process.aclose()

    before = private_bytes()
    meter = Meter()
    with meter:
        await in_flight(k, n, begin)
        with meter.aside():
            memory = (private_bytes() - before) / n
        started = time.perf_counter()
        for process in processes:
            process.kill()
        async with anyio.create_task_group() as group:
            for process in processes:
                group.start_soon(end, process)
    expect(statuses, [-9] * n, "exit statuses")
    end_seconds = meter.begin + meter.seconds - started
    return meter.result(n, start=meter.seconds - end_seconds, end=end_seconds, memory=memory)


async def descriptors(n, few, many):
    with open_descriptors(few):
        sample = await spawn(n, 1)
    with open_descriptors(many):
        return growth(sample, await spawn(n, 1))


async def exits(n):
    with tempfile.NamedTemporaryFile() as file:
        stamps = Stamps(file)
        meter = Meter()
        with meter:
            for _ in range(n):
                process = await start(child("stamp"), stamps.path, "1000")
                status = await process.wait()
                stamps.exit_noticed()
                expect(status, 0, "exit status")
        return meter.result(n, p50=stamps.p50())


@asynccontextmanager
async def ticking():
    ticker = Ticker()

    async def tick():
        while True:
            await anyio.sleep(ticker.PERIOD)
            ticker.tick()

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        yield ticker
        # One more tick, so that a stall up to the last moment is counted.
        await anyio.sleep(2 * ticker.PERIOD)
        group.cancel_scope.cancel()


async def lateness(mib, seconds, k, ids):
    command = child("nolibc")
    options = own_ids(ids)
    ended = 0

    async def work(until):
        nonlocal ended
        while time.perf_counter() < until:
            process = await start(command, **options)
            expect(await process.wait(), 7, "exit status")
            ended += 1

    with ballast(mib):
        async with ticking() as ticker:
            meter = Meter()
            with meter:
                until = meter.begin + seconds
                async with anyio.create_task_group() as group:
                    for _ in range(k):
                        group.start_soon(work, until)
    return meter.result(ended, **ticker.summary())


async def fairness(size):
    async with ticking() as ticker:
        meter = Meter()
        with meter:
            await read_flood(size)
    return meter.result(size, **ticker.summary())
