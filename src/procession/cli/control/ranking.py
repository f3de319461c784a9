"""--timeout P%: a limit that follows how long jobs take."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

# How many durations are kept: the median is exact, of so many jobs that succeeded last.
WINDOW = 9_999

# So many jobs have to succeed before there is a limit: one or two may just be quick ones.
FEWEST = 3

# Whatever the median: below that it is the machine that decides how long a job takes.
SHORTEST = 0.1


class TimeoutRule:
    """A percentage of the median of the durations of the jobs that succeeded.

    Memory and the time for one more stay the same however many they are.
    """

    def __init__(self, percent: float) -> None:
        self._factor = percent / 100
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []

    def add(self, seconds: float) -> None:
        """Learn how long a job took that succeeded."""
        if len(self._recent) == WINDOW:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
        self._recent.append(seconds)
        insort(self._sorted, seconds)

    @property
    def limit(self) -> float | None:
        """How long a job may take, in seconds; None while too few have succeeded."""
        count = len(self._sorted)
        if count < FEWEST:
            return None
        median = (self._sorted[(count - 1) // 2] + self._sorted[count // 2]) / 2
        return max(SHORTEST, self._factor * median)
