"""Waits that give up after a while, or because of something else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procession._waiter import Waiter


class Late(Exception):
    """The time of a wait was over before it was done. Never leaves this package."""


class Deadline:
    """A moment at which the waits of one call give up, one after the other.

    No task is cancelled for that, so a cancellation from outside cannot be taken for it,
    and each wait is ended where it can put in order what it was waiting for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float | None) -> None:
        """Seconds from now; None: never."""
        self._loop = loop
        self.at = None if seconds is None else loop.time() + seconds
        self._waiter: Waiter | None = None
        self._error: BaseException | None = None

    def is_over(self) -> bool:
        return self.at is not None and self._loop.time() >= self.at

    def or_within(self, seconds: float) -> Deadline:
        """Return the earlier of this one and so many seconds from now."""
        other = Deadline(self._loop, seconds)
        if self.at is not None and other.at is not None:
            other.at = min(self.at, other.at)
        return other

    def fail(self, error: BaseException) -> None:
        """End the wait that is under way, and any later one, with an error."""
        self._error = error
        if self._waiter is not None:
            self._waiter.expire(error)

    async def wait(self, waiter: Waiter) -> None:
        """Wait for a waiter.

        Raises:
            Late: the moment came first.
        """
        if self._error is not None:
            raise self._error
        handle = None
        if self.at is not None and not waiter.done():
            handle = self._loop.call_at(self.at, waiter.expire, Late())
        self._waiter = waiter
        try:
            await waiter
        finally:
            self._waiter = None
            if handle is not None:
                handle.cancel()
            # The exception that it may hold would hold this frame, and so itself.
            del waiter
