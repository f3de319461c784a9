"""Traces: valid to the viewers at any time, lanes without overlaps, nothing kept in memory."""

import asyncio
import itertools
import json
import os
import time
import tracemalloc
from dataclasses import dataclass
from typing import Any

import pytest

import procession
from children import TRUE, exit_with
from procession import create_subprocess_exec
from procession.trace import Trace


@dataclass
class Usage:
    user: float
    system: float
    max_rss: int


@dataclass
class Completed:
    args: Any = ("true",)
    pid: int | None = 7
    slot: int | None = 0
    started: float = 1_800_000_000.0
    duration: float = 0.5
    reason: str = "exit"
    returncode: int = 0
    usage: Any = None
    attempts: int = 1
    error: BaseException | None = None


async def complete(slot, *args):
    """Run a command; return what is known of it."""
    started, begin = time.time(), time.monotonic()
    process = await create_subprocess_exec(*args)
    returncode = await process.wait()
    used = process.rusage
    return Completed(
        args=args,
        pid=process.pid,
        slot=slot,
        started=started,
        duration=time.monotonic() - begin,
        returncode=returncode,
        usage=used and Usage(used.ru_utime, used.ru_stime, used.ru_maxrss * 1024),
    )


def read(path):
    return json.loads(path.read_text())


def bars(events):
    return [event for event in events if event["ph"] == "X"]


async def test_children_are_bars_on_their_slots(tmp_path):
    path = tmp_path / "run.json"

    async def work(slot):
        for _ in range(5):
            done = await complete(slot, *exit_with(slot))
            trace.add(done)
            results.append(done)

    results = []
    with Trace(path) as trace:
        await asyncio.gather(*(work(slot) for slot in range(3)))

    events = read(path)
    assert len(bars(events)) == 15
    for done, bar in zip(results, bars(events), strict=True):
        assert (bar["name"], bar["cat"], bar["tid"]) == ("sh", "exit", done.slot)
        assert bar["args"]["pid"] == done.pid
        assert bar["args"]["returncode"] == done.slot
        assert bar["args"]["command"] == f"/bin/sh -c 'exit {done.slot}' sh"
        assert bar["args"]["seconds"] == done.duration
        assert bar["args"]["user"] == done.usage.user
        assert bar["args"]["system"] == done.usage.system
        assert bar["args"]["max_rss"] == done.usage.max_rss
        assert abs(bar["ts"] - done.started * 1e6) <= done.duration * 1e6
    assert {event["pid"] for event in events} == {os.getpid()}


async def test_bars_of_a_slot_do_not_overlap(tmp_path):
    path = tmp_path / "run.json"

    with Trace(path) as trace:
        for _ in range(20):
            trace.add(await complete(0, *TRUE))

    found = bars(read(path))
    for before, after in itertools.pairwise(found):
        assert before["ts"] + before["dur"] <= after["ts"]


def test_a_clock_that_is_set_back_makes_no_overlap(tmp_path):
    path = tmp_path / "run.json"

    with Trace(path) as trace:
        trace.add(Completed(started=1000.0, duration=5.0))
        trace.add(Completed(started=1004.0, duration=2.0))
        trace.add(Completed(started=900.0, duration=1.0))

    assert [(bar["ts"], bar["dur"]) for bar in bars(read(path))] == [
        (1000_000_000, 5_000_000),
        (1005_000_000, 1_000_000),
        (1006_000_000, 0),
    ]
    assert [bar["args"]["seconds"] for bar in bars(read(path))] == [5.0, 2.0, 1.0]


@pytest.mark.parametrize("slot", [None, -1])
def test_results_without_a_slot_get_lanes_of_their_own(tmp_path, slot):
    path = tmp_path / "run.json"

    with Trace(path) as trace:
        for started in (10.0, 11.0, 12.0, 20.0):
            trace.add(Completed(slot=slot, started=started, duration=5.0))

    assert [bar["tid"] for bar in bars(read(path))] == [0, 1, 2, 0]


async def test_results_of_run_and_map_are_bars(tmp_path):
    path = tmp_path / "run.json"

    with Trace(path) as trace:
        trace.add(await procession.run(exit_with(3)))
        async for completed in procession.map([TRUE, ["/no/such/program"]]):
            trace.add(completed)

    found = {(bar["name"], bar["cat"], bar["args"]["returncode"]) for bar in bars(read(path))}
    assert found == {("sh", "exit", 3), ("true", "exit", 0), ("program", "spawn error", 127)}


@pytest.mark.slow
async def test_a_full_disk_costs_a_batch_no_result():
    commands = ([*TRUE, "x" * 200] for _ in range(400))
    indices = []

    with pytest.raises(OSError, match="No space left"):
        async for result in procession.map(commands, concurrency=4, trace="/dev/full"):
            indices.append(result.index)

    assert sorted(indices) == list(range(400))


