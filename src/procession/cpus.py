"""How many processors this process can use, with what a container leaves it."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ESCAPED = re.compile(r"\\([0-7]{3})")


def usable_cpus(proc: str | os.PathLike[str] = "/proc/self") -> int:
    """Return how many processors there are for this process, at least 1.

    The least of what os.process_cpu_count() says (affinity, -X cpu_count) and the quota of
    every cgroup that the process is in, rounded up. What cannot be read is no quota. Files are
    read anew with each call, because a quota can change: that takes some tenths of a
    millisecond, and more where a lot is mounted.

    Args:
        proc: where `cgroup` and `mountinfo` of the process are.
    """
    if sys.version_info >= (3, 13):
        cpus = os.process_cpu_count() or 1
    else:
        cpus = len(os.sched_getaffinity(0))
    quotas = [math.ceil(quota) for quota in quotas_of(Path(proc))]
    return max(1, min([cpus, *quotas]))


def lines_of(path: Path) -> list[str]:
    try:
        return os.fsdecode(path.read_bytes()).splitlines()
    except OSError:
        return []


def quotas_of(proc: Path) -> Iterator[float]:
    """Yield the quotas of the cgroups from our own up to the root, in processors."""
    mounts = list(mounts_of(proc))
    for line in lines_of(proc / "cgroup"):
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0":
            wanted, quota_of = "cgroup2", quota_v2
        elif "cpu" in controllers.split(","):
            wanted, quota_of = "cpu", quota_v1
        else:
            continue
        for kind, root, point in mounts:
            if kind == wanted:
                for folder in folders_of(path, root, point):
                    quota = quota_of(folder)
                    if quota is not None:
                        yield quota


def mounts_of(proc: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield (kind, root, mount point) of the hierarchies that can have quotas."""
    for line in lines_of(proc / "mountinfo"):
        fields, _, source = line.partition(" - ")
        kind, _, options = source.partition(" ")
        root, point = (unescape(field) for field in fields.split(" ")[3:5])
        if kind == "cgroup2":
            yield kind, root, Path(point)
        elif kind == "cgroup" and "cpu" in options.split(" ")[-1].split(","):
            yield "cpu", root, Path(point)


def unescape(field: str) -> str:
    return ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)


def folders_of(path: str, root: str, point: Path) -> Iterator[Path]:
    """Yield where a cgroup and those above it are found, as far as they are mounted.

    A path that is not below the root of the mount, or leads out of it, is that of another
    namespace: what is known then is the mount point.
    """
    root = root.rstrip("/")
    folder = point
    if f"{path}/".startswith(f"{root}/") and ".." not in path.split("/"):
        folder = point / path[len(root) :].lstrip("/")
    yield folder
    while folder != point:
        folder = folder.parent
        yield folder


def quota_v2(folder: Path) -> float | None:
    for line in lines_of(folder / "cpu.max"):
        quota, period = line.split()
        return None if quota == "max" else int(quota) / int(period)
    return None


def quota_v1(folder: Path) -> float | None:
    quota, period = (lines_of(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if not quota or not period or int(quota[0]) < 0:
        return None
    return int(quota[0]) / int(period[0])
