"""Waiting for the ends of children: this package's, and those of the program itself."""

from __future__ import annotations

import asyncio

from procession._reaper import Mortal, adopt


async def end_of(child: Mortal) -> int:
    """Wait for the end and return the returncode. Cancelled, it changes nothing."""
    if child.returncode is None:
        waiter = child._begin_wait()
        try:
            await waiter
        except BaseException:
            child._wait_failed(waiter)
            raise
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
