"""--delay, --load and --mem-free: when one more job may begin."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Awaitable, Callable

from procession.cli.control.machine import PROC, Memory, running_tasks
from procession.cli.errors import UsageError

# What was read of the machine holds for so long.
FRESH = 0.02

# While there is no room it is looked for again after that, and then less and less often.
SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 1.0
GROWTH = 1.5


def size_text(size: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} GiB"


class Gate:
    """Holds jobs back while the machine has no room for them.

    The first job waits as well, as with GNU parallel. There is one who asks, and who calls
    begin() for each job.

    Args:
        delay: seconds from the start of a job to that of the next.
        load: so many tasks of the whole machine that run, or wait for a disk, leave no room.
            That is what GNU parallel counts, and not the average over a minute, which is late.
            As many jobs may begin as a reading leaves room for, then there is another.
        mem_free: so many bytes of memory have to be left, of the machine's and of what
            the cgroups of this process allow.
        clock, sleep: as of time and asyncio.
        proc: where the kernel tells of itself.

    Attributes:
        reason: what the next job is waiting for, in words, as it was when that was asked
            last; None for nothing.

    Raises:
        UsageError: the kernel does not tell what is to be looked at.
    """

    def __init__(
        self,
        delay: float | None = None,
        load: float | None = None,
        mem_free: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        proc: str | os.PathLike[str] = PROC,
    ) -> None:
        self.reason: str | None = None
        self._delay = delay or 0.0
        self._load = load
        self._mem_free = mem_free
        self._clock = clock
        self._sleep = sleep
        self._proc = proc
        self._memory = None if mem_free is None else Memory(proc)
        self._always = not self._delay and load is None and mem_free is None
        self._looks = load is not None or mem_free is not None
        self._next_start = -math.inf
        # Of the last reading: when it was, how many jobs may begin on it, and why no more may.
        self._read_at = -math.inf
        self._room = math.inf
        self._obstacle = ""
        if self._looks:
            self._look(clock())

    def is_open(self) -> bool:
        """Say whether one more job may begin now."""
        return self._always or self._pause(self._clock(), 0) == 0

    def begin(self) -> None:
        """Learn that a job begins: the next one has to wait for its turn."""
        if not self._always:
            self._next_start = self._clock() + self._delay
            self._room -= 1

    async def wait(self) -> None:
        """Return when one more job may begin."""
        tries = 0
        try:
            while not self._always and (pause := self._pause(self._clock(), tries)) > 0:
                await self._sleep(pause)
                tries += 1
        finally:
            self.reason = None

    def _pause(self, now: float, tries: int) -> float:
        """Return after what time to ask again, 0 if a job may begin; set the reason."""
        self.reason = None
        if now < self._next_start:
            self.reason = f"the delay of {self._delay:g} s between jobs"
            return self._next_start - now
        if not self._looks:
            return 0
        stale_at = self._read_at + FRESH
        if now >= stale_at:
            self._look(now)
            if self._room <= 0:
                self.reason = self._obstacle
                return min(LONGEST_PAUSE, SHORTEST_PAUSE * GROWTH ** min(tries, 10))
        if self._room <= 0:
            self.reason = self._obstacle
            return stale_at - now
        return 0

    def _look(self, now: float) -> None:
        """Read how many jobs there is room for, and what is in the way of more."""
        self._read_at = now
        self._room = math.inf
        if self._load is not None:
            running = running_tasks(self._proc)
            if running is None:
                raise UsageError("--load: the kernel does not tell how many tasks run")
            self._room = max(0, math.ceil(self._load - running))
            self._obstacle = f"the load: {running} running, --load {self._load:g}"
        if self._memory is not None and self._mem_free is not None:
            left = self._memory.available()
            if left is None:
                raise UsageError("--mem-free: the kernel does not tell how much memory is left")
            if left < self._mem_free:
                self._room = 0
                self._obstacle = (
                    f"free memory: {size_text(left)}, --mem-free {size_text(self._mem_free)}"
                )
