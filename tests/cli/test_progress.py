"""Progress as it is told: when, where, and in which words."""

import os
import re
import subprocess
import sys
import termios

import pytest

from helpers.emulator import Emulator, resize, terminal, written
from helpers.made import Clock, ended, job, options
from procession.cli.progress import plain
from procession.cli.progress.moment import Moment
from procession.cli.progress.progress import Progress


@pytest.fixture(autouse=True)
def usual_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLORTERM", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def no_rich(monkeypatch):
    for name in ("rich", "rich.text", "rich.console"):
        monkeypatch.setitem(sys.modules, name, None)


def run_until(progress, clock, done, failed=0, first=1, seconds=2.0):
    """Let so many jobs end, evenly over the time."""
    for number in range(first, first + done):
        clock.now += seconds / done
        one = job(number, started=clock.now)
        progress.begin(one)
        progress.end(ended(one, returncode=int(number < first + failed)))
        progress.tick()


def screen_of(shows, columns=80, rows=24):
    emulator = Emulator(columns, rows)
    emulator.feed(written(shows))
    return emulator


def test_a_bar_tells_what_is_done_and_how_long_it_will_take():
    pytest.importorskip("rich")
    clock = Clock()
    with terminal() as (shows, fd):
        progress = Progress(options(), 1000, fd, clock=clock)
        progress.begin(job(5000, started=clock.now))
        run_until(progress, clock, 500, failed=3)
        emulator = screen_of(shows)

    bar, slow = emulator.lines
    assert re.fullmatch(
        r"━{12,13}─{13,14}   (500|4[789]\d)/1000  3 failed  1 running +2\d\d/s  [23] s left", bar
    )
    assert re.fullmatch(r" +[12]\.\d s  slot 1 +true", slow)
    assert "\x1b[31m" in emulator.styles


def test_a_short_run_shows_nothing():
    clock = Clock()
    with terminal() as (shows, fd):
        progress = Progress(options(), 20, fd, clock=clock)
        run_until(progress, clock, 20, seconds=0.45)
        progress.hide()
        progress.show()
        progress.finish()
        assert written(shows) == ""


def test_it_is_drawn_ten_times_a_second_at_most():
    clock = Clock()
    with terminal() as (shows, fd):
        progress = Progress(options(), 10_000, fd, clock=clock)
        run_until(progress, clock, 5000, seconds=2.5)
        drawn = written(shows).count("running")

    assert 19 <= drawn <= 21


def test_a_line_with_the_numbers_stays():
    clock = Clock()
    with terminal() as (shows, fd):
        progress = Progress(options(), 100, fd, clock=clock)
        run_until(progress, clock, 100, failed=2)
        progress.finish()
        progress.finish()
        emulator = screen_of(shows)

    (line,) = emulator.lines
    assert re.search(r"100/100.* 2 failed.* 2\.0 s.* 50\.0/s$", line)
    assert emulator.cursor == (1, 0)


def test_jobs_that_run_for_long_are_shown_the_slowest_first():
    pytest.importorskip("rich")
    clock = Clock()
    with terminal(80, 24) as (shows, fd):
        progress = Progress(options(), 100, fd, clock=clock)
        begun = clock.now
        for number in range(1, 9):
            progress.begin(job(number, f"job {number}", number, started=begun + 10 - number))
        progress.begin(job(9, "young", 9, started=begun + 9.5))
        clock.now = begun + 10
        progress.tick()
        resize(fd, 80, 9)
        clock.now += 0.2
        tall = screen_of(shows)
        progress.tick()
        low = screen_of(shows)

    assert [line.split()[-1] for line in tall.lines[1:]] == ["8", "7", "6", "5", "4"]
    assert [line.split()[-1] for line in low.lines[1:]] == ["8", "7", "6"]
    assert tall.lines[1].split() == ["8.0", "s", "slot", "8", "job", "8"]


