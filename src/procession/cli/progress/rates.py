"""How fast jobs are done, and when that will be all."""

from __future__ import annotations

from collections import deque

# What is looked back on: the longer of the two, so that long jobs have a rate as well.
SECONDS = 10.0
JOBS = 10


class Rate:
    """The mean rate of the last ten seconds or the last ten jobs, whichever is longer.

    It keeps what was so at each note() in that time, and no more.
    """

    def __init__(self, now: float) -> None:
        self._marks = deque([(now, 0)])

    def note(self, now: float, done: int) -> None:
        """Tell that so many jobs are done by now."""
        marks = self._marks
        if done != marks[-1][1]:
            marks.append((now, done))
        while len(marks) > 2 and now - marks[1][0] >= SECONDS and done - marks[1][1] >= JOBS:
            marks.popleft()

    def per_second(self, now: float) -> float | None:
        """Return the rate; None before the first job is done.

        It falls while nothing is done.
        """
        (begin, before), (_, done) = self._marks[0], self._marks[-1]
        if done == before or now <= begin:
            return None
        return (done - before) / (now - begin)
