"""What is to be told of a run while it lasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from procession.cli.run.jobs import Job


@dataclass(slots=True)
class Moment:
    """A run as it is now.

    Attributes:
        done: how many jobs have ended, with those that were skipped.
        total: how many there are; None as long as that is not known.
        failed: how many of those done have failed.
        running: how many have begun and not ended.
        elapsed: seconds since the run began.
        rate: jobs a second of late; None if none has ended yet.
        waiting: what the next job waits for, if not for a slot.
        slowest: those that have run for longest, with their seconds, longest first.
    """

    done: int
    total: int | None
    failed: int
    running: int
    elapsed: float
    rate: float | None
    waiting: str | None = None
    slowest: Sequence[tuple[float, Job]] = ()

    @property
    def left(self) -> float | None:
        """How many seconds it will take from here, if it goes on like this."""
        if self.total is None or self.rate is None:
            return None
        return max(self.total - self.done, 0) / self.rate

    @property
    def count(self) -> str:
        """How many of how many, always as wide as at the end."""
        total = "?" if self.total is None else str(self.total)
        return f"{self.done:>{len(total)}}/{total}"