def test_a_command_cannot_reach_the_terminal():
    pytest.importorskip("rich")
    clock = Clock()
    with terminal(60) as (shows, fd):
        progress = Progress(options(), 2, fd, clock=clock)
        nasty = "echo '\x1b[2J\r\n\udcff' [bold]:smile:[/bold] " + "日本" * 1000
        progress.begin(job(1, nasty, started=clock.now))
        clock.now += 2
        progress.tick()
        emulator = screen_of(shows, 60)

    assert r"echo '\x1b[2J\r\n\xff' [bold]:smi" in emulator.lines[1]
    assert emulator.lines[1].endswith("…")


@pytest.mark.parametrize("columns", [*range(1, 12), 20, 39, 40, 41, 60, 200])
@pytest.mark.parametrize("rows", [1, 2, 3, 24])
@pytest.mark.parametrize("with_rich", [True, False])
def test_it_fits_any_terminal(columns, rows, with_rich, request):
    if with_rich:
        pytest.importorskip("rich")
    else:
        request.getfixturevalue("no_rich")
    clock = Clock()
    with terminal(columns, rows) as (shows, fd):
        progress = Progress(options(), 12_345, fd, clock=clock)
        progress.begin(job(1, "sleep 日本" * 50, 123, started=clock.now))
        clock.now += 7
        run_until(progress, clock, 100, failed=7, first=2)
        clock.now += 1
        progress.tick("2.5 GiB of memory to be free, of which there are 1.2 GiB")
        emulator = screen_of(shows, columns, rows)
        assert emulator.cursor == (0, 0)
        if columns > 12:
            assert "101/12345" in emulator.lines[0] or "100/12345" in emulator.lines[0]
        if columns >= 20 and with_rich:
            assert "7 failed" in emulator.lines[0]
        progress.finish()


def test_what_is_waited_for_is_said():
    clock = Clock()
    with terminal(120) as (shows, fd):
        progress = Progress(options(), 10, fd, clock=clock)
        clock.now += 1
        progress.tick("load 9.5 to fall\nbelow 8")
        first = screen_of(shows, 120).lines
        clock.now += 1
        progress.tick()
        second = screen_of(shows, 120).lines

    assert r"waiting for load 9.5 to fall\nbelow 8" in first[-1]
    assert "waiting" not in second[-1]


def test_a_total_may_become_known_later():
    pytest.importorskip("rich")
    clock = Clock()
    with terminal() as (shows, fd):
        progress = Progress(options(), None, fd, clock=clock)
        run_until(progress, clock, 50)
        assert re.match(r"(49|50)/\?  0 failed  0 running .*/s$", screen_of(shows).lines[0])
        progress.set_total(200)
        run_until(progress, clock, 50, first=51)
        assert re.search(r"(99|100)/200 .*/s  \d s left", screen_of(shows).lines[0])


def test_what_is_skipped_is_done_and_has_no_rate():
    pytest.importorskip("rich")
    clock = Clock()
    with terminal() as (shows, fd):
        progress = Progress(options(), 1000, fd, clock=clock)
        progress.skip(900)
        run_until(progress, clock, 20)
        progress.finish()
        assert re.search(r"920/1000  0 failed  2\.0 s  10\.0/s$", screen_of(shows).lines[0])


def test_output_goes_above_the_bar():
    clock = Clock()
    emulator = Emulator()
    with terminal() as (shows, fd):
        progress = Progress(options(), 100, fd, clock=clock)
        assert progress.shares_terminal
        for first in range(1, 91, 10):
            run_until(progress, clock, 10, first=first, seconds=1)
            progress.hide()
            os.write(fd, f"output {first}\n".encode())
            progress.show()
            emulator.feed(written(shows))

    *output, bar = emulator.lines
    assert output == [f"output {first}" for first in range(1, 91, 10)]
    assert "/100" in bar


