"""Printing never blocks the loop, loses or reorders nothing, and leaves descriptors alone."""

import asyncio
import contextlib
import errno
import fcntl
import importlib
import os
import pty
import socket
import stat
import subprocess
import sys
import termios
import tty

import pytest

from children import TIMEOUT
from procession.cli.output import channel
from procession.cli.output.printer import HIGH, LOW, Printer, printers

PATTERN = bytes(range(256)) * 4096


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Return a function that runs a coroutine function on either loop, with the loop."""

    def run(function, *args):
        loop = importlib.import_module(request.param).new_event_loop()
        try:
            work = asyncio.wait_for(function(loop, *args), TIMEOUT)
            return loop.run_until_complete(work)
        finally:
            loop.close()

    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return run


@pytest.fixture
def terminal():
    """Return the two ends of a terminal that changes no bytes."""
    ends = pty.openpty()
    tty.setraw(ends[1], termios.TCSANOW)
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


@pytest.fixture
def sockets():
    """Return the two ends of a connection."""
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


@pytest.fixture(params=["pipe", "pipe of another", "terminal", "terminal of another", "socket"])
def ends(request, monkeypatch):
    """Return where a reader reads and a printer prints, of each kind that can be full."""
    if request.param.endswith("of another"):
        monkeypatch.setattr(channel, "anew", refuse)
    kind = request.param.split()[0]
    if kind == "socket":
        reader, writer = request.getfixturevalue("sockets")
        return reader.fileno(), writer.fileno()
    return request.getfixturevalue(kind)


def refuse(path):
    raise PermissionError(errno.EACCES, "not yours")


def read_exactly(fd, size):
    """Read as a patient reader does, in pieces."""
    data = bytearray()
    while len(data) < size:
        data += os.read(fd, min(65536, size - len(data)))
    return bytes(data)


def read(loop, fd, size):
    """Begin to read in a thread; return a future."""
    return loop.run_in_executor(None, read_exactly, fd, size)


def complain(*args):
    raise AssertionError(args)


def inheritable_descriptors():
    found = set()
    for fd in map(int, os.listdir("/proc/self/fd")):
        # The one of the listing is closed again.
        with contextlib.suppress(OSError):
            if os.get_inheritable(fd):
                found.add(fd)
    return found


def is_blocking(fd):
    return not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK


def test_what_fits_is_written_at_once(run, ends):
    async def main(loop):
        out = Printer(loop, ends[1])
        out.write(b"some ")
        out.write(b"words\n")
        assert (out.backlog, out.at_line_start) == (0, True)
        assert read_exactly(ends[0], 11) == b"some words\n"
        await out.aclose()

    run(main)


def test_the_loop_runs_on_while_nobody_reads_and_nothing_is_lost(run, ends):
    async def main(loop):
        out = Printer(loop, ends[1])
        for begin in range(0, len(PATTERN), 10_000):
            out.write(PATTERN[begin : begin + 10_000])
        await asyncio.sleep(0)
        assert out.backlog > 0

        assert await read(loop, ends[0], len(PATTERN)) == PATTERN
        await out.drain(0)
        await out.aclose()

    run(main)


def test_a_description_that_others_have_is_never_made_non_blocking(run, ends):
    async def main(loop):
        out = Printer(loop, ends[1])
        out.write(PATTERN)
        await asyncio.sleep(0)
        assert is_blocking(ends[1])
        await read(loop, ends[0], len(PATTERN))
        await out.aclose()

    run(main)
    assert is_blocking(ends[1])


def test_children_inherit_nothing_of_a_printers(run, ends):
    async def main(loop):
        before = inheritable_descriptors()
        out = Printer(loop, ends[1])
        assert inheritable_descriptors() == before
        await out.aclose()

    run(main)


def test_closing_waits_for_the_reader(run, ends):
    async def main(loop):
        out = Printer(loop, ends[1])
        out.write(PATTERN)
        reading = read(loop, ends[0], len(PATTERN))
        out.close()
        out.close()
        assert await reading == PATTERN

    run(main)


def test_what_a_closed_printer_is_given_is_dropped(run, pipe):
    async def main(loop):
        out = Printer(loop, pipe[1])
        await out.aclose()
        out.write(b"late")
        out.send(iter([b"late"]), 4, lambda: done.append(True))
        assert (out.backlog, done) == (0, [True])

    done = []
    run(main)
    os.set_blocking(pipe[0], False)
    with pytest.raises(BlockingIOError):
        os.read(pipe[0], 10)


def test_the_descriptor_stays_open(run, ends):
    async def main(loop):
        await Printer(loop, ends[1]).aclose()

    run(main)
    os.write(ends[1], b"more")
    assert read_exactly(ends[0], 4) == b"more"


def test_pieces_are_fetched_when_their_turn_has_come(run, pipe):
    async def main(loop):
        out = Printer(loop, pipe[1])
        out.write(b"<" * 100_000)
        out.send(pieces(), 200_000, lambda: done.append(True))
        out.write(b">" * 1000)
        assert (fetched, done) == ([], [])
        assert out.backlog > 201_000

        data = await read(loop, pipe[0], 301_000)
        assert data == b"<" * 100_000 + b"0" * 100_000 + b"1" * 100_000 + b">" * 1000
        await out.drain(0)
        assert (out.backlog, done) == (0, [True])
        await out.aclose()

    def pieces():
        for number in range(2):
            fetched.append(number)
            yield b"%d" % number * 100_000
            yield b""

    fetched, done = [], []
    run(main)


def test_a_size_that_is_only_about_right_does_no_harm(run, pipe):
    async def main(loop):
        out = Printer(loop, pipe[1])
        for size in (0, 7, 1000):
            out.send(iter([b"12345"]), size, lambda: None)
        assert out.backlog == 0
        await out.aclose()

    run(main)
    assert os.read(pipe[0], 100) == b"12345" * 3


def test_pieces_that_cannot_be_read_are_an_error(run, pipe):
    async def main(loop):
        out = Printer(loop, pipe[1])
        out.on_error = errors.append
        out.send(pieces(), 10, lambda: done.append(True))
        assert out.stopped
        await out.aclose()

    def pieces():
        yield b"some"
        raise OSError(errno.EIO, "broken", "/tmp")

    errors, done = [], []
    run(main)
    assert [str(error) for error in errors] == ["[Errno 5] broken: '/tmp'"]
    assert done == [True]


def test_a_reader_that_has_gone_is_told_of_once(run, ends):
    async def main(loop):
        out = Printer(loop, ends[1])
        out.on_broken = lambda: told.append(loop)
        out.on_error = told.append
        out.write(PATTERN)
        out.send(iter([b"x"]), 1, lambda: done.append(True))
        waiting = asyncio.ensure_future(out.drain())
        await asyncio.sleep(0)
        if stat.S_ISSOCK(os.fstat(ends[0]).st_mode):
            os.dup2(null, ends[0])
        else:
            os.close(ends[0])
        await waiting
        await out.drain(0)
        out.write(b"more")
        assert (out.backlog, out.stopped, done) == (0, True, [True])
        await out.aclose()
        return loop

    null = os.open(os.devnull, os.O_RDONLY)
    is_terminal = os.isatty(ends[1])
    told, done = [], []
    loop = run(main)
    os.close(null)
    if is_terminal:
        [error] = told
        assert error.errno == errno.EIO
    else:
        assert told == [loop]


def test_a_pipe_without_a_reader_from_the_start_is_broken(run, pipe):
    async def main(loop):
        out = Printer(loop, pipe[1])
        out.on_broken = lambda: told.append("broken")
        out.on_error = complain
        assert told == []
        out.write(b"x")
        await out.aclose()

    os.close(pipe[0])
    told = []
    run(main)
    assert told == ["broken"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_told_of_once_with_the_name_of_the_stream(run):
    async def main(loop):
        out = Printer(loop, 1)
        out.on_broken = complain
        out.on_error = errors.append
        out.write(b"x")
        out.write(b"y")
        await out.aclose()

    errors = []
    with standard_output("/dev/full"):
        run(main)
    [error] = errors
    assert str(error) == "[Errno 28] No space left on device: 'standard output'"


def test_closed_standard_output_matters_when_there_is_something_to_say(run):
    async def main(loop):
        out = Printer(loop, 1)
        out.on_error = errors.append
        out.write(b"")
        assert errors == []
        out.write(b"x")
        out.write(b"y")
        await out.aclose()

    errors = []
    with standard_output(None):
        run(main)
    [error] = errors
    assert str(error) == "[Errno 9] Bad file descriptor: 'standard output'"


@contextlib.contextmanager
def standard_output(path):
    """Have standard output lead elsewhere; closed, as hold_standard_descriptors() has it."""
    kept = os.dup(1)
    other = os.open(os.devnull, os.O_RDONLY) if path is None else os.open(path, os.O_WRONLY)
    os.dup2(other, 1)
    os.close(other)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


HOLD = """
import os
from procession.cli.output.channel import hold_standard_descriptors
hold_standard_descriptors()
file = os.open("/", os.O_RDONLY)
refused = []
for fd in range(3):
    try:
        os.read(fd, 1) if fd == 0 else os.write(fd, b"x")
    except OSError as error:
        refused.append(error.errno)
