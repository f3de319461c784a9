"""Percentiles of any number of values in little memory.

The values are counted in buckets whose borders grow by a constant factor, which is chosen so
that the middle of a bucket is within a relative error of all that is in it. The idea is that
of DDSketch (Masson, Rim, Lee: VLDB 2019).
"""

from __future__ import annotations

import math

ERROR = 0.01
# Borders are this factor apart; a bucket is known by the power of its upper one.
GROWTH = (1 + ERROR) / (1 - ERROR)
LOG_GROWTH = math.log(GROWTH)
# A bucket's upper border times this is as far from that as from the lower, relatively.
MIDDLE = 2 / (GROWTH + 1)


class Digest:
    """What is known of values that are not negative.

    Count, sum, least and largest are exact, as are zeros; percentiles are within 1 %. There
    are at most some 1400 buckets for values between a microsecond and a week.
    """

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0.0
        self.least = math.inf
        self.largest = 0.0
        self._zeros = 0
        self._buckets: dict[int, int] = {}

    def add(self, value: float) -> None:
        self.count += 1
        self.sum += value
        if value < self.least:
            self.least = value
        if value > self.largest:
            self.largest = value
        if value > 0:
            bucket = math.ceil(math.log(value) / LOG_GROWTH)
            self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        else:
            self._zeros += 1

    def percentile(self, percent: float) -> float:
        """Return the value that so many percent of all are not above (the nearest rank).

        Raises:
            ValueError: there are no values.
        """
        if not self.count:
            raise ValueError("no values have no percentiles")
        rank = max(math.ceil(percent * self.count / 100), 1)
        if rank <= self._zeros:
            return 0.0
        # The first and the last are known exactly.
        if rank == 1:
            return self.least
        if rank == self.count:
            return self.largest
        seen = self._zeros
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                break
        middle = math.exp(bucket * LOG_GROWTH) * MIDDLE
        return min(max(middle, self.least), self.largest)
