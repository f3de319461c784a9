"""The values of options that are more than an amount, and what a child is started with."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from procession.cli.arguments.amounts import NUMBER, number, positive_duration, shown
from procession.cli.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from procession.limits import Limits

PERCENT = re.compile(rf"({NUMBER})%", re.ASCII)
JOBS = re.compile(r"([+-]?)(\d+)", re.ASCII)

MOST_JOBS = 1_000_000

# With -j 0: what a machine bears, and the descriptors that a job takes of ours while it is
# being started: both ends of three pipes, and what its end is learnt from.
MOST_AT_ONCE = 10_000
DESCRIPTORS_OF_A_JOB = 8
SPARE_DESCRIPTORS = 64

HIGHEST_NICE, LOWEST_NICE = 19, -20


def affordable_jobs() -> int:
    """Return how many jobs at once the limits of this process have room for, at least 1."""
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    most = MOST_AT_ONCE
    if files != resource.RLIM_INFINITY:
        most = min(most, (files - SPARE_DESCRIPTORS) // DESCRIPTORS_OF_A_JOB)
    if processes != resource.RLIM_INFINITY:
        most = min(most, processes // 2)
    return max(1, most)


@dataclass(frozen=True, slots=True)
class Jobs:
    """How many jobs run at once: a number, or one that goes by the usable processors.

    Attributes:
        number: the number itself, 0 for as many as possible; with `relative`, what is added
            to the number of processors.
        relative: whether it is added.
        percent: how many percent of the processors, rounded up; `number` says nothing then.
    """

    number: int = 0
    relative: bool = False
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> Jobs:
        """Take N, +N, -N or N%."""
        if match := PERCENT.fullmatch(text):
            percent = float(match[1])
            if not 0 < percent <= 100 * MOST_JOBS:
                raise UsageError(f"{shown(text)} of the processors is no number of jobs")
            return cls(percent=percent)
        match = JOBS.fullmatch(text)
        if match is None:
            raise UsageError(f"{shown(text)} is no number of jobs: 8, +2, -1, 50%, or 0 for many")
        if len(match[2]) > 9 or int(match[2]) > MOST_JOBS:
            raise UsageError(f"{shown(text)} is more than {MOST_JOBS:,} jobs")
        return cls(int(text), relative=bool(match[1]))

    def count(self) -> int:
        """Return how many jobs that is here and now, at least 1."""
        if self.percent is None and not self.relative:
            return self.number or affordable_jobs()
        from procession.cpus import usable_cpus

        if self.percent is not None:
            return max(1, math.ceil(usable_cpus() * self.percent / 100))
        return max(1, usable_cpus() + self.number)


@dataclass(frozen=True, slots=True)
class Load:
    """What the load has to be below: a number, or percent of the usable processors."""

    number: float | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> Load:
        """Take N or N%."""
        match = PERCENT.fullmatch(text)
        value = number(match[1] if match else text, "load: 4, 1.5 or 80%")
        if value == 0:
            raise UsageError("the load is never below 0, so nothing would be started")
        return cls(percent=value) if match else cls(number=value)

    def bound(self) -> float:
        """Return the number that the load has to be below."""
        if self.number is not None:
            return self.number
        from procession.cpus import usable_cpus

        assert self.percent is not None
        return usable_cpus() * self.percent / 100


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long a job may take: seconds, or percent of the median of those that succeeded."""

    seconds: float | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> Timeout:
        """Take a duration or P%."""
        match = PERCENT.fullmatch(text)
        if match is None:
            return cls(seconds=positive_duration(text))
        percent = number(match[1], "percentage")
        if percent <= 100:
            raise UsageError(
                f"{shown(text)} of the median would end half of the jobs: it has to be more "
                "than 100%"
            )
        return cls(percent=percent)


def environment_of(options: argparse.Namespace) -> dict[str, str] | None:
    """Return the environment of jobs, None if it is ours as it stands."""
    if not options.env:
        return None
    return {**os.environ, **dict(each.split("=", 1) for each in options.env)}


def limits_of(options: argparse.Namespace) -> Limits | None:
    """Return the limits that the options set, None if they set none.

    `--nice` is added to our own nice value, as nice(1) adds it, and ends at 19.
    """
    nice = None
    if options.nice is not None:
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        nice = max(LOWEST_NICE, min(HIGHEST_NICE, ours + options.nice))
    amounts = (
        options.limit_memory,
        options.limit_cpu,
        options.limit_files,
        options.limit_processes,
        options.limit_file_size,
    )
    given = (nice, *amounts, options.cgroup, options.die_with_parent or None)
    if all(each is None for each in given):
        return None
    from procession.limits import Limits

    memory, cpu_seconds, open_files, processes, file_size = amounts
    return Limits(
        nice=nice,
        memory=memory,
        cpu_seconds=cpu_seconds,
        open_files=open_files,
        processes=processes,
        file_size=file_size,
        cgroup=options.cgroup,
        die_with_parent=options.die_with_parent or None,
    )
