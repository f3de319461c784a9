"""What is drawn on a terminal: where it is, and what becomes of it."""

import errno
import os
import subprocess
import sys
import termios

import pytest

from helpers.emulator import Emulator, resize, terminal, written
from procession.cli.progress.screen import Screen, in_foreground, write_some


def test_a_drawing_replaces_the_one_before():
    emulator = Emulator()
    with terminal() as (shows, fd):
        screen = Screen(fd)
        screen.draw(["bar", "slow job", "slower job"])
        screen.draw(["bars", "job"])
        emulator.feed(written(shows))

    assert emulator.lines == ["bars", "job"]
    assert emulator.cursor == (0, 0)


def test_the_last_row_scrolls_once():
    emulator = Emulator(20, 4)
    with terminal(20, 4) as (shows, fd):
        os.write(fd, b"1\n2\n3\n")
        screen = Screen(fd)
        for _ in range(3):
            screen.draw(["bar", "job"])
        emulator.feed(written(shows))

    assert emulator.lines == ["2", "3", "bar", "job"]


def test_what_is_hidden_leaves_no_trace_and_comes_back_below():
    emulator = Emulator()
    with terminal() as (shows, fd):
        screen = Screen(fd)
        screen.draw(["bar", "job"])
        screen.hide()
        emulator.feed(written(shows))
        assert emulator.lines == []

        screen.draw(["bar 2"])
        assert written(shows) == ""
        os.write(fd, b"output\n")
        screen.show()
        emulator.feed(written(shows))

    assert emulator.lines == ["output", "bar 2"]


def test_the_last_line_stays_and_nothing_follows_it():
    emulator = Emulator()
    with terminal() as (shows, fd):
        screen = Screen(fd)
        screen.draw(["bar", "job"])
        screen.leave("all done")
        screen.draw(["bar"])
        screen.show()
        emulator.feed(written(shows))

    assert emulator.lines == ["all done"]
    assert emulator.cursor == (1, 0)


def test_the_last_line_does_not_overwrite_one_that_has_no_end():
    emulator = Emulator()
    with terminal() as (shows, fd):
        screen = Screen(fd)
        screen.draw(["bar"])
        screen.hide()
        os.write(fd, b"output")
        screen.leave("all done")
        emulator.feed(written(shows))

    assert emulator.lines == ["output", "all done"]


def test_the_size_is_that_of_the_moment():
    with terminal(100, 30) as (_, fd):
        screen = Screen(fd)
        assert screen.size() == (100, 30)
        resize(fd, 20, 5)
        assert screen.size() == (20, 5)


def test_a_terminal_that_does_not_know_its_size_has_the_usual_one(pipe):
    with terminal(0, 0) as (_, fd):
        assert Screen(fd).size() == (80, 24)
    assert Screen(pipe[1]).size() == (80, 24)


def test_a_terminal_that_has_been_stopped_is_not_waited_for():
    with terminal() as (shows, fd):
        screen = Screen(fd)
        termios.tcflow(fd, termios.TCOOFF)
        for _ in range(100_000 // 50):
            screen.draw(["x" * 50])
        screen.hide()
        screen.show()
        termios.tcflow(fd, termios.TCOON)
        screen.draw(["bar"])
        screen.draw(["bar"])
        emulator = Emulator()
        emulator.feed(written(shows))

    assert emulator.lines == ["bar"]


def test_what_had_no_room_is_written_first(pipe):
    read_end, write_end = pipe
    os.set_blocking(write_end, False)
    os.set_blocking(read_end, False)
    screen = Screen(write_end)
    drawn = []
    for index in range(3000):
        screen.draw([f"{index:>4}" * 20])
        if index % 7 == 0:
            drawn.append(os.read(read_end, 40))
    while True:
        try:
            drawn.append(os.read(read_end, 65536))
        except BlockingIOError:
            break

    *whole, last = b"".join(drawn).split(b"\x1b[J\r")
    assert all(frame.strip(b"\r") == frame[-4:] * 20 for frame in whole)
    assert len(last) <= 81


def test_a_terminal_that_has_gone_gets_no_more():
    shows, fd = os.openpty()
    screen = Screen(fd)
    screen.draw(["bar"])
    os.close(shows)
    screen.draw(["bar"])
    screen.hide()
    screen.leave("all done")
    with pytest.raises(OSError) as raised:
        os.write(fd, b"x")
    os.close(fd)

    assert raised.value.errno == errno.EIO


def test_writing_takes_as_much_as_there_is_room_for(pipe):
    read_end, write_end = pipe
    os.set_blocking(write_end, False)

    rest = write_some(write_end, b"x" * 1_000_000)
    assert 0 < len(rest) < 1_000_000
    assert write_some(write_end, rest) == rest

    os.read(read_end, 10)
    assert len(write_some(write_end, rest)) <= len(rest)


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "ANSI_X3.4-1968"])
def test_a_terminal_without_utf8_gets_lines_of_the_same_width(monkeypatch, encoding):
    monkeypatch.setattr(os, "device_encoding", lambda fd: encoding)
    with terminal() as (shows, fd):
        Screen(fd).draw(["━━── 日 …"])
        assert written(shows).split("\x1b")[0] == "\r==-- ? ~"


BACKGROUND = """
import fcntl, os, sys, termios
from procession.cli.progress.screen import Screen, in_foreground
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    screen = Screen(2)
    screen.draw(["in the background"])
    screen.hide()
    screen.show()
    screen.leave("still there")
    os._exit(in_foreground(2))
status = os.waitpid(child, 0)[1]
Screen(2).draw(["in front"])
sys.exit(status)
"""


def test_nothing_is_drawn_in_the_background():
    with terminal() as (shows, fd):
        subprocess.run(
            [sys.executable, "-c", BACKGROUND],
            stdin=fd,
            stdout=fd,
            stderr=fd,
            start_new_session=True,
            check=True,
            timeout=60,
        )
        emulator = Emulator()
        emulator.feed(written(shows))

    assert emulator.lines == ["in front"]


def test_what_is_no_terminal_is_in_front(pipe):
    assert in_foreground(pipe[1])
    with terminal() as (_, fd):
        assert in_foreground(fd)
