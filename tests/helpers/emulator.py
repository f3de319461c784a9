"""As much of a terminal as progress needs, and a pair of descriptors to talk to one."""

import fcntl
import os
import pty
import re
import struct
import termios
import unicodedata
from contextlib import contextmanager

# Complete, since what comes in two pieces is joined before it is read.
TOKEN = re.compile(
    r"\x1b\[(?P<number>\d*)(?P<verb>[AJK])|(?P<style>\x1b\[[\d;]*m)|(?P<other>.)", re.S
)


class Emulator:
    """Shows what was written. It fails at what it does not know, as a plain terminal does.

    Attributes:
        cursor: its row and column.
        styles: the sequences that choose colours and weights.
    """

    def __init__(self, columns=80, rows=24):
        self.columns = columns
        self.rows = rows
        self.cells = [[" "] * columns for _ in range(rows)]
        self.cursor = (0, 0)
        self.styles = set()

    @property
    def lines(self):
        """The lines down to the last that is not empty."""
        lines = ["".join(row).rstrip() for row in self.cells]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def feed(self, text):
        for token in TOKEN.finditer(text):
            row, column = self.cursor
            if token["style"]:
                self.styles.add(token["style"])
            elif token["verb"] == "A":
                self.cursor = (max(row - int(token["number"]), 0), column)
            elif token["verb"]:
                assert not token["number"]
                self.cells[row][column:] = [" "] * (self.columns - column)
                if token["verb"] == "J":
                    for below in self.cells[row + 1 :]:
                        below[:] = [" "] * self.columns
            elif token["other"] == "\r":
                self.cursor = (row, 0)
            elif token["other"] == "\n":
                self.feed_line()
            else:
                self.put(token["other"])

    def feed_line(self):
        row, column = self.cursor
        if row == self.rows - 1:
            self.cells = [*self.cells[1:], [" "] * self.columns]
        self.cursor = (min(row + 1, self.rows - 1), column)

    def put(self, character):
        assert character.isprintable() or unicodedata.category(character) == "Co", repr(character)
        row, column = self.cursor
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        assert column + width < self.columns, "the line is as wide as the terminal"
        self.cells[row][column : column + width] = [character] + [""] * (width - 1)
        self.cursor = (row, column + width)


@contextmanager
def terminal(columns=80, rows=24):
    """Yield the two ends of a pseudo-terminal: the one that shows, and the program's."""
    shows, fd = pty.openpty()
    try:
        resize(fd, columns, rows)
        os.set_blocking(shows, False)
        yield shows, fd
    finally:
        os.close(shows)
        os.close(fd)


def resize(fd, columns, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def written(shows):
    """Return what a program has written to a terminal since this was last asked."""
    text = b""
    while True:
        try:
            piece = os.read(shows, 65536)
        except BlockingIOError:
            return text.decode()
        text += piece