os.write(int(os.environ["REPORT"]), f"{file > 2} {refused}".encode())
"""


def test_closed_standard_descriptors_are_kept_from_others(pipe):
    command = [sys.executable, "-c", HOLD]
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]
    subprocess.run(
        closing, pass_fds=[pipe[1]], env={**os.environ, "REPORT": str(pipe[1])}, check=True
    )

    assert os.read(pipe[0], 100).decode() == f"True {[errno.EBADF] * 3}"


def test_a_file_is_written_where_it_stands_and_others_may_append(run, tmp_path):
    async def main(loop):
        first = Printer(loop, shared)
        second = Printer(loop, appending)
        for _ in range(3):
            first.write(b"one\n")
            os.write(shared, b"two\n")
            second.write(b"add\n")
        await first.aclose()
        await second.aclose()

    path = tmp_path / "file"
    path.write_bytes(b"....")
    shared = os.open(path, os.O_WRONLY)
    os.lseek(shared, 0, os.SEEK_END)
    log = tmp_path / "log"
    log.write_bytes(b"old\n")
    appending = os.open(log, os.O_WRONLY | os.O_APPEND)
    run(main)
    os.close(shared)
    os.close(appending)

    assert path.read_bytes() == b"...." + b"one\ntwo\n" * 3
    assert log.read_bytes() == b"old\n" + b"add\n" * 3


def test_a_long_file_is_written_in_turns(run, tmp_path):
    async def main(loop):
        with open(path, "wb") as file:
            out = Printer(loop, file.fileno())
            out.send((PATTERN for _ in range(8)), 8 * len(PATTERN), lambda: None)
            turns = 0
            while out.backlog:
                turns += 1
                await asyncio.sleep(0)
            await out.aclose()
            return turns

    path = tmp_path / "file"
    assert run(main) > 3
    assert path.read_bytes() == PATTERN * 8


def test_the_null_device_takes_everything(run):
    async def main(loop):
        with open(os.devnull, "wb") as null:
            out = Printer(loop, null.fileno())
            out.on_error = complain
            out.write(PATTERN)
            await out.aclose()

    run(main)


def test_who_writes_too_much_is_told_to_pause_and_when_to_go_on(run, pipe):
    async def main(loop):
        out = Printer(loop, pipe[1])
        out.on_low = lambda: told.append(out.backlog)
        out.write(bytes(HIGH // 2))
        assert not out.is_full
        out.write(bytes(HIGH // 2 + 1_000_000))
        assert out.is_full

        size = HIGH + 1_000_000
        await read(loop, pipe[0], size - LOW - 1_000_000)
        assert (out.is_full, told) == (True, [])
        await read(loop, pipe[0], LOW + 1_000_000)
        await out.drain(0)
        assert not out.is_full
        await out.aclose()

    told = []
    run(main)
    assert len(told) == 1
    assert told[0] <= LOW


def test_a_wait_that_is_cancelled_changes_nothing(run, pipe):
    async def main(loop):
        out = Printer(loop, pipe[1])
        out.write(PATTERN)
        for wait in (out.drain(0), out.aclose()):
            waiting = asyncio.ensure_future(wait)
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

        assert await read(loop, pipe[0], len(PATTERN)) == PATTERN
        await out.aclose()

    run(main)


def test_something_else_on_the_terminal_steps_aside_for_each_burst(run, terminal):
    async def main(loop):
        out = Printer(loop, terminal[1])
        out.before = lambda: seen.append("before")
        out.after = lambda: seen.append("after")
        out.write(b"word")
        assert not out.at_line_start
        out.write(b"\n")
        assert out.at_line_start
        await out.aclose()

    seen = []
    run(main)
    assert seen == ["before", "after"] * 2


def test_a_terminal_is_not_made_the_controlling_one(run, terminal):
    flags = []
    real = os.open

    async def main(loop):
        out = Printer(loop, terminal[1])
        await out.aclose()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channel.os, "open", lambda *args: flags.append(args[1]) or real(*args))
        run(main)
    assert flags[0] & os.O_NOCTTY
    assert flags[0] & os.O_CLOEXEC


CONTROLLING = """
import asyncio, fcntl, os, termios
from procession.cli.output import channel
from procession.cli.output.printer import Printer

