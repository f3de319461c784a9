"""What becomes of the jobs' output, as the options say."""

from __future__ import annotations

import argparse
from typing import Protocol

from procession.cli.output.grouped import Grouped, Sink, nothing, records_to, text_to
from procession.cli.output.line_buffered import LineBuffered
from procession.cli.output.order import Order
from procession.cli.output.printer import Printer
from procession.cli.output.results_dir import prepare
from procession.cli.output.spool import Spool
from procession.cli.output.tags import TagOf
from procession.cli.run.jobs import Ended, Job


class Output(Protocol):
    """Takes what jobs write, and prints it when it is due."""

    @property
    def is_full(self) -> bool:
        """Whether no more should be read from the jobs until a printer's on_low() is called."""

    @property
    def first(self) -> int | None:
        """The number of the job for which others are held back, None if none are."""

    def begin(self, job: Job) -> tuple[Sink | None, Sink | None]:
        """Begin an attempt of a job, in the order in which output is to come, if there is one.

        Returns:
            What takes standard output and standard error, in any pieces; OSError if a
            temporary file cannot take more. None if the child has ours instead; discard() if
            it may as well have the null device.
        """

    def spools(self, job: Job) -> tuple[Spool | None, Spool | None]:
        """Return what the present attempt has written, if it is kept, for its Ended.

        They stay the output's, and are good until end() is called.
        """

    def end(self, ended: Ended) -> None:
        """Print what is due now that a job has ended. Its spools are closed in time."""

    def finish(self) -> None:
        """Print what was held back, and forget jobs that have not ended."""


class Direct:
    """Neither keep nor print anything.

    Args:
        sink: for both streams.
    """

    is_full = False
    first = None

    def __init__(self, sink: Sink | None) -> None:
        self._sink = sink

    def begin(self, job: Job) -> tuple[Sink | None, Sink | None]:
        """See Output."""
        return self._sink, self._sink

    def spools(self, job: Job) -> tuple[Spool | None, Spool | None]:
        """See Output."""
        return None, None

    def end(self, ended: Ended) -> None:
        """See Output."""

    def finish(self) -> None:
        """See Output."""


def discard(data: bytes) -> None:
    """Take output that nobody wants."""


def make(
    options: argparse.Namespace,
    printer_out: Printer,
    printer_err: Printer,
    tag_of: TagOf | None = None,
) -> Output:
    """Return what options ask for.

    Args:
        tag_of: returns what --tag or --tagstring puts before each line of a job, without the
            tab; nothing at all is put there for an empty string.

    Raises:
        UsageError: the directory for the results cannot be written to.
    """
    keeps = options.results is not None
    if keeps:
        prepare(options.results)
    if options.ungroup:
        return Direct(None)
    if options.format == "json":
        parts_of = records_to(printer_out)
    elif options.quiet:
        if not keeps:
            return Direct(discard)
        return Grouped(nothing, None)
    elif options.line_buffer:
        return LineBuffered(printer_out, printer_err, tag_of, keeps, options.keep_order)
    else:
        parts_of = text_to(printer_out, printer_err, tag_of)
    return Grouped(parts_of, Order() if options.keep_order else None)
