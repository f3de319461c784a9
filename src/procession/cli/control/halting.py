"""--halt: when the results so far are reason enough to start no more jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from procession.cli.errors import UsageError
from procession.cli.log.exits import status_of

if TYPE_CHECKING:
    from procession.cli.run.jobs import Ended

When = Literal["soon", "now"]
Why = Literal["fail", "success", "done"]

FORM = re.compile(r"(soon|now),(fail|success|done)=(\d{1,18})(%?)", re.ASCII)
SHORT = {
    "0": "never",
    "1": "soon,fail=1",
    "2": "now,fail=1",
    "-1": "soon,success=1",
    "-2": "now,success=1",
}
PERCENT = re.compile(r"\d+%", re.ASCII)
MOST_FAILED = 101


@dataclass(frozen=True, slots=True)
class Halt:
    """A rule after which no more jobs are started.

    Attributes:
        when: "soon" lets the jobs that run end by themselves, "now" ends them.
        why: which jobs count.
        amount: how many of them are enough.
        percent: whether the amount is a part of all jobs.
    """

    when: When
    why: Why
    amount: int
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Halt | None:
        """Return the rule that a text gives as GNU parallel has them, None for "never".

        Raises:
            UsageError: it gives none.
        """
        long = SHORT.get(text, text)
        if PERCENT.fullmatch(long):
            long = f"soon,fail={long}"
        if long == "never":
            return None
        match = FORM.fullmatch(long)
        if match is None:
            raise UsageError(
                f"--halt {text}: expected never, or now or soon with ,fail=N ,success=N or "
                ",done=N, where N is a number of jobs or N% of them"
            )
        when, why, digits, percent = match.groups()
        amount = int(digits)
        if amount == 0:
            raise UsageError(f"--halt {text}: no job at all is never enough; 1 is the least")
        if percent and amount > 100:
            raise UsageError(f"--halt {text}: there are never more than 100% of the jobs")
        return cls(cast(When, when), cast(Why, why), amount, bool(percent))


class Halting:
    """Counts the jobs that end, until the rule applies.

    A percentage is one of all jobs, as with GNU parallel: while their number is not known, it
    is not reached.

    Args:
        halt: the rule, None for none.
        total: how many jobs there are; None while that is not known.
    """

    def __init__(self, halt: Halt | None, total: int | None) -> None:
        self._halt = halt
        self._done = 0
        self._failed = 0
        self._reached = False
        self._status: int | None = None
        self._enough = None if halt is None or halt.percent else halt.amount
        self._total = total
        if total is not None:
            self.set_total(total)

    def set_total(self, total: int) -> When | None:
        """Learn how many jobs there are; return what add() would."""
        self._total = total
        halt = self._halt
        if halt is None:
            return None
        if halt.percent:
            self._enough = max(1, -(-halt.amount * total // 100))
        return self._judge()

    def add(self, ended: Ended) -> When | None:
        """Count a job; return what to do with those that run, once, when the rule applies.

        Jobs that were cancelled do not count, nor does any that ends after that.
        """
        result = ended.result
        if self._reached or result.reason == "cancelled":
            return None
        self._done += 1
        if not result.ok:
            self._failed += 1
        verdict = self._judge()
        if verdict is not None:
            self._status = status_of(result)
        return verdict

    def _judge(self) -> When | None:
        halt, enough = self._halt, self._enough
        if halt is None or enough is None or self._reached:
            return None
        if halt.why == "fail":
            count = self._failed
        elif halt.why == "success":
            count = self._done - self._failed
        else:
            count = self._done
        if count < enough:
            return None
        self._reached = True
        return halt.when

    @property
    def reached(self) -> bool:
        """Whether the rule applies: no more jobs are started."""
        return self._reached

    @property
    def status(self) -> int | None:
        """The exit status that the rule asks for, None if it leaves it to the jobs that failed.

        0 once enough have succeeded. With fail=1 and done=1 that of the job that was the
        first; with other numbers how many had failed by then, at most 101. With a percentage
        how many percent of all jobs have failed; of those that ended, if the rule does not
        apply.
        """
        halt = self._halt
        if halt is None:
            return None
        if self._reached and halt.why == "success":
            return 0
        if halt.percent:
            of = self._total if self._reached else self._done
            return -(-100 * self._failed // of) if of else 0
        if not self._reached:
            return None
        if halt.amount == 1:
            return self._status
        return min(self._failed, MOST_FAILED)
