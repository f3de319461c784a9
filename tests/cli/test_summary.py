"""What is said of a run when it is over."""

import re
import signal
import sys
import tracemalloc

import pytest

import procession
from helpers.emulator import Emulator, terminal, written
from helpers.made import Clock, ended, job, usage
from procession.cli.progress.visible import size
from procession.cli.run.jobs import Ended, Job
from procession.cli.summary.summary import Summary

MIB = 1 << 20


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def summary(clock, pipe):
    return Summary(pipe[1], clock=clock)


def section(text, title):
    """Return the lines below a title, as words."""
    body = re.search(rf"^{title}\n((?:  .*\n)*)", text, re.MULTILINE)[1]
    return [re.split(r" {2,}", line.strip()) for line in body.splitlines()]


def test_jobs_are_counted_and_timed(summary, clock):
    for number in range(1, 21):
        code = int(number % 5 == 0)
        summary.add(ended(job(number), code, duration=2.0, attempts=1 + number % 2))
    clock.now += 10

    assert section(summary.render(), "summary") == [
        ["jobs", "ok", "failed", "retried", "time", "rate", "at once"],
        ["20", "16", "4", "10", "10.0 s", "2.0/s", "4.0"],
    ]


def test_times_have_percentiles_and_totals(summary):
    for number in range(1, 101):
        used = usage(user=number / 1000, system=number / 10_000, max_rss=number * MIB, floor=MIB)
        summary.add(ended(job(number), duration=float(number), usage=used))
    heads, time, user, system, memory = section(summary.render(), "of each job")

    # The names of rows have no head.
    assert heads == ["min", "p50", "p90", "p99", "max", "total"]
    assert time[:2] == ["time", "1.0 s"]
    assert time[5:] == ["1 min 40 s", "1 h 24 min"]
    assert float(time[2].split()[0]) == pytest.approx(50, rel=0.011)
    assert user[0::6] == ["user CPU", "5.1 s"]
    assert system[0::6] == ["system CPU", "505 ms"]
    assert memory[:2] == ["peak memory", "< 1.0 MiB"]
    assert memory[5:] == ["100 MiB", "-"]


def test_memory_below_the_floor_is_not_known(summary):
    for number in range(10):
        summary.add(ended(job(number), usage=usage(max_rss=20 * MIB, floor=20 * MIB)))
    summary.add(ended(job(11), usage=usage(max_rss=300 * MIB, floor=20 * MIB)))

    memory = section(summary.render(), "of each job")[-1]
    assert memory == ["peak memory", *["< 20.0 MiB"] * 3, "300 MiB", "300 MiB", "-"]


def test_what_was_never_started_has_no_usage(summary):
    summary.add(ended(job(1, "nothing"), 127, reason="spawn error"))

    text = summary.render()
    assert "CPU" not in text
    assert "memory" not in text
    assert section(text, "failures")[1] == ["1", "not found", "1", "nothing"]


def test_failures_are_counted_by_how_they_failed(summary):
    ends = [
        *[(1, {})] * 3,
        (2, {}),
        (-signal.SIGKILL, {}),
        *[(-signal.SIGTERM, {"reason": "timeout"})] * 2,
        (126, {"reason": "spawn error"}),
        (-40, {}),
        (0, {}),
        (0, {"reason": "output limit"}),
    ]
    for number, (code, known) in enumerate(ends, 1):
        summary.add(ended(job(number, f"command {number}"), code, **known))

    heads, *rows = section(summary.render(), "failures")
    assert heads == ["count", "how", "job", "the first such command"]
    assert rows == [
        ["3", "exit 1", "1", "command 1"],
        ["2", "timeout", "6", "command 6"],
        ["1", "exit 2", "4", "command 4"],
        ["1", "SIGKILL", "5", "command 5"],
        ["1", "not started", "8", "command 8"],
        ["1", "signal 40", "9", "command 9"],
        ["1", "output limit", "11", "command 11"],
    ]


