"""How far a run is, told while it lasts: a bar on a terminal, lines elsewhere.

There is no thread: the owner calls tick() as often as it likes, and what is due is drawn.
"""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable
from typing import Any

from procession.cli.progress.bar import Bar
from procession.cli.progress.moment import Moment
from procession.cli.progress.plain import Lines
from procession.cli.progress.rates import Rate
from procession.cli.run.jobs import Ended, Job

# Seconds between two drawings, and before the first.
INTERVAL = 0.1
DELAY = 0.5
# Of the jobs that run for longer than a second, so many are shown.
SLOW = 1.0
SLOWEST = 5


def view_of(options: Any, fd: int) -> Bar | Lines | None:
    """Return how progress is told there, None if not at all.

    A terminal has a bar without being asked, unless the jobs write to it as they like
    (--ungroup); lines are written only if they are asked for.
    """
    if options.progress is False or options.quiet or options.dry_run:
        return None
    if os.isatty(fd) and os.environ.get("TERM", "dumb") not in ("dumb", "unknown"):
        return Bar(fd, DELAY) if options.progress or not options.ungroup else None
    return Lines(fd) if options.progress else None


class Progress:
    """Counts jobs and shows them. Where nothing is shown it costs next to nothing.

    Args:
        options: with `progress`, `quiet`, `ungroup` and `dry_run`.
        total: how many jobs there will be, None if that is not known yet.
        fd: where it is shown; stays the caller's.
        clock: that by which Job.started is.
    """

    def __init__(
        self,
        options: Any,
        total: int | None,
        fd: int = 2,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._view = view_of(options, fd)
        self._clock = clock
        self._total = total
        self._begun = self._due = clock()
        self._rate = Rate(self._begun)
        self._running: dict[int, Job] = {}
        self._ended = 0
        self._skipped = 0
        self._failed = 0

    @property
    def is_told(self) -> bool:
        """Whether anything is shown, now or later."""
        return self._view is not None

    @property
    def shares_terminal(self) -> bool:
        """Whether other output to the terminal needs hide() before and show() after it.

        Also before the first bar is drawn, which must not be in the midst of a line.
        """
        return isinstance(self._view, Bar)

    def begin(self, job: Job) -> None:
        """Note that a job begins, or begins anew."""
        self._running[job.number] = job

    def end(self, ended: Ended) -> None:
        """Note that a job has ended for good."""
        self._running.pop(ended.job.number, None)
        self._ended += 1
        if not ended.result.ok:
            self._failed += 1

    def cancel(self, job: Job) -> None:
        """Note that a job was ended, and has no result."""
        self._running.pop(job.number, None)

    def skip(self, count: int = 1) -> None:
        """Note that jobs need not be run: they are done, and do not count for the rate."""
        self._skipped += count

    def set_total(self, total: int | None) -> None:
        """Tell how many jobs there are, with those that are skipped."""
        self._total = total

    def tick(self, waiting: str | None = None) -> None:
        """Draw, if it is time to.

        Args:
            waiting: what the next job waits for, if not for a slot.
        """
        if self._view is None:
            return
        now = self._clock()
        if now < self._due:
            return
        self._due = now + INTERVAL
        self._rate.note(now, self._ended)
        self._view.draw(self._moment(now, self._rate.per_second(now), waiting))

    def hide(self) -> None:
        """Take the bar away before something is written to its terminal."""
        if self._view is not None:
            self._view.hide()

    def show(self, *, at_line_start: bool = True) -> None:
        """Put the bar back.

        Args:
            at_line_start: whether what was written ended with a line's end. If not the bar
                stays away until it does.
        """
        if self._view is not None:
            self._view.show(at_line_start=at_line_start)

    def finish(self) -> None:
        """Leave a last line if anything was shown, or if it was asked for. Twice is fine."""
        view, self._view = self._view, None
        if view is not None:
            now = self._clock()
            elapsed = now - self._begun
            rate = self._ended / elapsed if self._ended and elapsed > 0 else None
            view.finish(self._moment(now, rate))

    def _moment(self, now: float, rate: float | None, waiting: str | None = None) -> Moment:
        slowest = heapq.nsmallest(SLOWEST, self._running.values(), key=lambda job: job.started)
        return Moment(
            done=self._ended + self._skipped,
            total=self._total,
            failed=self._failed,
            running=len(self._running),
            elapsed=now - self._begun,
            rate=rate,
            waiting=waiting,
            slowest=[(now - job.started, job) for job in slowest if now - job.started > SLOW],
        )
