"""The interpreter of one player: `worker.py NAME`, run as a program.

It imports nothing of the package but for the player that is the package, so that what is
loaded and in memory is the player's own. Each workload goes on for some seconds, checks its
answers, and tells how much was done, in what time, and with how much CPU time of this
process.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.metadata
import itertools
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TextIO

PIECE = 64 * 1024
PIPE = subprocess.PIPE

Job = Callable[[], Awaitable[int]]


def check(got: object, expected: object, what: str) -> None:
    if got != expected:
        raise ValueError(f"{what}: {got!r:.60} instead of {expected!r:.60}")


class OnALoop:
    """A player with asyncio's interface, of the module `sp`, on a loop of `loops`."""

    def __init__(self, sp: str, loops: str) -> None:
        self.sp: Any = importlib.import_module(sp)
        self.loops: Any = importlib.import_module(loops)

    def run(self, workload: dict[str, Any]) -> dict[str, float]:
        loop = self.loops.new_event_loop()
        try:
            sample: dict[str, float] = loop.run_until_complete(self.sample(**workload))
            return sample
        finally:
            loop.close()

    async def sample(
        self,
        job: str,
        command: Sequence[str],
        expected: Any,
        at_once: int,
        seconds: float,
        first: Sequence[str],
    ) -> dict[str, float]:
        # What is made at the first child of a loop is made before the measurement.
        await self.status(first, 0)
        meter = Meter()
        until = meter.began + seconds
        if job == "map" and self.sp.__name__.startswith("procession"):
            return meter.read(await self.map(command, expected, at_once, until))
        method = self.status if job == "map" else getattr(self, job)
        return meter.read(await in_flight(at_once, until, lambda: method(command, expected)))

    async def status(self, command: Sequence[str], expected: int) -> int:
        process = await self.sp.create_subprocess_exec(*command)
        check(await process.wait(), expected, "exit status")
        return 1

    async def map(self, command: Sequence[str], expected: int, at_once: int, until: float) -> int:
        procession = importlib.import_module("procession")
        commands = itertools.takewhile(
            lambda _: time.perf_counter() < until, itertools.repeat(command)
        )
        amount = 0
        async for completed in procession.map(commands, concurrency=at_once):
            check(completed.returncode, expected, "exit status")
            amount += 1
        return amount

    async def output(self, command: Sequence[str], expected: int) -> int:
        process = await self.sp.create_subprocess_exec(*command, stdout=PIPE)
        output, _ = await process.communicate()
        check(output, bytes(expected), "output")
        check(process.returncode, 0, "exit status")
        return 1

    async def stream(self, command: Sequence[str], expected: int) -> int:
        process = await self.sp.create_subprocess_exec(*command, stdout=PIPE)
        length = 0
        while piece := await process.stdout.read(PIECE):
            length += len(piece)
        status = await process.wait()
        check(length, expected, "length of the output")
        check(status, 0, "exit status")
        return length

    async def lines(self, command: Sequence[str], expected: Sequence[Any]) -> int:
        process = await self.sp.create_subprocess_exec(*command, stdout=PIPE)
        count, line = 0, b""
        async for line in process.stdout:  # noqa: B007
            count += 1
        status = await process.wait()
        check([count, line.decode()], expected, "lines, and the last one")
        check(status, 0, "exit status")
        return count


