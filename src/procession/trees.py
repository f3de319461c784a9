"""The tree of a child: who is in it, how it is ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from signal import SIGKILL, SIGTERM
from typing import NamedTuple

from procession._spawn import Newborn
from procession._tree import living_of, signal_all
from procession.deadline import Deadline, Late
from procession.waiting import end_of

# How long after SIGKILL the last one may live, who hangs in the kernel.
LAST_WAIT = 5.0

# Nobody tells of the ends of processes that are not our children, and pidfds of thousands
# would be too many: who is left is looked for in growing intervals.
FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.1


class Descendant(NamedTuple):
    """A process that a child has started, or somebody whom that has started.

    Attributes:
        pid: its number, which is another's some time after it has ended.
        name: of its program, up to 15 bytes, as the kernel keeps it.
    """

    pid: int
    name: str


def descendants_of(child: Newborn) -> list[Descendant]:
    return [Descendant(*pair) for pair in living_of(child)]


def kill_all(child: Newborn, loop: asyncio.AbstractEventLoop) -> list[Descendant]:
    """Send SIGKILL to all, and look after them in the back; return who got it."""
    killed, _ = signal_all(child, SIGKILL)
    if killed and not loop.is_closed():
        look_after(child, loop, FIRST_PAUSE, loop.time() + LAST_WAIT)
    return [Descendant(*pair) for pair in killed]


def look_after(child: Newborn, loop: asyncio.AbstractEventLoop, pause: float, until: float) -> None:
    """Have those killed whom a walk could not see yet, and reaped who became ours."""

    def look() -> None:
        killed, _ = signal_all(child, SIGKILL)
        if killed and loop.time() < until:
            look_after(child, loop, min(2 * pause, LONGEST_PAUSE), until)

    loop.call_later(pause, look)


async def all_gone(child: Newborn, but: Iterable[tuple[int, str]], seconds: float) -> bool:
    """Wait so many seconds until nobody of the tree lives; return whether that came.

    `but` those whom no signal of ours has reached.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    untold = set(but)
    pause = FIRST_PAUSE
    while child.poll() is None or set(living_of(child)) - untold:
        left = end - loop.time()
        if left <= 0:
            return False
        with contextlib.suppress(Late):
            # The end of the child itself is told.
            if child.returncode is None:
                await end_of(child, Deadline(loop, min(pause, left)))
            else:
                await asyncio.sleep(min(pause, left))
        pause = min(2 * pause, LONGEST_PAUSE)
    return True


async def kill_rest(child: Newborn) -> list[Descendant]:
    """Send SIGKILL to all until nobody is left, within a bound; return who got it."""
    loop = asyncio.get_running_loop()
    end = loop.time() + LAST_WAIT
    killed: dict[Descendant, None] = {}
    while True:
        told, refused = signal_all(child, SIGKILL)
        killed.update(dict.fromkeys(Descendant(*pair) for pair in told))
        if await all_gone(child, refused, LONGEST_PAUSE) or loop.time() >= end:
            return list(killed)


async def terminate(child: Newborn, grace: float) -> list[Descendant]:
    _, refused = signal_all(child, SIGTERM)
    try:
        if await all_gone(child, refused, grace):
            return []
        return await kill_rest(child)
    except BaseException:
        kill_all(child, asyncio.get_running_loop())
        raise