def test_the_five_slowest_are_named(summary):
    for number in range(1, 101):
        summary.add(ended(job(number, f"command {number}"), duration=number * 37 % 101 / 10))

    _, *rows = section(summary.render(), "slowest")
    seconds = [float(row[0].split()[0]) for row in rows]
    assert seconds == [10.0, 9.9, 9.8, 9.7, 9.6]
    for row in rows:
        assert int(row[2]) * 37 % 101 / 10 == float(row[0].split()[0])
        assert row[3] == f"command {row[2]}"


def test_of_equally_slow_ones_the_first_are_named(summary):
    for number in range(1, 20):
        summary.add(ended(job(number), duration=1.0))

    assert [row[2] for row in section(summary.render(), "slowest")[1:]] == list("12345")


def test_no_jobs_have_no_figures(summary, clock):
    assert section(summary.render(), "summary")[1] == [*"0000", "0 us", "-", "-"]
    clock.now += 1
    assert section(summary.render(), "summary")[1] == [*"0000", "1.0 s", "-", "0.0"]
    assert "slowest" not in summary.render()


def test_a_command_is_one_line_of_what_can_be_printed(summary):
    summary.add(ended(job(1, "echo '\x1b[2J\n\udcff' " + "x" * 2**21), 1))

    lines = summary.render().splitlines()
    assert lines[-1].startswith("  ")
    assert r"echo '\x1b[2J\n\xff' xxx" in lines[-1]
    assert all(len(line) <= 120 and line.isprintable() for line in lines)


@pytest.mark.parametrize("with_rich", [True, False])
def test_a_terminal_gets_the_same_with_and_without_colours(monkeypatch, clock, with_rich):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if with_rich:
        pytest.importorskip("rich")
    else:
        for name in ("rich", "rich.text", "rich.console"):
            monkeypatch.setitem(sys.modules, name, None)
    emulator = Emulator(81, 40)
    with terminal(80, 40) as (shows, fd):
        summary = Summary(fd, clock=clock)
        for number in range(1, 9):
            summary.add(ended(job(number, f"日本 {'x' * 99}"), number % 2, duration=number / 8))
        emulator.feed(summary.render().replace("\n", "\r\n"))
        assert written(shows) == ""

    assert section("\n".join(emulator.lines) + "\n", "failures")[1][:3] == ["4", "exit 1", "1"]
    assert emulator.lines[-1].endswith("x…")
    assert bool(emulator.styles) is with_rich


def test_memory_does_not_grow_with_the_jobs():
    def taken_by(jobs):
        tracemalloc.start()
        summary = Summary()
        for number in range(jobs):
            used = usage(user=number % 997 / 1000, max_rss=number % 991 * MIB)
            code = number % 200
            summary.add(
                ended(job(number, f"{number}" * 99), code, duration=number % 499, usage=used)
            )
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return taken

    taken_by(100)

    assert taken_by(8000) < 1.1 * taken_by(2000)


async def test_real_jobs_have_real_figures(summary):
    script = "x = b'x' * 100_000_000; sum(range(300_000))"
    commands = [["true"], ["false"], ["sh", "-c", "kill -9 $$"], [sys.executable, "-c", script]]
    usages = []
    async for result in procession.map(commands, concurrency=2):
        number = result.index + 1
        one = Job(number, (), f"command {number}", result.slot + 1, 1, 0.0, None)
        summary.add(Ended(one, result, None, None))
        usages.append(result.usage)

    text = summary.render()
    *_, memory = section(text, "of each job")
    most = max(usages, key=lambda usage: usage.max_rss)
    # This process may have had more than any of them.
    known = most.max_rss > most.max_rss_floor
    assert memory[5] == (size(most.max_rss) if known else f"< {size(most.max_rss_floor)}")
    assert {row[1] for row in section(text, "failures")[1:]} == {"exit 1", "SIGKILL"}
    assert section(text, "slowest")[1][2] == "4"
