"""Jobs that have ended, until their output has gone and they can be logged."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procession.cli.log.joblog import Joblog
    from procession.cli.output.printer import Printer
    from procession.cli.run.jobs import Ended


class Awaiting:
    """Logs each job when its output has been printed, however much of others' still waits.

    A job takes the memory of its line until then.

    Args:
        log: takes the lines.
        printers: have the output of a job when it is added, unless it is held back.
    """

    def __init__(self, log: Joblog, printers: Sequence[Printer]) -> None:
        self._log = log
        self._printers = set(printers)
        # Whose output is held back, by number; whose output the printers have; and of these,
        # behind whose output there are marks that have not been reached.
        self._held: list[tuple[int, bytes]] = []
        self._given: list[bytes] = []
        self._marked: list[bytes] = []
        self._marks = 0

    def add(self, ended: Ended) -> None:
        """A job has ended."""
        line = self._log.line_of(ended)
        if line is not None:
            heappush(self._held, (ended.job.number, line))

    def look(self, first: int | None) -> None:
        """Log the jobs whose output has gone.

        Args:
            first: the number of the job for which others are held back, None if none are.

        Raises:
            JoblogError: the log cannot be written.
        """
        held, given = self._held, self._given
        while held and (first is None or held[0][0] < first):
            given.append(heappop(held)[1])
        # What a printer dropped was never printed.
        if self._marks or any(printer.stopped for printer in self._printers):
            return
        self._write(self._marked)
        busy = [printer for printer in self._printers if printer.is_busy]
        if not busy:
            self._write(given)
        elif given:
            self._marked, self._given = given, []
            self._marks = len(busy)
            for printer in busy:
                printer.send(iter(()), 0, self._pass)

    def _pass(self) -> None:
        """A mark has been reached, or dropped. The log is not written here: its errors are no
        printer's."""
        self._marks -= 1

    def _write(self, lines: list[bytes]) -> None:
        written = 0
        try:
            for line in lines:
                self._log.write(line)
                written += 1
        finally:
            del lines[:written]
