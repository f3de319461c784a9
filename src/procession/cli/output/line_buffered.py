"""--line-buffer: whole lines of all jobs as they come, never parts of two in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from procession.cli.output.order import Order
from procession.cli.output.parts import Part, part_of
from procession.cli.output.printer import Printer
from procession.cli.output.spool import Spool
from procession.cli.output.tags import TagOf, tag_before, tagged, tagged_lines
from procession.cli.run.jobs import Ended, Job

Sink = Callable[[bytes], None]


class Outlet:
    """Where the lines of one job go: to the printers, or aside until its turn has come."""

    __slots__ = ("_aside", "is_live")

    def __init__(self, is_live: bool) -> None:
        self.is_live = is_live
        # One for each printer: where both streams have the same, their order is kept.
        self._aside: dict[Printer, Spool] = {}

    def write(self, printer: Printer, lines: bytes) -> None:
        if self.is_live:
            printer.write(lines)
        else:
            self._spool(printer).write(lines)

    def send(self, printer: Printer, pieces: Iterator[bytes], kept: Spool) -> None:
        if self.is_live:
            printer.send(pieces, kept.size, kept.close)
            return
        spool = self._spool(printer)
        try:
            for piece in pieces:
                spool.write(piece)
        finally:
            kept.close()

    def _spool(self, printer: Printer) -> Spool:
        if printer not in self._aside:
            self._aside[printer] = Spool()
        return self._aside[printer]

    def take(self) -> list[Part]:
        """Return what is aside."""
        aside, self._aside = self._aside, {}
        return [part_of(printer, spool) for printer, spool in aside.items()]

    def go_live(self) -> None:
        """Print what is aside, and then all that comes."""
        self.is_live = True
        for part in self.take():
            part.print()


class Lines:
    """A sink that passes whole lines on, each with a tag.

    The beginning of a line is kept until its end has come, in a temporary file if it is
    longer than a MiB, while the lines of others go on.
    """

    __slots__ = ("_begun", "_copy", "_outlet", "_printer", "_tag")

    def __init__(self, outlet: Outlet, printer: Printer, tag: bytes, copy: Spool | None) -> None:
        self._outlet = outlet
        self._printer = printer
        self._tag = tag
        self._copy = copy
        self._begun: Spool | None = None

    def __call__(self, data: bytes) -> None:
        if self._copy is not None:
            self._copy.write(data)
        end = data.rfind(b"\n") + 1
        lines, rest = data[:end], data[end:]
        if lines:
            if self._begun is None:
                self._outlet.write(self._printer, tagged_lines(lines, self._tag))
            else:
                self._begun.write(lines)
                self.finish()
        if rest:
            if self._begun is None:
                self._begun = Spool()
            self._begun.write(rest)

    def finish(self) -> None:
        """Pass on the beginning of a line as it is."""
        begun, self._begun = self._begun, None
        if begun is None:
            return
        if begun.in_file:
            self._outlet.send(self._printer, tagged(begun.pieces(), self._tag), begun)
        else:
            lines = b"".join(begun.pieces())
            begun.close()
            self._outlet.write(self._printer, tagged_lines(lines, self._tag))


class Running:
    """A job that runs, with what its present attempt writes."""

    __slots__ = ("copies", "lines", "outlet")

    def __init__(self, is_live: bool) -> None:
        self.outlet = Outlet(is_live)
        self.lines: list[Lines] = []
        self.copies: list[Spool] = []

    def finish_attempt(self) -> None:
        lines, self.lines = self.lines, []
        copies, self.copies = self.copies, []
        try:
            for each in lines:
                each.finish()
        finally:
            for copy in copies:
                copy.close()


class LineBuffered:
    """Print lines while jobs run. Of a job that is tried again all attempts are seen.

    Args:
        tag_of: tells what comes before each line of a job, if anything.
        keeps: whether all that a job writes is kept, too, for its results.
        keeps_order: whether only the first of those that run prints.
    """

    def __init__(
        self,
        out: Printer,
        err: Printer,
        tag_of: TagOf | None,
        keeps: bool = False,
        keeps_order: bool = False,
    ) -> None:
        self._printers = (out, err)
        self._tag_of = tag_of
        self._keeps = keeps
        self._order = Order(self._go_live) if keeps_order else None
        self._running: dict[int, Running] = {}

    @property
    def is_full(self) -> bool:
        """See Output."""
        out, err = self._printers
        return out.is_full or err.is_full

    @property
    def first(self) -> int | None:
        """See Output."""
        return None if self._order is None else self._order.first

    def begin(self, job: Job) -> tuple[Sink, Sink]:
        """See Output."""
        number = job.number
        running = self._running.get(number)
        if running is None:
            is_live = True
            if self._order is not None:
                self._order.begin(number)
                is_live = self._order.first == number
            running = self._running[number] = Running(is_live)
        else:
            running.finish_attempt()
        if self._keeps:
            running.copies = [Spool(), Spool()]
        tag = tag_before(self._tag_of, job)
        running.lines = [
            Lines(running.outlet, printer, tag, running.copies[fd] if self._keeps else None)
            for fd, printer in enumerate(self._printers)
        ]
        out, err = running.lines
        return out, err

    def spools(self, job: Job) -> tuple[Spool | None, Spool | None]:
        """See Output."""
        copies = self._running[job.number].copies
        return (copies[0], copies[1]) if copies else (None, None)

    def end(self, ended: Ended) -> None:
        """See Output."""
        self._end(ended.job.number)

    def _end(self, number: int) -> None:
        running = self._running.pop(number)
        running.finish_attempt()
        if self._order is not None:
            self._order.end(number, running.outlet.take())

    def _go_live(self, number: int) -> None:
        self._running[number].outlet.go_live()

    def finish(self) -> None:
        """See Output."""
        for number in list(self._running):
            self._end(number)
