"""--keep-order: what is printed comes in the order in which the jobs began."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable

from procession.cli.output.parts import Part
from procession.cli.output.shelf import Shelf, Shelved

# What ended jobs may have in memory, and in files of their own, before a common file takes
# the output of those that follow.
IN_MEMORY = 32 * 1024 * 1024
OWN_FILES = 64


class Order:
    """A queue of jobs, of which only the first may print.

    A job that ends before those in front of it leaves here what is to be printed, and nothing
    else: of one without output some hundred bytes are kept.

    Args:
        on_first: called with the number of a job that runs and has become the first.
    """

    def __init__(self, on_first: Callable[[int], None] | None = None) -> None:
        self._on_first = on_first
        self._queue: deque[int] = deque()
        # Of the jobs in the queue; None as long as they run.
        self._ended: dict[int, list[Part] | None] = {}
        self._shelf = Shelf()
        self._memory = 0
        self._files = 0

    @property
    def first(self) -> int | None:
        """The number of the job whose turn it is."""
        return self._queue[0] if self._queue else None

    def begin(self, number: int) -> None:
        """Put a job into the queue, if it is not there already."""
        if number not in self._ended:
            self._queue.append(number)
            self._ended[number] = None

    def end(self, number: int, parts: list[Part]) -> None:
        """Print what a job has, or keep it until its turn has come."""
        if number != self._queue[0]:
            self._ended[number] = [self._keep(part) for part in parts]
            return
        self._leave(parts)
        while self._queue:
            held = self._ended[self._queue[0]]
            if held is None:
                if self._on_first is not None:
                    self._on_first(self._queue[0])
                break
            for part in held:
                self._forget(part)
            self._leave(held)

    def _leave(self, parts: list[Part]) -> None:
        del self._ended[self._queue.popleft()]
        for part in parts:
            part.print()

    def _keep(self, part: Part) -> Part:
        files, memory = cost_of(part)
        if self._files + files > OWN_FILES or self._memory + memory > IN_MEMORY:
            # Without room for that it stays where it is: nothing is lost for want of order.
            with contextlib.suppress(OSError):
                shelved = self._shelf.put(part.pieces())
                part.close()
                return Part(part.printer, shelved.pieces, shelved.size, (shelved,))
        self._files += files
        self._memory += memory
        return part

    def _forget(self, part: Part) -> None:
        files, memory = cost_of(part)
        self._files -= files
        self._memory -= memory

    def finish(self) -> None:
        """Print what is kept, whether those in front of it have ended or not."""
        while self._queue:
            self._leave(self._ended[self._queue[0]] or [])


def cost_of(part: Part) -> tuple[int, int]:
    """Return the descriptors and the memory that a part takes."""
    if isinstance(part.kept[0], Shelved):
        return 0, 0
    files = part.files
    return files, 0 if files else part.size
