"""Where and when jobs ran, in memory that has a limit."""

from __future__ import annotations

import random
from array import array
from itertools import compress

LIMIT = 1_000_000
# To one byte of any value, and from there to the other.
COIN = bytes(value & 1 for value in range(256))
OTHER = bytes([1, 0, *bytes(254)])


class Spans:
    """Up to a million spans of time, in 17 bytes each.

    Of more than that one of each two is kept, then one of each four, and so on, chosen by
    lot: slots that take turns have their turns in the sample as well.

    Attributes:
        seen: how many were added.
        again: how many of them were of jobs that had been tried before.
        step: one of so many is kept.
        started, seconds, slots, retried: an array for each, in the order in which they were
            added.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        # An even number.
        self._limit = limit
        # The same run has the same picture.
        self._random = random.Random(limit)
        self._due = 0
        self.seen = 0
        self.again = 0
        self.step = 1
        self.started = array("d")
        self.seconds = array("f")
        self.slots = array("I")
        self.retried = array("b")

    def __len__(self) -> int:
        return len(self.started)

    def add(self, started: float, seconds: float, slot: int, retried: bool) -> None:
        place = self.seen % self.step
        if place == 0:
            if len(self) == self._limit:
                self._thin_out()
            if self.step > 1:
                self._due = self._random.randrange(self.step)
        if place == self._due:
            self.started.append(started)
            self.seconds.append(seconds)
            self.slots.append(slot)
            self.retried.append(retried)
        self.seen += 1
        self.again += retried

    def _thin_out(self) -> None:
        first = self._random.randbytes(self._limit // 2).translate(COIN)
        kept = bytearray(self._limit)
        kept[0::2] = first
        kept[1::2] = first.translate(OTHER)
        self.started = array("d", compress(self.started, kept))
        self.seconds = array("f", compress(self.seconds, kept))
        self.slots = array("I", compress(self.slots, kept))
        self.retried = array("b", compress(self.retried, kept))
        self.step *= 2
