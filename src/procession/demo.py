"""`procession demo`: the package at work, beside asyncio doing the same.

Each part runs in an interpreter of its own, once per implementation, so that its time,
CPU and peak memory belong to it alone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import importlib
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from procession.subprocess import DEVNULL, PIPE, Process, create_subprocess_exec

IMPLEMENTATIONS = ("procession", "asyncio")

# Seconds for one part: far more than a slow machine needs.
PATIENCE = 180

PIECE = 64 * 1024
MIB = 1024 * 1024

# How many children are being started at a time.
STARTING = 16

# Descriptors that a child costs us: two pipes and what its end is learnt from; while it
# is being started also the other ends.
PER_CHILD = 3
PER_START = 6
SPARE_DESCRIPTORS = 64


class WrongAnswer(Exception):
    """A child gave another answer than it should, or none."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is done."""

    children: int
    mib: int
    lines: int


@dataclasses.dataclass(frozen=True)
class Done:
    """What a part has done: so many units, and what there is to say about it."""

    amount: float
    remark: str = ""


@dataclasses.dataclass(frozen=True)
class Figures:
    """What a part has cost the interpreter in which it ran."""

    amount: float
    remark: str
    seconds: float
    cpu: float
    peak_mib: float


@dataclasses.dataclass(frozen=True)
class Part:
    """Something that is shown. `work` takes the module under test."""

    name: str
    title: str
    unit: str
    work: Callable[[Any, Sizes], Awaitable[Done]]


def check(answer: object, expected: object, what: str) -> None:
    if answer != expected:
        raise WrongAnswer(f"{what}: {shortened(answer)} instead of {shortened(expected)}")


def shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# The parts


async def getstatusoutput(sp: Any, *command: str) -> tuple[int, bytes]:
    process = await sp.create_subprocess_exec(*command, stdout=sp.PIPE, stderr=sp.STDOUT)
    try:
        output, _ = await process.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    return process.returncode, output


async def show_platform(sp: Any, sizes: Sizes) -> Done:
    status, output = await getstatusoutput(sp, sys.executable, "-m", "platform")
    check(status, 0, "exit status")
    answer = output.decode().rstrip()
    check(answer, platform.platform(aliased=True), "platform")
    return Done(1, f"Platform: {answer}")


async def keep_children(sp: Any, sizes: Sizes) -> Done:
    starting = asyncio.Semaphore(STARTING)

    async def start() -> Any:
        async with starting:
            return await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)

    async def ask(process: Any, number: int) -> None:
        answer, _ = await process.communicate(b"%d\n" % number)
        check(answer, b"%d\n" % number, f"answer of child {number}")
        check(process.returncode, 0, f"exit status of child {number}")

    with descriptors_for(sizes.children) as count:
        processes = await asyncio.gather(*(start() for _ in range(count)))
        alive = sum(process.returncode is None for process in processes)
        check(alive, count, "children alive at once")
        await asyncio.gather(*(ask(process, i) for i, process in enumerate(processes)))
    if count < sizes.children:
        return Done(count, f"the limit of open descriptors allows {count:,} at once")
    return Done(count)


