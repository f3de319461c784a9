"""The control groups that a process is in, as far as they are mounted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

ESCAPED = re.compile(r"\\([0-7]{3})")


def groups_of(proc: Path, controller: str) -> Iterator[tuple[bool, Path]]:
    """Yield (whether it is of version 2, folder) of the groups from our own up to the root.

    What cannot be read is no group.

    Args:
        proc: where `cgroup` and `mountinfo` of the process are.
        controller: which hierarchies of version 1 are meant; that of version 2 has them all.
    """
    mounts = list(mounts_of(proc, controller))
    for line in lines_of(proc / "cgroup"):
        hierarchy, controllers, path = line.split(":", 2)
        is_v2 = hierarchy == "0"
        if not is_v2 and controller not in controllers.split(","):
            continue
        for is_of_v2, root, point in mounts:
            if is_of_v2 == is_v2:
                for folder in folders_of(path, root, point):
                    yield is_v2, folder


def mounts_of(proc: Path, controller: str) -> Iterator[tuple[bool, str, Path]]:
    """Yield (whether it is of version 2, root, mount point) of the hierarchies."""
    for line in lines_of(proc / "mountinfo"):
        fields, _, source = line.partition(" - ")
        kind, _, options = source.partition(" ")
        root, point = (unescape(field) for field in fields.split(" ")[3:5])
        is_v2 = kind == "cgroup2"
        if is_v2 or (kind == "cgroup" and controller in options.split(" ")[-1].split(",")):
            yield is_v2, root, Path(point)


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


def lines_of(path: Path) -> list[str]:
    try:
        return os.fsdecode(path.read_bytes()).splitlines()
    except OSError:
        return []


def unescape(field: str) -> str:
    return ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)