fcntl.ioctl(0, termios.TIOCSCTTY, 0)
anew = channel.anew
def refuse(path):
    if path.startswith("/proc"):
        raise PermissionError(path)
    return anew(path)
channel.anew = refuse

async def main():
    out = Printer(asyncio.get_running_loop(), 1)
    opened = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    out.write(b"word")
    report = f"{opened.count('/dev/tty')} {os.get_blocking(1)} {out.backlog}"
    os.write(int(os.environ["REPORT"]), report.encode())
    await out.aclose()

asyncio.run(main())
"""


@pytest.mark.slow
def test_the_terminal_that_we_were_started_on_may_be_somebody_elses(terminal, pipe):
    with subprocess.Popen(
        [sys.executable, "-c", CONTROLLING],
        stdin=terminal[1],
        stdout=terminal[1],
        start_new_session=True,
        pass_fds=[pipe[1]],
        env={**os.environ, "REPORT": str(pipe[1])},
    ) as process:
        os.close(pipe[1])
        report = b""
        while data := os.read(pipe[0], 100):
            report += data
    assert process.returncode == 0
    assert report == b"1 True 0"


async def test_errors_to_the_same_pipe_come_in_the_order_of_the_writes(pipe):
    with both_to(pipe[1], pipe[1]):
        out, err = printers(asyncio.get_running_loop())
        out.write(b"1")
        err.write(b"2")
        out.write(b"3")
        await out.aclose()
        await err.aclose()

    assert out is err
    assert os.read(pipe[0], 10) == b"123"


async def test_two_places_have_two_printers(pipe, tmp_path):
    with open(tmp_path / "err", "wb") as file, both_to(pipe[1], file.fileno()):
        out, err = printers(asyncio.get_running_loop())
        assert out is not err
        out.write(b"1")
        err.write(b"2")
        await out.aclose()
        await err.aclose()

    assert os.read(pipe[0], 10) == b"1"
    assert (tmp_path / "err").read_bytes() == b"2"


@contextlib.contextmanager
def both_to(out, err):
    kept = os.dup(1), os.dup(2)
    os.dup2(out, 1)
    os.dup2(err, 2)
    try:
        yield
    finally:
        for fd, copy in enumerate(kept, 1):
            os.dup2(copy, fd)
            os.close(copy)
