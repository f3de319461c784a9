"""`procession run`: the jobs of a command line, through procession.map()."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from argparse import Namespace
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing, suppress
from signal import SIGPIPE, Signals

from procession import Completed, Results, map
from procession.cli.control.halting import Halting
from procession.cli.control.interrupts import Interrupts
from procession.cli.control.ranking import TimeoutRule
from procession.cli.ending import die_of
from procession.cli.errors import UsageError
from procession.cli.inputs.blocks import blocks_of
from procession.cli.inputs.packing import repeats
from procession.cli.inputs.sources import Sources
from procession.cli.output.channel import hold_standard_descriptors
from procession.cli.run.feeding import STDIN, Feeding
from procession.cli.run.launching import Launcher, options_for
from procession.cli.run.reporting import Reports
from procession.cli.template.template import Template

# If more jobs have failed, as GNU parallel reports it.
MOST_FAILED = 101

# Something of our own went wrong.
FAULT = 255

# In seconds, between looks at what has no event of its own.
TICK = 0.1


def main(options: Namespace) -> int:
    """Run the jobs that the options ask for; return the exit status.

    After an interruption, and where nobody reads standard output any more, the process ends
    by the signal instead.

    Raises:
        UsageError: something is wrong with the options, or a file that they name.
    """
    hold_standard_descriptors()
    with closing(Sources(options, options.command)) as sources:
        if sources.is_terminal:
            expect_typing(options)
        template = Template(
            sources.words,
            shell=options.shell,
            replacement=options.replacement,
            joined=not repeats(options),
        )
        try:
            status = asyncio.run((show if options.dry_run else go)(options, sources, template))
        except (UsageError, BrokenPipeError):
            raise
        except OSError as error:
            if options.dry_run and error.filename is None:
                # Of standard output.
                raise
            # Of a file that is opened before the first job, or closed after the last.
            raise UsageError(str(error)) from error
        except Exception:
            traceback.print_exc()
            return FAULT
    if isinstance(status, Signals):
        die_of(status)
    return status


def expect_typing(options: Namespace) -> None:
    """Say that the input is to be typed, and leave the line where that is done alone."""
    if options.progress is None:
        options.progress = False
    if not options.quiet:
        what = "blocks" if options.pipe else "arguments" if options.command else "commands"
        print(f"procession: {what} are read from the terminal; Ctrl-D ends them", file=sys.stderr)


async def show(options: Namespace, sources: Sources, template: Template) -> int:
    """Print the command line of each job, and run none."""
    slots = options.jobs.count()
    number = 0
    batches = empty_rows(options) if options.pipe else sources.batches()
    async with aclosing(batches):
        async for batch in batches:
            for values in batch:
                line = template.render(values, number + 1, number % slots + 1).text
                sys.stdout.buffer.write(os.fsencode(line) + b"\n")
                number += 1
            sys.stdout.flush()
    return 0


async def empty_rows(options: Namespace) -> AsyncGenerator[list[tuple[str, ...]], None]:
    """Yield what the jobs of blocks have for arguments, as sources do."""
    async with aclosing(blocks_of(options, STDIN)) as pieces:
        async for _ in pieces:
            yield [()]


async def go(options: Namespace, sources: Sources, template: Template) -> int | Signals:
    """Run the jobs; return the exit status, or the signal to end by."""
    if options.halt is not None and options.halt.percent:
        # A part of all jobs, which have to be known for it.
        await sources.count()
    reports = Reports(options, sources.total)
    try:
        return await Run(options, sources, template, reports).run()
    finally:
        await reports.aclose()


class Run:
    """The jobs from the first to the last."""

    def __init__(
        self, options: Namespace, sources: Sources, template: Template, reports: Reports
    ) -> None:
        self._options = options
        self._sources = sources
        self._reports = reports
        self._feeding = Feeding(options, sources, template, reports)
        self._launcher = Launcher(options, template, reports)
        self._halting = Halting(options.halt, sources.total)
        self._timeout: TimeoutRule | None = None
        if options.timeout is not None and options.timeout.percent is not None:
            self._timeout = TimeoutRule(options.timeout.percent)
        self._interrupts = Interrupts(self)
        self._failed = 0
        self._is_faulty = False
        self._has_no_reader = False
        jobs = options.jobs.count()
        self._results: Results = map(
            self._feeding.jobs(),
            concurrency=jobs,
            # What is taken begins as soon as there is a slot, whatever others have said by then.
            ahead=0 if self._feeding.waits or options.halt is not None else jobs,
            prepare=self._launcher.prepare,
            trace=options.trace,
            **options_for(options),
        )

    async def run(self) -> int | Signals:
        reports, launcher = self._reports, self._launcher
        reports.tell(self._lose_reader, launcher.pause, launcher.resume, self._lose_output)
        with self._interrupts.watched():
            aside = [asyncio.ensure_future(self._tick())]
            if reports.progress.is_told:
                aside.append(asyncio.ensure_future(self._count()))
            try:
                async with self._results:
                    async for result in self._results:
                        self._finish(result)
                        await reports.catch_up()
                reports.progress.set_total(self._feeding.total)
                await reports.finish()
            except OSError as error:
                self._fail(error)
            finally:
                for task in aside:
                    task.cancel()
                await asyncio.wait(aside)
        for task in aside:
            if not task.cancelled():
                task.result()
        return self._outcome()

    def _outcome(self) -> int | Signals:
        if self._is_faulty:
            return FAULT
        if self._interrupts.received is not None:
            return self._interrupts.received
        if self._has_no_reader:
            return SIGPIPE
        status = self._halting.status
        return min(self._failed, MOST_FAILED) if status is None else status

    def _finish(self, result: Completed) -> None:
        """A command has a result."""
        job = self._launcher.finish(result.index)
        if job is None:
            # It was never begun.
            return
        error = result.error
        is_ours = error is not None and (
            result.reason != "spawn error" or error is self._launcher.fault
        )
        if is_ours or result.reason == "cancelled":
            self._reports.cancel(job)
            if error is not None:
                self._fail(error)
            return
        if result.ok:
            if self._timeout is not None:
                self._timeout.add(result.duration)
        else:
            self._failed += 1
        try:
            ended = self._reports.end(job, result)
        except OSError as error:
            self._fail(error)
            return
        self._obey(self._halting.add(ended))

    def _obey(self, verdict: str | None) -> None:
        if verdict == "soon":
            self._results.give_up()
        elif verdict == "now":
            self._results.cancel()

    async def _count(self) -> None:
        """Find out how many jobs there will be, while the first run."""
        # What cannot be counted cannot be read either, and is said by who reads it.
        with suppress(OSError):
            await self._sources.count()

    async def _tick(self) -> None:
        """Look at what has no event of its own, as long as the run lasts."""
        while True:
            await asyncio.sleep(TICK)
            try:
                self._look()
            except OSError as error:
                self._fail(error)
            except Exception:
                # Without looks there is no limit of time, and no rule to halt.
                self._results.cancel()
                raise

    def _look(self) -> None:
        total = self._feeding.total
        if total is not None:
            self._obey(self._halting.set_total(total))
        if self._timeout is not None and self._timeout.limit is not None:
            self._launcher.end_those_over(self._timeout.limit)
        self._reports.tick(self._feeding.reason, total)

    # What goes wrong

    def _fail(self, error: Exception) -> None:
        """Say the first error that is ours and no job's; begin no more."""
        if not self._is_faulty:
            self._is_faulty = True
            self._reports.say(f"{error}; no more jobs are begun")
        self._results.give_up()

    def _lose_output(self, error: Exception) -> None:
        self._fail(error)
        self._results.cancel()

    def _lose_reader(self) -> None:
        self._has_no_reader = True
        self._results.cancel()

    # What signals do

    def begin_no_more(self) -> None:
        self._results.give_up()
        running = self._launcher.running
        rest = f"; {some(running)} running. Ctrl-C again ends {them(running)}." if running else ""
        self._reports.say(f"no more jobs are begun{rest}")

    def end_jobs(self) -> None:
        self._results.cancel()
        running = self._launcher.running
        if running:
            self._reports.say(f"{some(running)} being ended. Ctrl-C again kills {them(running)}.")

    def kill_jobs(self) -> None:
        self._results.cancel(0)
        # Or whoever should read it, and does not, would keep us.
        self._reports.drop()

    def signal_jobs(self, sig: int) -> None:
        self._launcher.send_signal(sig)

    def are_starting(self) -> bool:
        return self._launcher.are_starting

    def leave_terminal(self) -> None:
        self._reports.progress.hide()

    def return_to_terminal(self) -> None:
        self._reports.show_progress()


def some(jobs: int) -> str:
    return "1 job is" if jobs == 1 else f"{jobs} jobs are"


def them(jobs: int) -> str:
    return "it" if jobs == 1 else "them"
