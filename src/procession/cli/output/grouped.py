"""The output of a job in one piece, when the job has ended."""

from __future__ import annotations

from collections.abc import Callable

from procession.cli.output.order import Order
from procession.cli.output.parts import Part, part_of
from procession.cli.output.printer import Printer
from procession.cli.output.records import record_of
from procession.cli.output.spool import Spool
from procession.cli.output.tags import TagOf, tag_before
from procession.cli.run.jobs import Ended, Job

# About what a record has besides the output.
FIELDS = 512

PartsOf = Callable[[Ended], list[Part]]
Sink = Callable[[bytes], None]


class Grouped:
    """Keep what jobs write until they end: of several attempts the last one's.

    Args:
        parts_of: tells what is printed of a job.
        order: of the jobs, if they have one.
    """

    is_full = False

    def __init__(self, parts_of: PartsOf, order: Order | None) -> None:
        self._parts_of = parts_of
        self._order = order
        # Of the jobs that run.
        self._spools: dict[int, tuple[Spool, Spool]] = {}

    @property
    def first(self) -> int | None:
        """See Output."""
        return None if self._order is None else self._order.first

    def begin(self, job: Job) -> tuple[Sink, Sink]:
        """See Output."""
        number = job.number
        earlier = self._spools.get(number)
        if earlier is not None:
            close_all(earlier)
        elif self._order is not None:
            self._order.begin(number)
        self._spools[number] = out, err = Spool(), Spool()
        return out.write, err.write

    def spools(self, job: Job) -> tuple[Spool | None, Spool | None]:
        """See Output."""
        return self._spools[job.number]

    def end(self, ended: Ended) -> None:
        """See Output."""
        number = ended.job.number
        spools = self._spools.pop(number)
        parts = self._parts_of(ended)
        if self._order is not None:
            self._order.end(number, parts)
        else:
            for part in parts:
                part.print()
        if not parts:
            close_all(spools)

    def finish(self) -> None:
        """See Output."""
        for spools in self._spools.values():
            close_all(spools)
        self._spools.clear()
        if self._order is not None:
            self._order.finish()


def close_all(spools: tuple[Spool, Spool]) -> None:
    for spool in spools:
        spool.close()


def text_to(out: Printer, err: Printer, tag_of: TagOf | None) -> PartsOf:
    """Print what a job has written, standard output first."""

    def parts_of(ended: Ended) -> list[Part]:
        parts = []
        for printer, spool in ((out, ended.stdout), (err, ended.stderr)):
            if spool is not None and spool.size:
                parts.append(part_of(printer, spool, tag_before(tag_of, ended.job)))
        return parts

    return parts_of


def records_to(out: Printer) -> PartsOf:
    """Print a record of each job, a line of JSON with its output."""

    def parts_of(ended: Ended) -> list[Part]:
        kept = tuple(spool for spool in (ended.stdout, ended.stderr) if spool is not None)
        size = FIELDS + sum(spool.size for spool in kept)
        return [Part(out, lambda: record_of(ended), size, kept)]

    return parts_of


def nothing(ended: Ended) -> list[Part]:
    """Print nothing of a job."""
    return []
