"""What a process owns, and that it owns no more than before."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

from helpers import patience


def descriptors():
    """Return {descriptor: what it refers to} of this process."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found


def threads():
    return len(os.listdir("/proc/self/task"))


def own_threads():
    """Return how many threads of procession there are."""
    count = 0
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            count += Path(f"/proc/self/task/{task}/comm").read_text() == "procession\n"
    return count


def has_children():
    """Say whether there is a child, alive or a zombie; none is reaped."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def resident():
    """Return the resident memory of this process in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def peak_resident():
    """Return the highest resident memory of this process so far, in bytes."""
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def difference(before):
    """Return what there is more than `before`, as a dict that is empty if nothing is."""
    now = descriptors()
    more = {fd: now[fd] for fd in now if before.get(fd) != now[fd]}
    if has_children():
        more["children"] = True
    return more


def assert_nothing_left(before):
    """Wait until no child and no descriptor is left but those of `before`.

    What a loop leaves to the background has no event to wait for.
    """
    end = time.monotonic() + patience.seconds
    while difference(before) and time.monotonic() < end:
        time.sleep(0.005)
    assert difference(before) == {}


async def assert_settles(before):
    """The same while the loop runs on, since it has a part in the cleaning up."""
    end = time.monotonic() + patience.seconds
    while difference(before) and time.monotonic() < end:
        await asyncio.sleep(0.005)
    assert difference(before) == {}
