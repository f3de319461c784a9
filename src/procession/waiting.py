"""Waiting for the ends of children: this package's, and those of the program itself."""

from __future__ import annotations

import asyncio

from procession._engine import engine_of
from procession._reaper import Mortal, adopt
from procession.deadline import Deadline


async def end_of(child: Mortal, deadline: Deadline | None = None) -> int:
    """Wait for the end and return the returncode. Cancelled, it changes nothing.

    Raises:
        Late: the deadline came first.
    """
    if child.returncode is None:
        waiter = child._begin_wait()
        try:
            if deadline is None:
                await waiter
            else:
                await deadline.wait(waiter)
        except BaseException:
            child._wait_failed(waiter)
            raise
        finally:
            del waiter
    return child.returncode  # type: ignore[return-value]


def count_ends(loop: asyncio.AbstractEventLoop) -> int:
    """Return a number that changes with the end of any child of the loop."""
    return engine_of(loop).ended


async def next_end(loop: asyncio.AbstractEventLoop, since: int | None = None) -> bool:
    """Wait until any child of the loop ends; return False at once if there is none.

    For whoever has met a limit and wants to try again when something was given back. With
    `since`, what count_ends() returned before the attempt, an end in the meantime counts.
    A child that is being started is one; that it could not be started wakes nobody unless
    it was the last, so that those who try together do not wake each other in vain. To be
    awaited on the loop. Cancelled, it changes nothing.
    """
    engine = engine_of(loop)
    if since is not None and since != engine.ended:
        return True
    waiter = engine.begin_end()
    if waiter is None:
        return False
    try:
        await waiter
    except BaseException:
        engine.end_failed(waiter)
        raise
    return True


async def wait_pid(pid: int) -> int:
    """Wait for a child that the program has started itself; return its returncode.

    For children of os.fork(), os.posix_spawn() and the like, from any event loop and
    thread. The child is reaped; the returncode is -N if signal N ended it, as that of a
    Process. Any number of tasks may wait; when the last one is cancelled the child is left
    as it is, to be reaped by somebody else.

    Raises:
        ChildProcessError: it is no child of this process, or was reaped.
        ValueError: pid is not positive.
    """
    return await end_of(adopt(asyncio.get_running_loop(), pid))
