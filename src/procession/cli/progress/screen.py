"""Some lines at the bottom of a terminal, drawn over and over.

Between two drawings the cursor is where the first of them begins. So nothing has to be put
right when the terminal is resized, when somebody types, or when this process is killed: what
is written next is written over the lines. No mode of the terminal is changed, and the cursor
stays visible.
"""

from __future__ import annotations

import os
import select
from collections.abc import Sequence

ERASE = b"\r\x1b[J"
ERASE_REST_OF_LINE = "\x1b[K"
# Of a terminal that does not tell its size.
COLUMNS, ROWS = 80, 24
# One column for one, so that lines stay as wide as they are.
ASCII = str.maketrans({"━": "=", "─": "-", "…": "~"})


class Screen:
    """Draws on a descriptor, without ever waiting for it.

    A terminal that takes nothing, because Ctrl-S has stopped it, misses drawings. One that
    has gone gets no more of them. Nothing is drawn while another job of the shell has the
    terminal.

    Args:
        fd: of the terminal; stays the caller's.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._encoding = os.device_encoding(fd) or "utf-8"
        self._drawing = b""
        self._is_shown = False
        self._is_hidden = False
        self._is_gone = False
        # The end of a drawing, for which there was no room.
        self._rest = b""

    def size(self) -> tuple[int, int]:
        """Return how many columns and rows there are."""
        try:
            columns, rows = os.get_terminal_size(self._fd)
        except OSError:
            columns, rows = 0, 0
        return columns or COLUMNS, rows or ROWS

    def draw(self, lines: Sequence[str]) -> None:
        """Replace what is drawn, by lines that are narrower than the terminal."""
        text = "".join(f"{line}{ERASE_REST_OF_LINE}\r\n" for line in lines[:-1])
        up = f"\x1b[{len(lines) - 1}A" if len(lines) > 1 else ""
        self._drawing = self._encode(f"\r{text}{lines[-1]}\x1b[J\r{up}")
        self._put_drawing()

    def hide(self) -> None:
        """Erase what is drawn, so that something else can be written there until show()."""
        self._is_hidden = True
        if self._is_shown:
            self._is_shown = False
            if in_foreground(self._fd):
                self._put(ERASE)

    def show(self) -> None:
        """Draw again. The cursor has to be at the start of a line."""
        self._is_hidden = False
        if self._drawing:
            self._put_drawing()

    def leave(self, line: str) -> None:
        """Write a line in the place of what is drawn, and draw no more."""
        if in_foreground(self._fd):
            # Hidden still: something else is in the midst of a line.
            before = b"\r\n" if self._is_hidden else ERASE
            self._put(before + self._encode(f"{line}\r\n"))
        self._is_shown = False
        self._is_gone = True

    def _encode(self, text: str) -> bytes:
        if "utf" not in self._encoding.lower():
            text = text.translate(ASCII)
        return text.encode(self._encoding, "replace")

    def _put_drawing(self) -> None:
        if self._is_hidden or not in_foreground(self._fd):
            return
        if self._rest:
            self._put(b"")
            return
        self._is_shown = True
        self._put(self._drawing)

    def _put(self, data: bytes) -> None:
        if self._is_gone:
            return
        try:
            self._rest = write_some(self._fd, self._rest + data)
        except OSError:
            # EIO: hung up. There is nobody to tell it to, and the jobs go on.
            self._is_gone = True


def in_foreground(fd: int) -> bool:
    """Return whether a shell would let us have the terminal."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        # ENOTTY: not the terminal from which we are controlled, so no shell's.
        return True


def write_some(fd: int, data: bytes) -> bytes:
    """Write what a descriptor takes at once; return what is left.

    Raises:
        OSError: nothing can be written any more.
    """
    if not data:
        return data
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    if not poll.poll(0):
        return data
    try:
        return data[os.write(fd, data) :]
    except BlockingIOError:
        return data
