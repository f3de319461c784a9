"""Several rows for one job, as xargs has it: so many, or as many as a command line holds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from procession.cli.inputs.combining import Row, joined
from procession.cli.inputs.sizes import Sizes, room_for_arguments


class Packer:
    """Makes one row of as many as a job may get.

    A row that cannot be run with others, or at all, is a job by itself.

    Args:
        most: the most rows of a job; None: as many as fit; 0: a job for each row, without
            its values.
        sizes: what fits.
        slots: among which the rows of the last job are divided, so that all have something
            to do. That it is the last is known when no row follows: a job that is full
            waits for the next row or the end.
    """

    def __init__(self, most: int | None, sizes: Sizes, slots: int | None = None) -> None:
        self._most = most
        self._sizes = sizes
        self._slots = slots
        self._rows: list[Row] = []
        self._values = 0
        self._size = sizes.empty

    def add(self, rows: list[Row]) -> list[Row]:
        """Return the jobs that are complete with these rows."""
        most = self._most
        if most == 1:
            return rows
        if most == 0:
            return [()] * len(rows)
        jobs = []
        size_of, limit = self._sizes.of, self._sizes.limit
        for row in rows:
            size = self._size + size_of(row, self._values)
            if self._rows and (size > limit or len(self._rows) == most):
                jobs.append(self._take())
                size = self._size + size_of(row, 0)
            self._rows.append(row)
            self._values += len(row)
            self._size = size
            if len(self._rows) == most and self._slots is None:
                jobs.append(self._take())
        return jobs

    def end(self) -> list[Row]:
        """Return the jobs of what is left."""
        rows, self._rows = self._rows, []
        if not rows:
            return []
        each = -(-len(rows) // self._slots) if self._slots else len(rows)
        return [joined(tuple(rows[i : i + each])) for i in range(0, len(rows), each)]

    def _take(self) -> Row:
        job = joined(tuple(self._rows))
        self._rows = []
        self._values = 0
        self._size = self._sizes.empty
        return job


def rows_of_a_job(options: argparse.Namespace) -> int | None:
    """Return how many rows a job gets at most, None for as many as fit."""
    for number in (options.max_replace_args, options.max_args):
        if number is not None:
            return int(number)
    return None if spreads(options) else 1


def repeats(options: argparse.Namespace) -> bool:
    """Whether a word around a placeholder is repeated for each value of a job.

    As GNU parallel does it: with -X and -N, not with -m and, unlike its manual says, -n.
    """
    return options.context_replace or options.max_replace_args is not None


def spreads(options: argparse.Namespace) -> bool:
    """Whether the rows of the last job are divided among the slots."""
    return bool(options.context_replace or options.replace_many)


def jobs_of(options: argparse.Namespace, rows: int) -> int | None:
    """Return how many jobs are made of so many rows if none is too long, None if it depends."""
    most = rows_of_a_job(options)
    if most is None or (most > 1 and spreads(options)):
        return None
    return -(-rows // max(most, 1))


def packer_of(options: argparse.Namespace, words: Sequence[str]) -> Packer:
    """Return what packs the rows of a template's words as the options say."""
    sizes = Sizes(
        words,
        repeats=repeats(options),
        shell=options.shell,
        replacement=options.replacement,
        room=room_for_arguments(options.env or ()),
        max_chars=options.max_chars,
    )
    slots = options.jobs.count() if spreads(options) else None
    return Packer(rows_of_a_job(options), sizes, slots)