@contextlib.contextmanager
def descriptors_for(children: int) -> Iterator[int]:
    """Raise the soft limit of open descriptors for a while.

    Yields how many children there can be at once, `children` at the most.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    room = hard - SPARE_DESCRIPTORS - STARTING * PER_START
    unlimited = hard == resource.RLIM_INFINITY
    try:
        yield children if unlimited else max(1, min(children, room // PER_CHILD))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def read_stream(sp: Any, sizes: Sizes) -> Done:
    process = await sp.create_subprocess_exec(
        "head", "-c", str(sizes.mib * MIB), "/dev/zero", stdout=sp.PIPE
    )
    length = 0
    while piece := await process.stdout.read(PIECE):
        length += len(piece)
    check(length, sizes.mib * MIB, "length of the stream")
    check(await process.wait(), 0, "exit status")
    return Done(sizes.mib)


async def talk(sp: Any, sizes: Sizes) -> Done:
    process = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
    for number in range(sizes.lines):
        process.stdin.write(b"line %d\n" % number)
        await process.stdin.drain()
        check(await process.stdout.readline(), b"line %d\n" % number, f"answer {number}")
    process.stdin.close()
    check(await process.wait(), 0, "exit status")
    return Done(sizes.lines)


PARTS = (
    Part(
        "example",
        "The worked example: the output of `python -m platform`",
        "commands",
        show_platform,
    ),
    Part(
        "children",
        "{children:,} children at once, each asked for its own number",
        "children",
        keep_children,
    ),
    Part("stream", "A stream of {mib:,} MiB, read in pieces of 64 KiB", "MiB", read_stream),
    Part(
        "talk",
        "A conversation of {lines:,} lines with one child, each answered before the next",
        "answers",
        talk,
    ),
)


# In the interpreter of one part


async def measure(part: Part, sp: Any, sizes: Sizes) -> Figures:
    seconds, cpu = time.perf_counter(), time.process_time()
    done = await part.work(sp, sizes)
    return Figures(
        amount=done.amount,
        remark=done.remark,
        seconds=time.perf_counter() - seconds,
        cpu=time.process_time() - cpu,
        peak_mib=peak_memory() / MIB,
    )


def peak_memory() -> int:
    """Return the most memory that this program has had, in bytes.

    Not ru_maxrss: that keeps the figure of the program that called exec.
    """
    with open("/proc/self/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmHWM"].split()[0]) * 1024


def run_part(name: str, implementation: str, sizes: Sizes) -> int:
    """Run one part here; write the figures, or what is wrong, as JSON."""
    part = next(part for part in PARTS if part.name == name)
    sp = importlib.import_module(f"{implementation}.subprocess")
    try:
        figures = asyncio.run(measure(part, sp, sizes))
    except (OSError, WrongAnswer) as error:
        say(json.dumps({"wrong": str(error)}))
        return 1
    say(json.dumps(dataclasses.asdict(figures)))
    return 0


# The presentation


async def run_apart(part: Part, implementation: str, sizes: Sizes) -> Figures:
    """Run a part in an interpreter of its own.

    Cancelled, it leaves nothing: the interpreter is killed and reaped, and its children
    come to the end of their input or to a closed pipe.

    Raises:
        WrongAnswer: an answer was wrong, or did not come in time.
    """
    process = await create_subprocess_exec(
        sys.executable,
        "-m",
        "procession",
        "demo",
        "--part",
        part.name,
        "--implementation",
        implementation,
        *(f"--{name}={value}" for name, value in dataclasses.asdict(sizes).items()),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    except asyncio.TimeoutError:
        raise WrongAnswer(f"no answer in {PATIENCE} seconds") from None
    finally:
        await end(process)
    if not output:
        last = (errors or b"").decode(errors="replace").strip().splitlines()[-1:]
        raise WrongAnswer(*(last or [f"exit status {process.returncode}"]))
    result = json.loads(output)
    if process.returncode:
        raise WrongAnswer(result["wrong"])
    return Figures(**result)


async def end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def present(sizes: Sizes) -> int:
    """Show all parts; return how many of their runs went wrong."""
    cpus = len(os.sched_getaffinity(0))
    say(f"Python {platform.python_version()}, Linux {platform.release()}, {cpus} CPUs.")
    say("Each part is done by both in turn, each in an interpreter of its own, whose time, CPU")
    say("and peak memory are shown. The ratio is asyncio's figure divided by procession's.")
    wrong = 0
    for part in PARTS:
        say(f"\n{part.title.format(**dataclasses.asdict(sizes))}")
        say(row("", "seconds", f"{part.unit}/s", "CPU seconds", "peak MiB"))
        ours = await show(part, "procession", sizes)
        theirs = await show(part, "asyncio", sizes)
        if ours is None or theirs is None:
            wrong += (ours is None) + (theirs is None)
            continue
        say(ratios(ours, theirs))
        if ours.remark:
            say(f"  {ours.remark}")
    say("\nEvery answer was right." if not wrong else f"\n{wrong} of the runs went WRONG.")
    return wrong


async def show(part: Part, implementation: str, sizes: Sizes) -> Figures | None:
    """Run a part and write its line, whose beginning says what is running."""
    say(f"  {implementation:<12}", end="")
    try:
        figures = await run_apart(part, implementation, sizes)
    except WrongAnswer as error:
        say(f"WRONG: {error}")
        return None
    line = row(
        implementation,
        f"{figures.seconds:.3f}",
        f"{figures.amount / figures.seconds:,.0f}",
        f"{figures.cpu:.3f}",
        f"{figures.peak_mib:.1f}",
    )
    say(line[14:])
    return figures


def ratios(ours: Figures, theirs: Figures) -> str:
    return row(
        "ratio",
        f"{theirs.seconds / ours.seconds:.1f}",
        "",
        f"{theirs.cpu / max(ours.cpu, 1e-6):.1f}",
        f"{theirs.peak_mib / ours.peak_mib:.1f}",
    )


def row(name: str, seconds: str, rate: str, cpu: str, peak: str) -> str:
    return f"  {name:<12}{seconds:>10}{rate:>14}{cpu:>14}{peak:>11}".rstrip()


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, flush=True)


# The command line


def positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise ValueError
    return number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name, default, what in (
        ("children", 1000, "how many children there are at once"),
        ("mib", 256, "length of the stream, in MiB"),
        ("lines", 10000, "length of the conversation, in lines"),
    ):
        parser.add_argument(
            f"--{name}", type=positive, default=default, metavar="N", help=f"{what} (%(default)s)"
        )
    # One part and one implementation in this interpreter, for the presentation's use.
    hidden = argparse.SUPPRESS
    parser.add_argument("--part", choices=[part.name for part in PARTS], help=hidden)
    parser.add_argument(
        "--implementation", choices=IMPLEMENTATIONS, default=IMPLEMENTATIONS[0], help=hidden
    )


def main(options: argparse.Namespace) -> int:
    sizes = Sizes(options.children, options.mib, options.lines)
    try:
        if options.part:
            return run_part(options.part, options.implementation, sizes)
        return 1 if asyncio.run(present(sizes)) else 0
    except KeyboardInterrupt:
        if not options.part:
            say("\nInterrupted.")
        raise
