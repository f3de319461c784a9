"""What is measured: programs that every machine has, run again and again for a while."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

LINES: Final = 100_000
LINE: Final = "{:019d}\n"


@dataclass(frozen=True)
class Workload:
    """A row of the table. `job` is the name of a method of the players.

    In `command` the word "LINES" stands for the file of lines.
    """

    name: str
    label: str
    unit: str  # what is counted
    job: str
    command: tuple[str, ...]
    expected: Any
    at_once: int = 1
    scale: float = 1.0  # what an amount is multiplied by, to be in that unit

    def request(self, lines: Path, seconds: float) -> dict[str, Any]:
        """Return what is asked of a player; see worker.py.

        Raises:
            LookupError: this machine has no such program.
        """
        words = (str(lines) if word == "LINES" else word for word in self.command[1:])
        return {
            "job": self.job,
            "command": [program_of(self.command[0]), *words],
            "expected": self.expected,
            "at_once": self.at_once,
            "seconds": seconds,
            "first": [program_of("true")],
        }


ALL: Final = (
    Workload("spawn", "children, one at a time", "children", "status", ("true",), 0),
    Workload("spawn-16", "children, 16 at once", "children", "status", ("true",), 0, 16),
    Workload("map", "children by map(), 64 at once", "children", "map", ("true",), 0, 64),
    Workload(
        "capture",
        "outputs of 1 KiB, 16 at once",
        "outputs",
        "output",
        ("head", "-c", str(KIB), "/dev/zero"),
        KIB,
        16,
    ),
    Workload(
        "stream",
        "MiB of a stream of 64 MiB",
        "MiB",
        "stream",
        ("head", "-c", str(64 * MIB), "/dev/zero"),
        64 * MIB,
        scale=1 / MIB,
    ),
    Workload(
        "lines",
        "lines of 20 bytes",
        "lines",
        "lines",
        ("cat", "LINES"),
        (LINES, LINE.format(LINES - 1)),
    ),
)

NAMES: Final = tuple(workload.name for workload in ALL)


def write_lines(path: Path) -> None:
    """Write the file of lines."""
    path.write_text("".join(map(LINE.format, range(LINES))))


def program_of(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise LookupError(f"there is no program {name!r}")
    return program
