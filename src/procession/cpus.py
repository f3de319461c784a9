"""How many processors this process can use, with what a container leaves it."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from procession.groups import groups_of, lines_of


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


def quotas_of(proc: Path) -> Iterator[float]:
    """Yield the quotas of the cgroups from our own up to the root, in processors."""
    for is_v2, folder in groups_of(proc, "cpu"):
        quota = quota_v2(folder) if is_v2 else quota_v1(folder)
        if quota is not None:
            yield quota


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
