"""How much of the machine is in use: tasks that run, memory that is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from procession.cpus import folders_of, lines_of, unescape

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
        self._groups = list(groups_of(Path(proc) / "self"))

    def available(self) -> int | None:
        """Return how many bytes are left, None if that is not to be known."""
        numbers = numbers_of(self._meminfo)
        found = [left_in(folder, files) for folder, files in self._groups]
        if "MemAvailable" in numbers:
            found.append(numbers["MemAvailable"] * KIB)
        return min((left for left in found if left is not None), default=None)


Files = tuple[str, str, tuple[str, str]]


def groups_of(proc: Path) -> Iterator[tuple[Path, Files]]:
    """Yield the folders of the memory cgroups from our own up to the root."""
    mounts = list(mounts_of(proc))
    for line in lines_of(proc / "cgroup"):
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0":
            wanted, files = "cgroup2", FILES_V2
        elif "memory" in controllers.split(","):
            wanted, files = "memory", FILES_V1
        else:
            continue
        for kind, root, point in mounts:
            if kind == wanted:
                for folder in folders_of(path, root, point):
                    yield folder, files


def mounts_of(proc: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield (kind, root, mount point) of the hierarchies that can limit memory."""
    for line in lines_of(proc / "mountinfo"):
        fields, _, source = line.partition(" - ")
        kind, _, options = source.partition(" ")
        root, point = (unescape(field) for field in fields.split(" ")[3:5])
        if kind == "cgroup2":
            yield kind, root, Path(point)
        elif kind == "cgroup" and "memory" in options.split(" ")[-1].split(","):
            yield "memory", root, Path(point)


def left_in(folder: Path, files: Files) -> int | None:
    """Return how much a cgroup may still take, None if it has no limit."""
    limit, current, droppable = files
    most, used = lines_of(folder / limit), lines_of(folder / current)
    if not most or not used or not most[0].isdecimal():
        return None
    numbers = numbers_of(folder / "memory.stat")
    dropped = sum(numbers.get(name, 0) for name in droppable)
    return max(0, int(most[0]) - max(0, int(used[0]) - dropped))
