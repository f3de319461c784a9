"""Where arguments come from: the words after the command, files, standard input.

Memory is flat in the length of the first source: what has come of it is kept until its jobs
are handed out, and no longer. It is not flat in what else there is: the sources after the
first are kept whole, --shuf keeps all jobs, and a job of many values has them all.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from procession.cli.errors import UsageError
from procession.cli.inputs.combining import LARGEST, Combination, Row, how_many
from procession.cli.inputs.inputs import STDIN, Source, delimiter_of, opened
from procession.cli.inputs.packing import jobs_of, packer_of

# What follows the command: whether files are named, and whether they are linked.
MARKS = {":::": (False, False), ":::+": (False, True), "::::": (True, False), "::::+": (True, True)}

# What \s is to GNU parallel.
BLANKS = " \t\n\r\f\v"


class Sources:
    """The template of a command line, and the values of its jobs.

    Args:
        options: as parsed; those of the input are used, and what tells how long a command
            line gets. With --pipe the input is not read here: blocks.py does that.
        positional: the words of the command and all that follows.

    Raises:
        UsageError: a file or standard input cannot be read, or --delimiter is none.

    Attributes:
        words: of the template.
        total: how many jobs there are, when that is known: where all values are arguments,
            after count(), and at the end. None until then. Before the end it is too small
            if a job got fewer values than --max-args says because of its size.
    """

    def __init__(self, options: argparse.Namespace, positional: Sequence[str]) -> None:
        self.words, groups = split(positional)
        if options.pipe and (groups or options.arg_file):
            raise UsageError("--pipe takes its input from standard input only")
        self._options = options
        delimiter = "\n" if options.delimiter is None else options.delimiter
        self._delimiter = b"\0" if options.null else delimiter_of(delimiter)
        self._colsep = None if options.colsep is None else re.compile(options.colsep)
        self._packer = packer_of(options, self.words)
        self._sources: list[Source] = []
        try:
            for name in options.arg_file:
                self._sources.append(opened(name, False))
            for are_files, is_linked, names in groups:
                if are_files:
                    for name in names:
                        self._sources.append(opened(name, is_linked))
                else:
                    self._sources.append(Source("arguments", is_linked, names))
            if options.pipe:
                opened("-", False)
            elif not self._sources:
                self._sources.append(opened("-", False))
            if sum(source.fd == STDIN for source in self._sources) > 1:
                raise UsageError("standard input can be one source only")
        except UsageError:
            self.close()
            raise
        self.total: int | None = None
        if self._sources and all(source.fd is None for source in self._sources):
            self.total = self._jobs_of([len(source.given) for source in self._sources])

    @property
    def is_terminal(self) -> bool:
        """Whether somebody is asked to type the input."""
        reads = self._options.pipe or any(source.fd == STDIN for source in self._sources)
        return reads and os.isatty(STDIN)

    def close(self) -> None:
        """Close the files. Twice is fine; batches() must have ended or been closed."""
        for source in self._sources:
            source.close()
        self._sources = []

    async def count(self) -> int | None:
        """Return the number of jobs, as total then has it; None if only reading tells.

        Regular files are read for it beside batches(), which may go on meanwhile.

        Raises:
            OSError: a file cannot be read.
        """
        if self.total is not None or not self._sources:
            return self.total
        counts = []
        for source in self._sources:
            count = await source.count(self._delimiter)
            if count is None:
                return None
            counts.append(count)
        if self.total is None:
            self.total = self._jobs_of(counts)
        return self.total

    def _jobs_of(self, counts: list[int]) -> int | None:
        """Return how many jobs there are of sources with so many values, if that tells."""
        if self._options.no_run_if_empty:
            return None
        linked = [source.is_linked for source in self._sources[1:]]
        return jobs_of(self._options, how_many(counts, linked, self._options.link))

    async def batches(self) -> AsyncGenerator[list[tuple[str, ...]], None]:
        """Yield lists of what jobs get, at most 1000 at a time, as soon as it is known.

        To be called once. Cancelled or closed (contextlib.aclosing() sees to it), it leaves
        nothing at the loop; what was read and not yielded is lost.

        Raises:
            OSError: a source cannot be read; its name is the filename.
        """
        jobs = 0
        async with aclosing(self._shuffled() if self._options.shuf else self._packed()) as lists:
            async for some in lists:
                for begin in range(0, len(some), LARGEST):
                    batch = some[begin : begin + LARGEST]
                    jobs += len(batch)
                    yield batch
        self.total = jobs

    async def _shuffled(self) -> AsyncGenerator[list[Row], None]:
        """Yield the jobs in an order that depends on their number only.

        So --resume finds the same jobs under the same numbers.
        """
        import random

        jobs: list[Row] = []
        async with aclosing(self._packed()) as lists:
            async for some in lists:
                jobs += some
        random.Random(0).shuffle(jobs)
        yield jobs

    async def _packed(self) -> AsyncGenerator[list[Row], None]:
        async with aclosing(self._rows()) as lists:
            async for rows in lists:
                yield self._packer.add(rows)
        yield self._packer.end()

    async def _rows(self) -> AsyncGenerator[list[Row], None]:
        if not self._sources:
            return
        first, *others = self._sources
        whole: list[list[Row]] = []
        for source in others:
            rows: list[Row] = []
            async with aclosing(source.lists(self._delimiter)) as lists:
                async for some in lists:
                    rows += self._rows_of(some)
            whole.append(rows)
        linked = [source.is_linked for source in others]
        combination = Combination(whole, linked, self._options.link)
        async with aclosing(first.lists(self._delimiter)) as lists:
            async for some in lists:
                for rows in combination.add(self._rows_of(some)):
                    yield rows
                if combination.is_complete:
                    break
        for rows in combination.end():
            yield rows

    def _rows_of(self, some: list[str]) -> list[Row]:
        if self._options.no_run_if_empty:
            some = [value for value in some if value.strip(BLANKS)]
        if self._colsep is None:
            return list(zip(some))
        split = self._colsep.split
        # A group that is no part of the match is None.
        return [tuple([(text or "").strip(BLANKS) for text in split(value)]) for value in some]


def split(positional: Sequence[str]) -> tuple[list[str], list[tuple[bool, bool, list[str]]]]:
    """Return the words before the first mark, and (are files, linked, words) of each mark."""
    words: list[str] = []
    groups: list[tuple[bool, bool, list[str]]] = []
    group = words
    for word in positional:
        if word in MARKS:
            group = []
            groups.append((*MARKS[word], group))
        else:
            group.append(word)
    return words, groups
