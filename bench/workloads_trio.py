"""The workloads on trio, each written as trio's own documentation would."""

import subprocess
import tempfile
import time
from contextlib import asynccontextmanager

import trio

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
open_process = trio.lowlevel.open_process


async def in_flight(k, n, job):
    """Run job() n times, k at once."""
    jobs = iter(range(n))

    async def work():
        for _ in jobs:
            await job()

    async with trio.open_nursery() as nursery:
        for _ in range(k):
            nursery.start_soon(work)


async def spawn(n, k, program="nolibc", status=7):
    command = [child(program)]

    async def job():
        process = await open_process(command)
        expect(await process.wait(), status, "exit status")

    meter = Meter()
    with meter:
        await in_flight(k, n, job)
    return meter.result(n)


async def capture(n, k):
    command = [child("k1")]
    wanted = b"o" * 1024, b"e" * 1024, 0

    async def job():
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True)
        expect((done.stdout, done.stderr, done.returncode), wanted, "output")

    meter = Meter()
    with meter:
        await in_flight(k, n, job)
    return meter.result(n)


async def read_flood(size):
    process = await open_process([child("flood"), str(size)], stdout=PIPE)
    total = 0
    while block := await process.stdout.receive_some(BLOCK):
        total += len(block)
    status = await process.wait()
    await process.stdout.aclose()
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
        async with trio.open_nursery() as nursery:
            for _ in range(k):
                nursery.start_soon(read_flood, size)
    return meter.result(k * size)


async def communicate(size):
    peak = Peak()
    meter = Meter()
    with meter:
        done = await trio.run_process([child("flood"), str(size)], capture_stdout=True)
    out = done.stdout
    expect((len(out), done.returncode), (size, 0), "output and status")
    expect((out[:BLOCK], out[-BLOCK:]), (b"x" * BLOCK,) * 2, "first and last block")
    return meter.result(size, peak=peak.over(size))


async def lines(n, width):
    """trio's streams have no lines: the caller splits what it receives."""
    meter = Meter()
    with meter:
        process = await open_process([child("lines"), str(n), str(width)], stdout=PIPE)
        count = 0
        held = b""
        while block := await process.stdout.receive_some(BLOCK):
            *complete, held = (held + block).split(b"\n")
            for line in complete:  # noqa: B007
                count += 1
        status = await process.wait()
    await process.stdout.aclose()
    expect((count, status, held), (n, 0, b""), "lines and exit status")
    expect(line, b"z" * (width - 1), "last line")
    return meter.result(n)


# The caller has whole batches already.
batches = lines


class Buffered:
    """What a caller writes who awaits lines one by one."""

    def __init__(self, stream):
        self.stream = stream
        self.held = b""
        self.start = 0

    async def line(self):
        while (end := self.held.find(b"\n", self.start) + 1) == 0:
            await self.fill()
        return self.take(end)

    async def exactly(self, n):
        while len(self.held) < self.start + n:
            await self.fill()
        return self.take(self.start + n)

    async def fill(self):
        block = await self.stream.receive_some(BLOCK)
        if not block:
            raise EOFError
        self.held = self.held[self.start :] + block
        self.start = 0

    def take(self, end):
        taken = self.held[self.start : end]
        self.start = end
        return taken


async def one_by_one(n, width, reading, *arguments):
    meter = Meter()
    with meter:
        process = await open_process([child("lines"), str(n), str(width)], stdout=PIPE)
        buffered = Buffered(process.stdout)
        read = getattr(buffered, reading)
        for _ in range(n):
            line = await read(*arguments)
        rest, status = await process.stdout.receive_some(BLOCK), await process.wait()
    await process.stdout.aclose()
    expect((buffered.start, rest, status), (len(buffered.held), b"", 0), "rest and exit status")
    expect(line, b"z" * (width - 1) + b"\n", "last line")
    return meter.result(n)


async def readline(n, width):
    return await one_by_one(n, width, "line")


readuntil = readline


async def readexactly(n, width):
    return await one_by_one(n, width, "exactly", width)


async def receive_line(stream):
    line = b""
    while not line.endswith(b"\n"):
        line += await stream.receive_some(BLOCK)
    return line


async def pingpong(n):
    message = b"p" * 63 + b"\n"
    meter = Meter()
    process = await open_process([child("echo")], stdin=PIPE, stdout=PIPE)
    with meter:
        for _ in range(n):
            await process.stdin.send_all(message)
            expect(await receive_line(process.stdout), message, "answer")
    await process.stdin.aclose()
    expect(await process.wait(), 0, "exit status")
    await process.stdout.aclose()
    return meter.result(n)


async def write(size):
    block = b"w" * BLOCK
    meter = Meter()
    process = await open_process([child("sink")], stdin=PIPE, stdout=PIPE)
    with meter:
        for _ in range(size // BLOCK):
            await process.stdin.send_all(block)
        await process.stdin.aclose()
        answer = await receive_line(process.stdout)
    expect((int(answer), await process.wait()), (size, 0), "bytes and exit status")
    await process.stdout.aclose()
    return meter.result(size)


async def live(n, k):
    command = [child("hold")]
    processes = []
    statuses = []

    async def start():
        processes.append(await open_process(command, stdin=PIPE, stdout=PIPE, stderr=PIPE))

    async def end(process):
        statuses.append(await process.wait())
        for stream in (process.stdin, process.stdout, process.stderr):
            await stream.aclose()

    before = private_bytes()
    meter = Meter()
    with meter:
        await in_flight(k, n, start)
        with meter.aside():
            memory = (private_bytes() - before) / n
        started = time.perf_counter()
        for process in processes:
            process.kill()
        async with trio.open_nursery() as nursery:
            for process in processes:
                nursery.start_soon(end, process)
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
                process = await open_process([child("stamp"), stamps.path, "1000"])
                status = await process.wait()
                stamps.exit_noticed()
                expect(status, 0, "exit status")
        return meter.result(n, p50=stamps.p50())


@asynccontextmanager
async def ticking():
    ticker = Ticker()

    async def tick():
        while True:
            await trio.sleep(ticker.PERIOD)
            ticker.tick()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        yield ticker
        # One more tick, so that a stall up to the last moment is counted.
        await trio.sleep(2 * ticker.PERIOD)
        nursery.cancel_scope.cancel()


async def lateness(mib, seconds, k, ids):
    command = [child("nolibc")]
    options = own_ids(ids)
    ended = 0

    async def work(until):
        nonlocal ended
        while time.perf_counter() < until:
            process = await open_process(command, **options)
            expect(await process.wait(), 7, "exit status")
            ended += 1

    with ballast(mib):
        async with ticking() as ticker:
            meter = Meter()
            with meter:
                until = meter.begin + seconds
                async with trio.open_nursery() as nursery:
                    for _ in range(k):
                        nursery.start_soon(work, until)
    return meter.result(ended, **ticker.summary())


async def fairness(size):
    async with ticking() as ticker:
        meter = Meter()
        with meter:
            await read_flood(size)
    return meter.result(size, **ticker.summary())
