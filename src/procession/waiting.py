"""Waiting for the ends of children: this package's, and those of the program itself."""

from __future__ import annotations

import asyncio

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
