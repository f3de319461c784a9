"""Which jobs a job log says are done, in 4 bytes for each."""

from __future__ import annotations

import os
import re
import zlib
from array import array

from procession.cli.errors import UsageError

HEADER = b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"

# What every writer's header begins with.
MARK = b"Seq\tHost\t"

# Seconds may have been written with a comma, and a clock may have been set back. All is
# bounded, so that no command takes long to look through.
SECONDS = rb" {0,20}-?\d{1,20}(?:[.,]\d{1,9})?\t"
INTEGER = rb"-?\d{1,20}\t"
NUMBERS = rb"\t" + SECONDS * 2 + INTEGER * 2 + rb"(-?\d{1,20})\t(-?\d{1,20})\t"
LINE = re.compile(rb"(\d{1,18})\t[^\t]+" + NUMBERS + rb"(.*)", re.DOTALL)

# Within the command, a second line: the first was torn, and another writer went on. Its times
# tell it from a command with a table of numbers.
TIMES = rb"\t\d{9,11}[.,]\d{3}\t[ \d-]{6,20}[.,]\d{3}\t"
RUN_TOGETHER = re.compile(TIMES + INTEGER * 4)

BLOCK = 1024 * 1024
PAGE = 1024


def field_of(command: str) -> bytes:
    """Return a command line as a log has it: a newline in it is a NUL, as with GNU parallel."""
    return os.fsencode(command).replace(b"\n", b"\0")


def checksum_of(field: bytes) -> int:
    return zlib.crc32(field) or 1


class Finished:
    """The numbers of the jobs that need not run again, with a checksum of their commands.

    Pages of so many numbers each: a number that is far from the others, as in a damaged log,
    takes no more than its page.

    Attributes:
        count: how many they are.
        torn: how many lines were no whole line of a log.
    """

    def __init__(self) -> None:
        self.count = 0
        self.torn = 0
        self._pages: dict[int, array[int]] = {}

    def __contains__(self, number: int) -> bool:
        return self._checksum(number) != 0

    def differs(self, number: int, command: str) -> bool:
        """Say whether a job that is done had another command line."""
        known = self._checksum(number)
        return known != 0 and known != checksum_of(field_of(command))

    def _checksum(self, number: int) -> int:
        page = self._pages.get(number // PAGE)
        return 0 if page is None else page[number % PAGE]

    def _set(self, number: int, checksum: int) -> None:
        page = self._pages.get(number // PAGE)
        if page is None:
            page = self._pages[number // PAGE] = array("I", bytes(4 * PAGE))
        self.count += (checksum != 0) - (page[number % PAGE] != 0)
        page[number % PAGE] = checksum

    def read(self, fd: int, failed_again: bool) -> int:
        """Read a log from its beginning; return where its last whole line ends.

        What follows there was being written when its writer was stopped. A torn line further
        up has too few columns, or numbers that are none, or a command in which a second line
        begins; jobs of which only such a line tells are not done. What cannot be told is a line
        that was torn within its number and that another program went on behind.

        Args:
            failed_again: jobs that failed are not done; the last line of a job counts.

        Raises:
            UsageError: it is no job log.
        """
        end = os.pread(fd, len(HEADER), 0)
        if not end.startswith(MARK) and not HEADER.startswith(end):
            raise UsageError("it does not begin with the header of a job log")
        offset = size = 0
        rest = b""
        while block := os.pread(fd, BLOCK, offset):
            offset += len(block)
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            for line in lines:
                self._learn(line, failed_again)
            size = offset - len(rest)
        return size

    def _learn(self, line: bytes, failed_again: bool) -> None:
        match = LINE.fullmatch(line)
        if match is None:
            # Logs may have been put together.
            self.torn += not line.startswith(MARK)
            return
        number, exit_value, signal, command = match.groups()
        if b"\t" in command and RUN_TOGETHER.search(command):
            self.torn += 1
            return
        failed = failed_again and (int(exit_value) != 0 or int(signal) != 0)
        self._set(int(number), 0 if failed else checksum_of(command))
