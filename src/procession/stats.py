"""What has happened in this process so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stats:
    """Counters since the start of the process, of all its event loops.

    A process that was forked begins at zero.
    """

    spawned: int
    """Children that were started."""
    alive: int
    """Those of them whose end is not known. What a loop leaves behind when it is closed is
    not among them: it is killed, or goes on as a child that was detached."""
    failed: int
    """Attempts to start one that ended with an error of the system. An attempt that was
    cancelled before its outcome was known is counted nowhere."""
    ended: int
    """Children that were started and are not alive."""
    queued: int
    """Attempts whose outcome is not known yet."""
    bytes_read: int
    """From pipes, those of `connect_read_pipe()` included."""
    bytes_written: int
    """To pipes, likewise; what waits to be written is not counted."""
    spawn_times: tuple[tuple[float, int], ...]
    """A histogram: (seconds, how many attempts took up to that, and more than the one
    before). The bounds are powers of two of a microsecond, always the same, the last one
    infinite. An attempt lasts from the call until its outcome is known."""


def stats() -> Stats:
    """Return what has happened so far. Takes some ten microseconds, whatever has happened."""
    from procession._counts import read_counts

    return Stats(**read_counts())
