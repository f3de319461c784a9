"""Ways to write to a descriptor that others have too, so that nobody is kept waiting.

Whether writing blocks is a property of the open file description, which a shell shares with
all the commands that it starts: it is never changed here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass

# The kernel writes that much to a pipe at once if the pipe can be written to at all.
PIPE_ROOM = select.PIPE_BUF
# Buffers of terminals grow by that much, so one that has any room has room for this.
TERMINAL_ROOM = 256

Write = Callable[[memoryview], int]


@dataclass(slots=True)
class Channel:
    """Where bytes go.

    Attributes:
        fd: what to watch until it can be written to.
        write: writes some bytes and returns how many; BlockingIOError if none can be now.
        close: drops what is held besides the descriptor that was given.
    """

    fd: int
    write: Write
    close: Callable[[], None]


def nothing() -> None:
    """Close nothing: the descriptor is the caller's."""


def channel_to(fd: int) -> Channel:
    """Return the way to write to a descriptor.

    Raises:
        OSError: there is no such descriptor.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        return to_socket(fd)
    if stat.S_ISFIFO(mode):
        with contextlib.suppress(OSError):
            return anew(f"/proc/self/fd/{fd}")
        return carefully(fd, PIPE_ROOM)
    if os.isatty(fd):
        with contextlib.suppress(OSError):
            return anew(f"/proc/self/fd/{fd}")
        with contextlib.suppress(OSError):
            return controlling(fd)
        return carefully(fd, TERMINAL_ROOM)
    if stat.S_ISCHR(mode):
        return carefully(fd, PIPE_ROOM)
    return directly(fd)


def directly(fd: int) -> Channel:
    """Write to a file or a disk, which never makes one wait for a reader."""
    return Channel(fd, lambda data: os.write(fd, data), nothing)


def anew(path: str) -> Channel:
    """Open a pipe or a terminal once more, to have a description of our own.

    Raises:
        OSError: it is somebody else's (after su), or the reader of the pipe has gone.
    """
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    own = os.open(path, flags)
    return Channel(own, lambda data: os.write(own, data), lambda: os.close(own))


def controlling(fd: int) -> Channel:
    """Open the terminal if it is the one that we were started on, whoever owns it.

    Raises:
        OSError: it is another one.
    """
    os.tcgetpgrp(fd)
    return anew("/dev/tty")


def to_socket(fd: int) -> Channel:
    """Write to a socket, each time without waiting."""
    end = socket.socket(fileno=os.dup(fd))
    return Channel(fd, lambda data: end.send(data, socket.MSG_DONTWAIT), end.close)


def carefully(fd: int, room: int) -> Channel:
    """Ask each time whether the descriptor can be written to, and write no more than that.

    Another process may fill it in between: then this one waits for the reader.
    """
    ready = select.poll()
    ready.register(fd, select.POLLOUT)

    def write(data: memoryview) -> int:
        if not ready.poll(0):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return os.write(fd, data[:room])

    return Channel(fd, write, nothing)


def is_same_place(one: int, other: int) -> bool:
    """Whether what is written to two descriptors meets in one pipe, terminal or file."""
    try:
        return os.path.samestat(os.fstat(one), os.fstat(other))
    except OSError:
        return False


def hold_standard_descriptors() -> None:
    """Have 0, 1 and 2 open, so that nothing else gets these numbers.

    What was closed cannot be read or written then either: an error says so to whom it
    concerns. To be called before anything is opened.
    """
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest number that is free is this one.
            os.open(os.devnull, os.O_WRONLY if fd == 0 else os.O_RDONLY)
            os.set_inheritable(fd, True)
