"""The workloads on the blocking subprocess module, a thread per child in flight."""

import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

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


def in_flight(k, n, job):
    """Run job() n times, k at once; one at a time needs no thread."""
    if k == 1:
        for _ in range(n):
            job()
        return
    with ThreadPoolExecutor(k) as pool:
        for future in [pool.submit(job) for _ in range(n)]:
            future.result()


def spawn(n, k, program="nolibc", status=7):
    command = [child(program)]

    def job():
        expect(subprocess.run(command).returncode, status, "exit status")

    meter = Meter()
    with meter:
        in_flight(k, n, job)
    return meter.result(n)


def capture(n, k):
    command = [child("k1")]
    wanted = b"o" * 1024, b"e" * 1024, 0

    def job():
        done = subprocess.run(command, capture_output=True)
        expect((done.stdout, done.stderr, done.returncode), wanted, "output")

    meter = Meter()
    with meter:
        in_flight(k, n, job)
    return meter.result(n)


def read_flood(size):
    process = subprocess.Popen([child("flood"), str(size)], stdout=PIPE, bufsize=0)
    total = 0
    while block := process.stdout.read(BLOCK):
        total += len(block)
    status = process.wait()
    process.stdout.close()
    expect((total, status), (size, 0), "bytes and exit status")


def stream(size):
    meter = Meter()
    with meter:
        read_flood(size)
    return meter.result(size)


# There are no protocols: the stream is read.
protocol = stream


def streams(k, size):
    meter = Meter()
    with meter:
        in_flight(k, k, lambda: read_flood(size))
    return meter.result(k * size)


def communicate(size):
    peak = Peak()
    meter = Meter()
    with meter:
        done = subprocess.run([child("flood"), str(size)], stdout=PIPE)
    out = done.stdout
    expect((len(out), done.returncode), (size, 0), "output and status")
    expect((out[:BLOCK], out[-BLOCK:]), (b"x" * BLOCK,) * 2, "first and last block")
    return meter.result(size, peak=peak.over(size))


def lines(n, width):
    meter = Meter()
    with meter:
        command = [child("lines"), str(n), str(width)]
        process = subprocess.Popen(command, stdout=PIPE)
        count = 0
        for line in process.stdout:  # noqa: B007
            count += 1
        status = process.wait()
    process.stdout.close()
    expect((count, status), (n, 0), "lines and exit status")
    expect(line, b"z" * (width - 1) + b"\n", "last line")
    return meter.result(n)


def batches(n, width):
    meter = Meter()
    with meter:
        process = subprocess.Popen([child("lines"), str(n), str(width)], stdout=PIPE)
        count = 0
        while batch := process.stdout.readlines(BLOCK):
            for line in batch:  # noqa: B007
                count += 1
        status = process.wait()
    process.stdout.close()
    expect((count, status), (n, 0), "lines and exit status")
    expect(line, b"z" * (width - 1) + b"\n", "last line")
    return meter.result(n)


def one_by_one(n, width, reading, *arguments):
    meter = Meter()
    with meter:
        process = subprocess.Popen([child("lines"), str(n), str(width)], stdout=PIPE)
        read = getattr(process.stdout, reading)
        for _ in range(n):
            line = read(*arguments)
        rest, status = process.stdout.read(), process.wait()
    process.stdout.close()
    expect((rest, status), (b"", 0), "rest and exit status")
    expect(line, b"z" * (width - 1) + b"\n", "last line")
    return meter.result(n)


def readline(n, width):
    return one_by_one(n, width, "readline")


# A newline is the only end that files know.
readuntil = readline


def readexactly(n, width):
    return one_by_one(n, width, "read", width)


def pingpong(n):
    message = b"p" * 63 + b"\n"
    meter = Meter()
    process = subprocess.Popen([child("echo")], stdin=PIPE, stdout=PIPE)
    with meter:
        for _ in range(n):
            process.stdin.write(message)
            process.stdin.flush()
            expect(process.stdout.readline(), message, "answer")
    process.stdin.close()
    expect(process.wait(), 0, "exit status")
    process.stdout.close()
    return meter.result(n)


def write(size):
    block = b"w" * BLOCK
    meter = Meter()
    process = subprocess.Popen([child("sink")], stdin=PIPE, stdout=PIPE)
    with meter:
        for _ in range(size // BLOCK):
            process.stdin.write(block)
        process.stdin.close()
        answer = process.stdout.readline()
    expect((int(answer), process.wait()), (size, 0), "bytes and exit status")
    process.stdout.close()
    return meter.result(size)


def live(n, k):
    """One thread starts and ends all: a thread per live child would measure threads."""
    command = [child("hold")]
    before = private_bytes()
    meter = Meter()
    with meter:
        processes = [
            subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE) for _ in range(n)
        ]
        with meter.aside():
            memory = (private_bytes() - before) / n
        started = time.perf_counter()
        for process in processes:
            process.kill()
        statuses = []
        for process in processes:
            statuses.append(process.wait())
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()
    expect(statuses, [-9] * n, "exit statuses")
    end = meter.begin + meter.seconds - started
    return meter.result(n, start=meter.seconds - end, end=end, memory=memory)


def descriptors(n, few, many):
    with open_descriptors(few):
        sample = spawn(n, 1)
    with open_descriptors(many):
        return growth(sample, spawn(n, 1))


def exits(n):
    with tempfile.NamedTemporaryFile() as file:
        stamps = Stamps(file)
        command = [child("stamp"), stamps.path, "1000"]
        meter = Meter()
        with meter:
            for _ in range(n):
                status = subprocess.Popen(command).wait()
                stamps.exit_noticed()
                expect(status, 0, "exit status")
        return meter.result(n, p50=stamps.p50())


def lateness(mib, seconds, k, ids):
    """The main thread ticks while k threads spawn."""
    command = [child("nolibc")]
    options = own_ids(ids)
    ended = []

    go = threading.Barrier(k + 1)

    def work():
        go.wait()
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            expect(subprocess.run(command, **options).returncode, 7, "exit status")
            ended.append(None)

    with ballast(mib), ThreadPoolExecutor(k) as pool:
        futures = [pool.submit(work) for _ in range(k)]
        ticker = Ticker()
        meter = Meter()
        with meter:
            go.wait()
            while not all(future.done() for future in futures):
                time.sleep(ticker.PERIOD)
                ticker.tick()
            for future in futures:
                future.result()
    return meter.result(len(ended), **ticker.summary())


def fairness(size):
    """The main thread ticks while another reads."""
    with ThreadPoolExecutor(1) as pool:
        ticker = Ticker()
        meter = Meter()
        with meter:
            reading = pool.submit(read_flood, size)
            while not reading.done():
                time.sleep(ticker.PERIOD)
                ticker.tick()
            reading.result()
    return meter.result(size, **ticker.summary())
