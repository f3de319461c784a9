"""What a child may use, and what becomes of it: set in the child before its program runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import index
from typing import Literal

__all__ = ["Limits"]

# What resource.RLIM_INFINITY is, which not every system has; from Python 3.15 on it is the
# kernel's number.
UNLIMITED = -1
INFINITY = 2**64 - 1

LARGEST = 2**63 - 1
MOST_CPUS = 8192
IO_LEVELS = 8

# The classes of ioprio_set(2), each with its usual level.
IO_CLASSES = {"realtime": 4, "best-effort": 4, "idle": 0}

Amount = int | tuple[int, int] | None

Check = Callable[[str, object], object]

AMOUNTS = ("cpu_seconds", "memory", "open_files", "processes", "file_size", "core", "stack")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Limits of a child, as the keyword `limits` takes them. None is as the parent has it.

    An amount is a number, or a pair of a soft limit, which the child may raise again, and a
    hard one; -1, or `resource.RLIM_INFINITY`, is no limit. A process that the child starts
    inherits each of them, and, but for `processes` and what `cgroup` says, has it for
    itself: ten processes may use ten times as much.

    A limit that cannot be set is an OSError of the spawn, with the name of the limit in
    its message and its attribute `limit_name`. No limit holds against root.

    Attributes:
        cpu_seconds: seconds of processor time, not of the clock: SIGXCPU, and a second
            later, or at the hard limit of a pair, SIGKILL.
        memory: bytes of address space, reserved or used: an allocation fails. A program
            that does not fit is ended by SIGKILL or SIGSEGV as it is loaded.
        open_files: the number that no descriptor of the child reaches: EMFILE. What is
            open already stays.
        processes: how many processes and threads the child's user may have in all, those
            of other programs counted: EAGAIN. Root is exempt.
        file_size: bytes to which a file may be grown: SIGXFSZ or EFBIG. Not of pipes, not
            the sum of files.
        core: bytes of a core file; 0 for none.
        stack: bytes of the main thread's stack: SIGSEGV. A quarter of it is the most that
            arguments and environment may take.
        nice: the nice value itself, -20 to 19; less than the parent's takes a privilege.
        cpus: numbers of the processors to run on.
        io_priority: "realtime", "best-effort" or "idle", or a pair of that and a level, 0
            (first) to 7. Realtime takes a privilege, and not every I/O scheduler looks.
        oom_score_adj: -1000 (never) to 1000 (first): whom the kernel ends when memory is
            short. Less than the parent's takes a privilege.
        die_with_parent: SIGKILL when the parent ends, however it ends. It does not hold
            for the child's own children, nor for a program that is set-user-id or
            set-group-id, or has file capabilities.
        no_new_privileges: no program that the child runs gains rights, as sudo would.
        cgroup: a cgroup v2 directory below which each child gets one of its own, so that
            it is counted and ended with all that it starts. There, if the controllers are
            enabled for it, memory and processes are limits of that cgroup, for all its
            processes together, and not of the process: of a pair the hard limit counts.

    Raises:
        TypeError, ValueError: a value that no child could have. The name is in the message.
    """

    cpu_seconds: Amount = None
    memory: Amount = None
    open_files: Amount = None
    processes: Amount = None
    file_size: Amount = None
    core: Amount = None
    stack: Amount = None
    nice: int | None = None
    cpus: Iterable[int] | None = None
    io_priority: (
        Literal["realtime", "best-effort", "idle"]
        | tuple[Literal["realtime", "best-effort", "idle"], int]
        | None
    ) = None
    oom_score_adj: int | None = None
    die_with_parent: bool | None = None
    no_new_privileges: bool | None = None
    cgroup: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        for name in AMOUNTS:
            self._keep(name, checked_amount)
        self._keep("nice", lambda name, value: checked(name, value, -20, 19))
        self._keep("oom_score_adj", lambda name, value: checked(name, value, -1000, 1000))
        self._keep("cpus", checked_cpus)
        self._keep("io_priority", checked_io_priority)
        self._keep("die_with_parent", checked_bool)
        self._keep("no_new_privileges", checked_bool)
        self._keep("cgroup", checked_path)

    def _keep(self, name: str, check: Check) -> None:
        """Put what a check makes of a value in its place."""
        value = getattr(self, name)
        if value is not None:
            object.__setattr__(self, name, check(name, value))


def number(name: str, value: object) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not bool")
    try:
        return index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}") from None


def checked(name: str, value: object, least: int, most: int) -> int:
    found = number(name, value)
    if not least <= found <= most:
        raise ValueError(f"{name} must be from {least} to {most}, not {found}")
    return found


def amount(name: str, value: object) -> int:
    found = number(name, value)
    return UNLIMITED if found == INFINITY else checked(name, found, UNLIMITED, LARGEST)


def checked_amount(name: str, value: object) -> int | tuple[int, int]:
    if not isinstance(value, (tuple, list)):
        return amount(name, value)
    if len(value) != 2:
        raise ValueError(f"{name} must be a number or a pair (soft, hard)")
    soft, hard = (amount(name, each) for each in value)
    if hard != UNLIMITED and (soft == UNLIMITED or soft > hard):
        raise ValueError(f"{name} has a soft limit that is above the hard one")
    return soft, hard


def checked_cpus(name: str, value: object) -> tuple[int, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be numbers of processors")
    cpus = tuple(sorted({checked(name, cpu, 0, MOST_CPUS - 1) for cpu in value}))
    if not cpus:
        raise ValueError(f"{name} must not be empty")
    return cpus


def checked_io_priority(name: str, value: object) -> tuple[str, int]:
    kind, level = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, None)
    if not isinstance(kind, str):
        raise TypeError(f"{name} must be a class or a pair (class, level)")
    if kind not in IO_CLASSES:
        raise ValueError(f"{name} must be of class {', '.join(IO_CLASSES)}, not {kind}")
    if level is None:
        level = IO_CLASSES[kind]
    return kind, checked(name, level, 0, IO_LEVELS - 1)


def checked_bool(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}")
    return value


def checked_path(name: str, value: object) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be a path, not {type(value).__name__}")
    path = os.fspath(value)
    if not isinstance(path, str):
        raise TypeError(f"{name} must be a path of str")
    if not path or "\0" in path:
        raise ValueError(f"{name} must be a path of a directory")
    return path
