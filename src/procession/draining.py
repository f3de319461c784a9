"""Exit and drain apart: what is awaited, and who still holds a pipe."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Collection, Coroutine, Generator, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from procession.trees import Descendant

if TYPE_CHECKING:
    from procession.streams import StreamReader

T = TypeVar("T")

logger = logging.getLogger("procession")


class Event(Generic[T]):
    """What can be awaited any number of times, and need not be."""

    def __init__(self, wait: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._wait = wait

    def __await__(self) -> Generator[Any, Any, T]:
        return self._wait().__await__()


async def ends_of(readers: Iterable[StreamReader]) -> None:
    """Wait until each pipe has come to its end. Cancelled, it changes nothing."""
    for reader in readers:
        waiter = reader._begin_end()
        if waiter is None:
            continue
        try:
            await waiter
        finally:
            reader._end_failed(waiter)


def holders_of(pipes: Iterable[int], but: Iterable[int]) -> list[Descendant]:
    """Return the processes that have the other end of one of our pipes.

    Our own end is of the same inode as the other one; how each was opened is told apart
    by /proc/PID/fdinfo.
    """
    wanted = {}
    for fd in pipes:
        wanted[os.readlink(f"/proc/self/fd/{fd}")] = not is_writing(f"/proc/self/fdinfo/{fd}")
    left_out = {os.getpid(), *but}
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) not in left_out and holds(entry, wanted):
            name = name_of(entry)
            if name is not None:
                found.append(Descendant(int(entry), name))
    return found


def name_of(pid: str) -> str | None:
    """Return the name of a process, None if it has ended."""
    try:
        with open(f"/proc/{pid}/comm", errors="surrogateescape") as file:
            return file.read().rstrip("\n")
    except (FileNotFoundError, ProcessLookupError):
        return None


def holds(pid: str, wanted: dict[str, bool]) -> bool:
    """Say whether a process has a descriptor of a pipe, {link: of its writing end}.

    Those of another user are not to be seen; a process may end, or close one, meanwhile.
    """
    with contextlib.suppress(PermissionError, FileNotFoundError, ProcessLookupError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                writes = wanted.get(os.readlink(f"/proc/{pid}/fd/{fd}"))
                if writes is not None and is_writing(f"/proc/{pid}/fdinfo/{fd}") == writes:
                    return True
    return False


def is_writing(fdinfo: str) -> bool:
    """Say whether a descriptor is of a pipe's writing end; one that is of both is."""
    with open(fdinfo) as file:
        flags = next(line for line in file if line.startswith("flags:"))
    return int(flags.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY


def warn_of_holders(pid: int, pipes: Collection[int]) -> None:
    """Log who keeps the outputs of a process open whose ends are waited for no longer."""
    if not pipes or not logger.isEnabledFor(logging.WARNING):
        return
    try:
        holders = ", ".join(f"{name} (pid {number})" for number, name in holders_of(pipes, ()))
    except OSError as error:
        # What was read is worth more than who.
        holders = f"a process that is not looked for: {error}"
    logger.warning(
        "output of process %d is held open by %s", pid, holders or "a process that cannot be seen"
    )
