"""What several sources give together: all combinations, or values that are linked.

A row is what a job gets of them: a tuple of values. The first source may be endless and is
not kept; the others are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice, product
from math import prod

Row = tuple[str, ...]

# Rows are made so many at a time, of whatever there is to combine.
LARGEST = 1000

EMPTY: list[Row] = [("",)]


class Combination:
    """The rows of several sources, the last of which changes fastest.

    As in GNU parallel, a source without any value counts as one empty value, unless all are
    without any.

    Args:
        others: the rows of the sources after the first.
        linked: of each of the others, whether it goes along with the source before it, value
            by value, as far as the shorter one goes.
        link: all sources go along with each other as far as the longest one goes; the
            shorter ones begin anew.
    """

    def __init__(self, others: Sequence[list[Row]], linked: Sequence[bool], link: bool) -> None:
        self._has_others = any(others)
        self._link = link
        # Rows of the first source: how many there were, and those that may be needed again.
        self._count = 0
        self._kept: list[Row] = []
        groups: list[list[list[Row]]] = [[]]
        for other, flag in zip(others, linked, strict=True):
            if not (link or flag):
                groups.append([])
            groups[-1].append(other or EMPTY)
        self._beside = groups[0]
        self._crossed = [list(map(joined, zip(*group, strict=False))) for group in groups[1:]]
        lengths = [len(rows) for rows in self._beside]
        self._longest = max(lengths, default=0)
        self._shortest = min(lengths, default=None)

    @property
    def is_complete(self) -> bool:
        """Whether more of the first source would change nothing."""
        return not self._link and self._shortest is not None and self._count >= self._shortest

    def add(self, rows: list[Row]) -> Iterator[list[Row]]:
        """Yield what comes of more rows of the first source."""
        if self._link:
            yield self._recycle(rows)
        elif self._crossed:
            yield from slices(map(joined, product(self._pair(rows), *self._crossed)))
        else:
            yield self._pair(rows)

    def end(self) -> Iterator[list[Row]]:
        """Yield what comes of the end of the first source."""
        if not self._count and self._has_others:
            yield from self.add(EMPTY)
        if self._link and self._count:
            kept, count = self._kept, self._count
            more = (kept[i % count] for i in range(count, self._longest))
            while rows := list(islice(more, LARGEST)):
                yield self._recycle(rows)

    def _pair(self, rows: list[Row]) -> list[Row]:
        begin = self._count
        self._count += len(rows)
        if not self._beside:
            return rows
        beside = [other[begin : self._count] for other in self._beside]
        return list(map(joined, zip(rows, *beside, strict=False)))

    def _recycle(self, rows: list[Row]) -> list[Row]:
        begin = self._count
        self._count += len(rows)
        if len(self._kept) < self._longest:
            self._kept += rows
        return [
            joined((row, *(other[number % len(other)] for other in self._beside)))
            for number, row in enumerate(rows, begin)
        ]


def joined(rows: tuple[Row, ...]) -> Row:
    return tuple(chain.from_iterable(rows))


def slices(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while some := list(islice(rows, LARGEST)):
        yield some


def how_many(counts: Sequence[int], linked: Sequence[bool], link: bool) -> int:
    """Return how many rows there are of sources with so many values.

    Args:
        counts: of all sources.
        linked: of those after the first.
    """
    if not any(counts):
        return 0
    counts = [count or 1 for count in counts]
    if link:
        return max(counts)
    groups = counts[:1]
    for count, flag in zip(counts[1:], linked, strict=True):
        if flag:
            groups[-1] = min(groups[-1], count)
        else:
            groups.append(count)
    return prod(groups)