def test_process_and_slots_have_names(tmp_path):
    path = tmp_path / "run.json"

    with Trace(path) as trace:
        for slot in (4, 0, 4):
            trace.add(Completed(slot=slot))

    names = [event for event in read(path) if event["ph"] == "M"]
    assert [(event["name"], event.get("tid"), event["args"]["name"]) for event in names] == [
        ("process_name", None, f"procession, process {os.getpid()}"),
        ("thread_name", 4, "slot 4"),
        ("thread_name", 0, "slot 0"),
    ]


@pytest.mark.parametrize(
    "args, name, command",
    [
        (["/bin/ls", "-l", "a b"], "ls", "/bin/ls -l 'a b'"),
        ((b"/bin/ls", b"\xff"), "ls", r"/bin/ls '\xff'"),
        (["/bin/ls", "\udcff"], "ls", r"/bin/ls '\xff'"),
        ("/bin/ls -l | wc", "ls", "/bin/ls -l | wc"),
        (b"wc", "wc", "wc"),
        ("", "", ""),
        ([], "", ""),
        (["/"], "/", "/"),
        (["echo", 3], "echo", "echo 3"),
        (None, "None", "None"),
    ],
)
def test_a_command_in_any_shape_has_a_name(tmp_path, args, name, command):
    path = tmp_path / "run.json"

    with Trace(path) as trace:
        trace.add(Completed(args=args))

    (bar,) = bars(read(path))
    assert (bar["name"], bar["args"]["command"]) == (name, command)


def test_a_path_is_a_command(tmp_path):
    path = tmp_path / "run.json"

    with Trace(path) as trace:
        trace.add(Completed(args=tmp_path / "program"))
        trace.add(Completed(args=[tmp_path / "program"]))

    assert [bar["name"] for bar in bars(read(path))] == ["program", "program"]


@pytest.mark.parametrize("args", [["echo", "x" * 300], ["echo"] * 300, "x" * 300])
def test_a_long_command_line_is_shortened(tmp_path, args):
    path = tmp_path / "run.json"

    with Trace(path) as trace:
        trace.add(Completed(args=args))

    command = bars(read(path))[0]["args"]["command"]
    assert len(command) == 200
    assert command.endswith("…")


def test_what_could_not_be_started_is_a_bar_with_its_error(tmp_path):
    path = tmp_path / "run.json"
    error = FileNotFoundError(2, "No such file or directory", "nothing")

    with Trace(path) as trace:
        trace.add(Completed(pid=None, reason="spawn error", returncode=127, error=error))

    (bar,) = bars(read(path))
    assert bar["cat"] == "spawn error"
    assert bar["args"]["error"] == str(error)
    assert not {"pid", "user", "system", "max_rss"} & set(bar["args"])


def test_a_file_that_was_cut_off_lacks_nothing_but_the_bracket(tmp_path):
    path = tmp_path / "run.json"
    sizes = set()

    with Trace(path) as trace:
        for i in range(2000):
            trace.add(Completed(slot=i % 7))
            size = path.stat().st_size
            if size and size not in sizes:
                sizes.add(size)
                assert 0 < len(bars(json.loads(path.read_text() + "]"))) <= i + 1

    assert len(sizes) > 2
    assert len(bars(read(path))) == 2000


def test_an_empty_trace_is_valid(tmp_path):
    path = tmp_path / "run.json"

    Trace(path).close()

    assert [event["name"] for event in read(path)] == ["process_name"]


def test_an_exception_closes_the_trace(tmp_path):
    path = tmp_path / "run.json"

    with pytest.raises(ZeroDivisionError), Trace(path) as trace:
        trace.add(Completed())
        raise ZeroDivisionError

    assert len(bars(read(path))) == 1


def test_a_closed_trace_takes_nothing(tmp_path):
    trace = Trace(tmp_path / "run.json")
    trace.close()
    trace.close()

    with pytest.raises(ValueError, match="closed"):
        trace.add(Completed())


def test_a_path_that_cannot_be_written_is_told_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        Trace(tmp_path / "no" / "run.json")


def test_a_full_disk_is_told_when_it_is_full():
    trace = Trace("/dev/full")

    with pytest.raises(OSError, match="No space left"):
        for _ in range(1000):
            trace.add(Completed())
    with pytest.raises(OSError, match="No space left"):
        trace.close()
    trace.close()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_events(tmp_path):
    def peak_of(events):
        tracemalloc.start()
        with Trace(os.devnull) as trace:
            for i in range(events):
                trace.add(Completed(slot=i % 64))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_of(1000)

    assert peak_of(20_000) < 1.1 * peak_of(2000)