class Blocking:
    """The player that is the module subprocess, with a thread for each child in flight."""

    def run(self, workload: dict[str, Any]) -> dict[str, float]:
        return self.sample(**workload)

    def sample(
        self,
        job: str,
        command: Sequence[str],
        expected: Any,
        at_once: int,
        seconds: float,
        first: Sequence[str],
    ) -> dict[str, float]:
        method = self.status if job == "map" else getattr(self, job)
        self.status(first, 0)
        meter = Meter()
        until = meter.began + seconds

        def work(_: int = 0) -> int:
            amount = 0
            while amount == 0 or time.perf_counter() < until:
                amount += method(command, expected)
            return amount

        if at_once == 1:
            return meter.read(work())
        with ThreadPoolExecutor(at_once) as pool:
            return meter.read(sum(pool.map(work, range(at_once))))

    def status(self, command: Sequence[str], expected: int) -> int:
        check(subprocess.run(command).returncode, expected, "exit status")
        return 1

    def output(self, command: Sequence[str], expected: int) -> int:
        done = subprocess.run(command, stdout=PIPE)
        check(done.stdout, bytes(expected), "output")
        check(done.returncode, 0, "exit status")
        return 1

    def stream(self, command: Sequence[str], expected: int) -> int:
        length = 0
        with subprocess.Popen(command, stdout=PIPE, bufsize=0) as process:
            assert process.stdout is not None
            while piece := process.stdout.read(PIECE):
                length += len(piece)
        check(length, expected, "length of the output")
        check(process.returncode, 0, "exit status")
        return length

    def lines(self, command: Sequence[str], expected: Sequence[Any]) -> int:
        count, line = 0, b""
        with subprocess.Popen(command, stdout=PIPE) as process:
            assert process.stdout is not None
            for line in process.stdout:  # noqa: B007
                count += 1
        check([count, line.decode()], expected, "lines, and the last one")
        check(process.returncode, 0, "exit status")
        return count


class Meter:
    """The time, and the CPU time of this process without its children, since it was made."""

    def __init__(self) -> None:
        self.cpu = cpu_seconds()
        self.began = time.perf_counter()

    def read(self, amount: int) -> dict[str, float]:
        seconds = time.perf_counter() - self.began
        return {"amount": amount, "seconds": seconds, "cpu": cpu_seconds() - self.cpu}


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def in_flight(at_once: int, until: float, job: Job) -> int:
    """Do a job again and again, as many at once; return the sum of the amounts."""

    async def work() -> int:
        amount = 0
        while amount == 0 or time.perf_counter() < until:
            amount += await job()
        return amount

    if at_once == 1:
        return await work()
    # All end before one's error is raised: the loop has no children when it is closed.
    ended = await asyncio.gather(*(work() for _ in range(at_once)), return_exceptions=True)
    amounts = []
    for each in ended:
        if isinstance(each, BaseException):
            raise each
        amounts.append(each)
    return sum(amounts)


def player(name: str) -> OnALoop | Blocking:
    """Return the player of that name.

    Raises:
        ImportError: it is not installed.
    """
    if name == "subprocess":
        return Blocking()
    interface = "procession" if name == "procession" else "asyncio"
    return OnALoop(f"{interface}.subprocess", "uvloop" if name == "uvloop" else "asyncio")


def version_of(name: str) -> str:
    if name in ("asyncio", "subprocess"):
        return platform.python_version()
    if name == "procession":
        version: str = importlib.import_module("procession").__version__
        return version
    return importlib.metadata.version(name)


def serve(name: str, requests: TextIO, answers: TextIO) -> None:
    def answer(**members: Any) -> None:
        answers.write(json.dumps(members) + "\n")
        answers.flush()

    try:
        plays = player(name)
        answer(version=version_of(name))
    except ImportError as missing:
        answer(missing=str(missing))
        return
    for line in requests:
        try:
            answer(sample=plays.run(json.loads(line)))
        except (OSError, ValueError) as error:
            answer(error=f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def streams() -> Iterator[tuple[TextIO, TextIO]]:
    """Yield the streams of requests and of answers; children get neither of the two."""
    with os.fdopen(os.dup(0)) as requests, os.fdopen(os.dup(1), "w") as answers:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)
        yield requests, answers


def main() -> None:
    # Whoever has asked may have gone.
    with contextlib.suppress(BrokenPipeError), streams() as (requests, answers):
        serve(sys.argv[1], requests, answers)


if __name__ == "__main__":
    main()
