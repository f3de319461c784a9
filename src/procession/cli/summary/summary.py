"""What is said of a run when it is over: times, memory, failures, the slowest jobs."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from procession.cli.progress.screen import COLUMNS
from procession.cli.progress.visible import duration, rate, size, visible
from procession.cli.run.jobs import Ended
from procession.cli.summary.digest import Digest
from procession.cli.summary.tables import Table, colourful, plain
from procession.completed import Completed

SLOWEST = 5
PERCENTS = (50, 90, 99)
# Of a command this is kept: more than a line has room for.
LONGEST_COMMAND = 500
# The width of a file.
FILE_COLUMNS = 120
NOTHING = "-"


def fate_of(result: Completed) -> str:
    """Say in a word or two how a command ended."""
    if result.ok:
        return "ok"
    if result.reason == "exit":
        return f"exit {result.returncode}"
    if result.reason == "signal":
        return result.signal.name if result.signal else f"signal {-result.returncode}"
    if result.reason == "spawn error":
        return "not found" if result.returncode == 127 else "not started"
    return result.reason


@dataclass(slots=True)
class Failures:
    """How often jobs failed in one way, and the first that did."""

    number: int
    command: str
    count: int = 0


class Summary:
    """Takes what ended, in memory that does not grow with it.

    Args:
        fd: where it will be shown: a terminal gets colours, and lines that fit it.
        clock: by which the run is timed, from here to render().
    """

    def __init__(self, fd: int = 2, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fd = fd
        self._clock = clock
        self._begun = clock()
        self._ok = 0
        self._retried = 0
        self._duration = Digest()
        self._user = Digest()
        self._system = Digest()
        # What is below the floor is counted as 0.
        self._memory = Digest()
        self._floor = 0
        self._failures: dict[str, Failures] = {}
        self._slowest: list[tuple[float, int, str, str]] = []

    def add(self, ended: Ended) -> None:
        """Count a job."""
        job, result = ended.job, ended.result
        fate = fate_of(result)
        if result.ok:
            self._ok += 1
        else:
            failures = self._failures.get(fate)
            if failures is None:
                command = job.command[:LONGEST_COMMAND]
                failures = self._failures[fate] = Failures(job.number, command)
            failures.count += 1
        if result.attempts > 1:
            self._retried += 1
        self._duration.add(result.duration)
        slow = (result.duration, -job.number, fate, job.command[:LONGEST_COMMAND])
        if len(self._slowest) < SLOWEST:
            heapq.heappush(self._slowest, slow)
        elif slow > self._slowest[0]:
            heapq.heapreplace(self._slowest, slow)
        usage = result.usage
        if usage is not None:
            self._user.add(usage.user)
            self._system.add(usage.system)
            self._floor = max(self._floor, usage.max_rss_floor)
            self._memory.add(usage.max_rss if usage.max_rss > usage.max_rss_floor else 0)

    def render(self) -> str:
        """Return it as text with an end of line."""
        columns = FILE_COLUMNS
        if os.isatty(self._fd):
            columns = os.get_terminal_size(self._fd).columns or COLUMNS
            try:
                return colourful(self._tables(), columns)
            except ImportError:
                # Colours are all that rich adds.
                pass
        return plain(self._tables(), columns)

    def _tables(self) -> list[Table]:
        tables = [self._counts()]
        if self._duration.count:
            tables.append(self._figures())
        if self._failures:
            tables.append(self._failed())
        if self._slowest:
            tables.append(self._slow())
        return tables

    def _counts(self) -> Table:
        jobs = self._duration.count
        wall = self._clock() - self._begun
        heads = ("jobs", "ok", "failed", "retried", "time", "rate", "at once")
        failed = jobs - self._ok
        table = Table("summary", heads, styles={1: "green", 2: "red" if failed else ""})
        table.rows.append(
            (
                str(jobs),
                str(self._ok),
                str(failed),
                str(self._retried),
                duration(wall),
                rate(jobs / wall) if jobs and wall > 0 else NOTHING,
                f"{self._duration.sum / wall:.1f}" if wall > 0 else NOTHING,
            )
        )
        return table

    def _figures(self) -> Table:
        percents = [f"p{percent}" for percent in PERCENTS]
        table = Table("of each job", ("", "min", *percents, "max", "total"), words=frozenset({0}))
        for name, digest, spell in (
            ("time", self._duration, duration),
            ("user CPU", self._user, duration),
            ("system CPU", self._system, duration),
            ("peak memory", self._memory, self._spell_memory),
        ):
            if digest.count:
                values = [digest.least, *map(digest.percentile, PERCENTS), digest.largest]
                total = NOTHING if digest is self._memory else spell(digest.sum)
                table.rows.append((name, *map(spell, values), total))
        return table

    def _spell_memory(self, value: float) -> str:
        return size(value) if value else f"< {size(self._floor)}"

    def _failed(self) -> Table:
        heads = ("count", "how", "job", "the first such command")
        table = Table("failures", heads, words=frozenset({1, 3}), styles={0: "red"})
        for fate, failures in sorted(self._failures.items(), key=lambda item: -item[1].count):
            number, command = str(failures.number), visible(failures.command)
            table.rows.append((str(failures.count), fate, number, command))
        return table

    def _slow(self) -> Table:
        heads = ("time", "how", "job", "command")
        table = Table("slowest", heads, words=frozenset({1, 3}), styles={0: "cyan"})
        for seconds, number, fate, command in sorted(self._slowest, reverse=True):
            table.rows.append((duration(seconds), fate, str(-number), visible(command)))
        return table