def test_the_bar_stays_away_from_a_line_that_has_no_end():
    clock = Clock()
    with terminal() as (shows, fd):
        progress = Progress(options(), 100, fd, clock=clock)
        progress.hide()
        os.write(fd, b"no end")
        progress.show(at_line_start=False)
        run_until(progress, clock, 20)
        assert screen_of(shows).lines == ["no end"]

        os.write(fd, b" yet\n")
        progress.show(at_line_start=True)
        run_until(progress, clock, 20, first=21)
        assert "/100" in screen_of(shows).lines[1]


def test_without_rich_there_is_one_line_in_words(no_rich):
    clock = Clock()
    with terminal() as (shows, fd):
        progress = Progress(options(), 5000, fd, clock=clock)
        run_until(progress, clock, 1200, failed=3)
        (line,) = screen_of(shows).lines
        progress.finish()
        (last,) = screen_of(shows).lines

    assert re.fullmatch(r"(1200|11\d\d)/5000 done, 3 failed, 0 running, 6\d\d/s, [67] s left", line)
    assert last == "procession: 1200/5000 done, 3 failed, 2.0 s, 600/s"


@pytest.mark.parametrize("name, coloured", [("NO_COLOR", False), ("HOME", True)])
def test_no_color_is_heeded(monkeypatch, name, coloured):
    pytest.importorskip("rich")
    monkeypatch.setenv(name, "1")
    clock = Clock()
    with terminal() as (shows, fd):
        progress = Progress(options(), 100, fd, clock=clock)
        run_until(progress, clock, 50, failed=5)
        styles = screen_of(shows).styles

    assert any(re.search(r"\b3[0-7]m", style) for style in styles) is coloured


@pytest.mark.parametrize(
    "chosen, is_shown",
    [
        ({}, True),
        ({"progress": False}, False),
        ({"quiet": True}, False),
        ({"dry_run": True}, False),
        ({"ungroup": True}, False),
        ({"ungroup": True, "progress": True}, True),
    ],
)
def test_a_terminal_has_a_bar_unless_that_is_in_the_way(chosen, is_shown):
    clock = Clock()
    with terminal() as (shows, fd):
        progress = Progress(options(**chosen), 100, fd, clock=clock)
        run_until(progress, clock, 50)
        assert (written(shows) != "") is is_shown
        assert progress.shares_terminal is is_shown


@pytest.mark.parametrize("term", ["dumb", "unknown", None])
def test_a_dumb_terminal_has_lines_if_they_are_asked_for(monkeypatch, term):
    if term is None:
        monkeypatch.delenv("TERM")
    else:
        monkeypatch.setenv("TERM", term)
    clock = Clock()
    with terminal() as (shows, fd):
        unasked = Progress(options(), 100, fd, clock=clock)
        run_until(unasked, clock, 50)
        assert written(shows) == ""
        asked = Progress(options(progress=True), 100, fd, clock=clock)
        run_until(asked, clock, 50)
        text = written(shows)

    assert "/100 done" in text
    assert "\x1b" not in text


def lines_of(seconds, jobs, ticks=10):
    """Return what a run of so many seconds writes into a file."""
    clock = Clock()
    read_end, write_end = os.pipe()
    progress = Progress(options(progress=True), jobs, write_end, clock=clock)
    for tick in range(seconds * ticks):
        clock.now += 1 / ticks
        due = jobs * (tick + 1) // (seconds * ticks)
        while progress._ended < due:
            progress.end(ended(job()))
        progress.tick()
    progress.finish()
    os.close(write_end)
    with open(read_end) as text:
        return text.read().splitlines()


def test_elsewhere_there_are_lines_that_programs_can_read():
    *lines, last = lines_of(20, 5000)

    assert len(lines) == 10
    for line in lines:
        assert re.fullmatch(
            r"procession: +\d+/5000 done, 0 failed, 0 running, 2[45]\d/s, \d+ s left", line
        )
    assert last == "procession: 5000/5000 done, 0 failed, 20.0 s, 250/s"


