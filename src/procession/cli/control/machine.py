"""How much of the machine is in use: tasks that run, memory that is left."""

from __future__ import annotations

import os
from pathlib import Path

from procession.groups import groups_of, lines_of

PROC = "/proc"
KIB = 1024

# Of a cgroup of each kind: its limit, what it uses, and what of that are files' pages, which
# the kernel drops when memory is wanted.
FILES_V2 = ("memory.max", "memory.current", ("active_file", "inactive_file"))
FILES_V1 = (
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    ("total_active_file", "total_inactive_file"),
)


def numbers_of(path: Path) -> dict[str, int]:
    """Return the numbers of a file of names and numbers, as far as its lines are such."""
    numbers: dict[str, int] = {}
    for line in lines_of(path):
        words = line.replace(":", " ").split(None, 2)
        if len(words) > 1 and words[1].isdecimal():
            numbers[words[0]] = int(words[1])
    return numbers


def running_tasks(proc: str | os.PathLike[str] = PROC) -> int | None:
    """Return how many tasks run or wait for a disk right now, without this one.

    All threads of the machine, not of a container alone. None if that is not to be known.
    """
    numbers = numbers_of(Path(proc) / "stat")
    running = numbers.get("procs_running")
    if running is None:
        return None
    return max(0, running - 1) + numbers.get("procs_blocked", 0)


class Memory:
    """What memory is left: of the machine, and of each cgroup that this process is in.

    In which cgroups it is, is found out once.

    Args:
        proc: where `meminfo` is, and `self` with `cgroup` and `mountinfo`.
    """

    def __init__(self, proc: str | os.PathLike[str] = PROC) -> None:
        self._meminfo = Path(proc) / "meminfo"
        self._groups = list(groups_of(Path(proc) / "self", "memory"))

    def available(self) -> int | None:
        """Return how many bytes are left, None if that is not to be known."""
        numbers = numbers_of(self._meminfo)
        found = [
            left_in(folder, *(FILES_V2 if is_v2 else FILES_V1)) for is_v2, folder in self._groups
        ]
        if "MemAvailable" in numbers:
            found.append(numbers["MemAvailable"] * KIB)
        return min((left for left in found if left is not None), default=None)


def left_in(folder: Path, limit: str, current: str, droppable: tuple[str, str]) -> int | None:
    """Return how much a cgroup may still take, None if it has no limit."""
    most, used = lines_of(folder / limit), lines_of(folder / current)
    if not most or not used or not most[0].isdecimal():
        return None
    numbers = numbers_of(folder / "memory.stat")
    dropped = sum(numbers.get(name, 0) for name in droppable)
    return max(0, int(most[0]) - max(0, int(used[0]) - dropped))
