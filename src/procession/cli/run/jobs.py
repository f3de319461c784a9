"""A job: what it is while it runs, and what is known once it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procession.cli.output.spool import Spool
    from procession.completed import Completed


@dataclass(slots=True)
class Job:
    """A job at one of its attempts.

    Attributes:
        number: its place among the jobs, from 1.
        values: what its placeholders stand for.
        command: its command line, as one would type it.
        slot: a number from 1 that no other job has at the same time.
        attempt: which of its attempts this is, from 1.
        started: when, as time.monotonic() has it.
        input: what it reads from its standard input, None for nothing.
    """

    number: int
    values: tuple[str, ...]
    command: str
    slot: int
    attempt: int
    started: float
    input: bytes | None


@dataclass(slots=True)
class Ended:
    """A job that has ended, and will not be tried again.

    Attributes:
        job: as it was at its last attempt.
        result: of the last attempt.
        stdout, stderr: what the last attempt wrote; None if it was not kept.
    """

    job: Job
    result: Completed
    stdout: Spool | None
    stderr: Spool | None
