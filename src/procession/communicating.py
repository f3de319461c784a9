"""communicate() with a timeout, a limit, or without waiting for grandchildren."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from procession.deadline import Deadline, Late
from procession.draining import warn_of_holders
from procession.waiting import end_of

if TYPE_CHECKING:
    from procession._waiter import Waiter
    from procession.streams import StreamReader
    from procession.subprocess import Process

Output = bytes | None


def check_limit(limit: int | None) -> int | None:
    if limit is None:
        return None
    if limit < 0:
        raise ValueError("limit must be 0 or more")
    return min(limit, sys.maxsize - 1)


async def collect(
    process: Process, deadline: Deadline, eof_grace: float | None, limit: int | None
) -> tuple[Output, Output]:
    """Read both outputs and wait for the exit; input is on its way.

    Raises:
        Late: the deadline came. What was read stays in the readers.
        asyncio.LimitOverrunError: an output is longer than the limit. The same.
    """
    streams = process.stdout, process.stderr
    readers = [reader for reader in streams if reader is not None]
    waiters: list[Waiter | None] = []
    try:
        for reader in readers:
            waiters.append(reader._begin_all(limit))
        fail_together(waiters, deadline)
        if eof_grace is None:
            for waiter in filter(None, waiters):
                await deadline.wait(waiter)
            await end_of(process._child, deadline)
        else:
            await end_of(process._child, deadline)
            await outwait(waiters, deadline, eof_grace)
    finally:
        stop(readers, waiters)
    # None is taken before all are found right: what is taken is lost where one fails.
    for reader in readers:
        reader._gather_there()
    if eof_grace is not None:
        pipes = [reader._pipe_fileno() for reader in readers if not reader._eof]
        warn_of_holders(process.pid, pipes)
    output, errors = (None if reader is None else reader._take_there() for reader in streams)
    return output, errors


async def outwait(waiters: Iterable[Waiter | None], deadline: Deadline, eof_grace: float) -> None:
    """Wait for the ends of the outputs of a child that has ended, but not for long."""
    grace = deadline.or_within(eof_grace)
    for waiter in filter(None, waiters):
        try:
            await grace.wait(waiter)
        except Late:
            if deadline.is_over():
                raise
            return


def fail_together(waiters: Iterable[Waiter | None], deadline: Deadline) -> None:
    """See to it that what goes wrong with one output ends the wait for the other one, or
    for the exit of a child that is held up by the full pipe."""

    def settled(waiter: Waiter) -> None:
        error = None if waiter.cancelled() else waiter.exception()
        if error is not None and not isinstance(error, Late):
            deadline.fail(error)

    for waiter in filter(None, waiters):
        waiter.add_done_callback(settled)


def stop(readers: Iterable[StreamReader], waiters: Iterable[Waiter | None]) -> None:
    """Have the readers read ahead again, as far as they were waited for."""
    for reader, waiter in zip(readers, waiters, strict=False):
        if waiter is not None:
            reader._wait_failed(waiter)


def partial(reader: Any) -> Output:
    """Return what a reader holds, None if that is nothing, as subprocess does."""
    return None if reader is None else reader._peek() or None
