"""What is told of a run: the jobs' output, results, the log, progress, and the end."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from collections.abc import Callable

from procession.cli.log.awaiting import Awaiting
from procession.cli.log.joblog import Joblog
from procession.cli.output import output as outputs
from procession.cli.output.printer import Printer, printers
from procession.cli.output.results_dir import write_results
from procession.cli.output.tags import TagOf, tag_from, values_as_tag
from procession.cli.progress.progress import Progress
from procession.cli.run.jobs import Ended, Job
from procession.cli.summary.plot import Plot
from procession.cli.summary.summary import Summary
from procession.completed import Completed


class Reports:
    """All that tells of jobs, each of which is told of once.

    A job is logged when its results are written and its output has been printed: so what a
    run that is killed has logged is there, and what is there is not made again by --resume.

    Args:
        total: how many jobs there are, None if that is not known.

    Raises:
        UsageError: a file cannot be made or used.
    """

    def __init__(self, options: Namespace, total: int | None) -> None:
        self._options = options
        self._plot = None if options.plot is None else Plot(options.plot)
        self._summary = Summary() if options.summary else None
        self.log: Joblog | None = None
        if options.joblog is not None:
            self.log = Joblog(options.joblog, options.resume, options.resume_failed)
        self._out, self._err = printers(asyncio.get_running_loop())
        self._awaiting: Awaiting | None = None
        if self.log is not None:
            self._awaiting = Awaiting(self.log, (self._out, self._err))
        self.output = outputs.make(options, self._out, self._err, tag_of(options))
        self.progress = Progress(options, total)
        # What goes elsewhere neither disturbs the bar nor tells where the cursor is.
        self._beside_bar: list[Printer] = []
        if self.progress.shares_terminal:
            self._beside_bar = [self._err, self._out] if os.isatty(1) else [self._err]
        for printer in self._beside_bar:
            printer.before = self.progress.hide
            printer.after = self.show_progress

    def tell(
        self,
        no_reader: Callable[[], None],
        full: Callable[[], None],
        low: Callable[[], None],
        lost: Callable[[Exception], None],
    ) -> None:
        """Have functions called: when nobody reads an output any more, when the jobs should
        write no more for now, when they may again, and when output was lost."""
        for printer in (self._out, self._err):
            printer.on_broken = no_reader
            printer.on_full = full
            printer.on_low = low
            printer.on_error = lost

    def show_progress(self) -> None:
        """Put the bar where it was, if no line is in its way."""
        at_line_start = all(printer.at_line_start for printer in self._beside_bar)
        self.progress.show(at_line_start=at_line_start)

    def say(self, sentence: str) -> None:
        """Say something to whoever has called the command."""
        self._err.write(os.fsencode(f"procession: {sentence}\n"))

    def begin(self, job: Job) -> None:
        """An attempt begins."""
        if self._options.verbose:
            self._err.write(os.fsencode(job.command) + b"\n")
        self.progress.begin(job)

    def end(self, job: Job, result: Completed) -> Ended:
        """A job has ended, and has a result.

        Raises:
            OSError: it could not be kept, or logged.
        """
        ended = Ended(job, result, *self.output.spools(job))
        if result.reason == "spawn error":
            self.say(f"job {job.number} cannot be run: {result.error}")
        try:
            if self._options.results is not None:
                write_results(self._options.results, ended)
        finally:
            self.output.end(ended)
            self.progress.end(ended)
        if self._summary is not None:
            self._summary.add(ended)
        if self._plot is not None:
            self._plot.add(ended)
        if self._awaiting is not None:
            self._awaiting.add(ended)
            self._log_printed()
        return ended

    def cancel(self, job: Job) -> None:
        """A job was ended by us, and has no result."""
        self.progress.cancel(job)

    def _log_printed(self) -> None:
        if self._awaiting is not None:
            self._awaiting.look(self.output.first)

    async def catch_up(self) -> None:
        """Wait while much of the output is still to be written."""
        for printer in (self._out, self._err):
            await printer.drain()
        self._log_printed()

    def drop(self) -> None:
        """Print nothing more; what was not printed is not logged."""
        for printer in (self._out, self._err):
            printer.drop()

    def tick(self, waiting: str | None, total: int | None) -> None:
        """Show how far it is.

        Args:
            waiting: what the next job waits for, if not for a slot.
            total: how many jobs there are, if that is known.
        """
        self.progress.set_total(total)
        self.progress.tick(waiting)
        self._log_printed()

    async def finish(self) -> None:
        """Print and log what was held back, then what there is to say at the end.

        Raises:
            OSError: something could not be written.
        """
        self.output.finish()
        for printer in (self._out, self._err):
            await printer.flush()
        self._log_printed()
        self.progress.finish()
        if self._plot is not None:
            self._plot.save()
        if self._summary is not None:
            self._err.write(os.fsencode(self._summary.render()))

    async def aclose(self) -> None:
        """Write what was said, and close everything."""
        self.progress.finish()
        for printer in (self._out, self._err):
            await printer.aclose()
        if self.log is not None:
            self.log.close()


def tag_of(options: Namespace) -> TagOf | None:
    if options.tagstring is not None:
        return tag_from(options.tagstring, options.replacement) if options.tagstring else None
    return values_as_tag if options.tag else None