def test_a_quick_run_has_a_line_a_second_at_most():
    assert len(lines_of(3, 100_000)) <= 4


def test_a_long_run_has_few_lines_and_no_long_silence():
    lines = lines_of(36_000, 7, ticks=1)

    assert 600 < len(lines) < 720


def test_a_run_of_a_moment_has_its_last_line_if_it_is_asked_for():
    assert lines_of(1, 0) == ["procession: 0/0 done, 0 failed, 1.0 s"]


def test_a_file_has_no_lines_unless_they_are_asked_for(pipe):
    read_end, write_end = pipe
    os.set_blocking(read_end, False)
    clock = Clock()
    progress = Progress(options(), 100, write_end, clock=clock)
    run_until(progress, clock, 100, seconds=20)
    progress.finish()

    assert not progress.shares_terminal
    with pytest.raises(BlockingIOError):
        os.read(read_end, 1)


def test_a_pipe_that_nobody_reads_is_not_waited_for(pipe):
    _, write_end = pipe
    clock = Clock()
    progress = Progress(options(progress=True), None, write_end, clock=clock)
    for _ in range(3000):
        clock.now += 61
        progress.tick()
    progress.finish()


def test_a_reader_that_has_gone_does_not_matter(pipe):
    read_end, write_end = pipe
    os.close(read_end)
    clock = Clock()
    progress = Progress(options(progress=True), 100, write_end, clock=clock)
    run_until(progress, clock, 100, seconds=20)
    progress.finish()


def test_what_is_left_is_unknown_without_a_total_or_a_rate():
    known = {"done": 5, "failed": 0, "running": 0, "elapsed": 1.0}

    assert Moment(total=None, rate=5.0, **known).left is None
    assert Moment(total=10, rate=None, **known).left is None
    assert Moment(total=10, rate=5.0, **known).left == 1.0
    # More ended than were foreseen.
    assert Moment(total=3, rate=5.0, **known).left == 0.0
    assert plain.line_of(Moment(total=10, rate=None, **known)) == (
        "procession:  5/10 done, 0 failed, 0 running"
    )


PROGRAM = """
import asyncio, time
from types import SimpleNamespace
import procession
from procession.cli.run.jobs import Ended, Job
from procession.cli.progress.progress import Progress

async def main():
    options = SimpleNamespace(progress=None, quiet=False, ungroup=False, dry_run=False)
    progress = Progress(options, 12)
    jobs = [Job(n, (), f"sleep {n}", 1, 1, time.monotonic(), None) for n in range(12)]
    for job in jobs:
        progress.begin(job)
    commands = [["sleep", "0.3"]] * 11 + [["false"]]
    async for result in procession.map(commands, concurrency=3):
        job = jobs[result.index]
        progress.end(Ended(job, result, None, None))
        progress.hide()
        print("output", result.index, flush=True)
        progress.show()
        progress.tick()
    progress.finish()

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_real_run_in_a_terminal_shows_its_numbers_and_leaves_the_terminal_as_it_was():
    pytest.importorskip("rich")
    with terminal() as (shows, fd):
        before = termios.tcgetattr(fd)
        subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM],
            stdin=fd,
            stdout=fd,
            stderr=fd,
            start_new_session=True,
            check=True,
            timeout=60,
        )
        assert termios.tcgetattr(fd) == before
        text = written(shows)

    emulator = Emulator()
    emulator.feed(text)
    *output, last = emulator.lines
    assert {*output} == {f"output {index}" for index in range(12)}
    assert re.search(r"━+ +12/12  1 failed  1\.\d s  \d", last)
    assert re.search(r" \d/12\x1b\[0m  ", text)
    assert "running" in text
    assert re.search(r" 1\.\d s  slot 1", text)
    # The cursor is never hidden, nor is the terminal put into any mode.
    assert "\x1b[?" not in text
