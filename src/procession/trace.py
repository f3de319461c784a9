"""A batch as a picture: trace events that Perfetto and chrome://tracing open.

The format is the JSON array of the "Trace Event Format" document: one event a line, written
as it comes, so that memory does not grow; viewers do without the bracket at the end, so a
file that was cut off opens, too.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from types import TracebackType
from typing import Any

# Written at once, and whole events only.
BLOCK = 64 * 1024
LONGEST_COMMAND = 200
MICROSECONDS = 1_000_000

ENCODER = json.JSONEncoder(separators=(",", ":"))


def text_of(argument: Any) -> str:
    """Return an argument as text that every reader of JSON takes."""
    if not isinstance(argument, (str, bytes, os.PathLike)):
        # No argument at all: the result says so.
        return repr(argument)
    return os.fsencode(argument).decode(errors="backslashreplace")


def describe(args: Any) -> tuple[str, str]:
    """Return the program's base name and the command line, shortened."""
    if isinstance(args, Sequence) and not isinstance(args, (str, bytes)):
        program = text_of(args[0]) if args else ""
        words: list[str] = []
        length = 0
        for arg in args:
            if length > LONGEST_COMMAND:
                break
            words.append(shlex.quote(text_of(arg)))
            length += len(words[-1]) + 1
        command = " ".join(words)
    else:
        command = text_of(args)
        program = command.split(maxsplit=1)[0] if command.strip() else command
    if len(command) > LONGEST_COMMAND:
        command = command[: LONGEST_COMMAND - 1] + "…"
    return os.path.basename(program) or program, command


class Trace:
    """A file of trace events, each result a bar on its slot.

    Command lines are written to it, shortened: it is as secret as they are.

    Args:
        path: of the file, which is made or replaced.

    Raises:
        OSError: the file cannot be written; add() and close() raise it as well, where the
            disk is full.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._pid = os.getpid()
        self._lanes: dict[int, int] = {}
        self._block = bytearray()
        self._file = open(path, "wb")  # noqa: SIM115 - it is closed by close()
        self._separator = b"[\n"
        self._write("process_name", "M", args={"name": f"procession, process {self._pid}"})

    def __enter__(self) -> Trace:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, completed: Any) -> None:
        """Write a Completed, or what has its attributes.

        Those of one slot have to come in the order in which they ran. One without a slot
        gets a lane on which nothing else ran at that time.

        Raises:
            ValueError: the trace is closed.
        """
        if self._file.closed:
            raise ValueError("the trace is closed")
        begin = round(completed.started * MICROSECONDS)
        end = round((completed.started + completed.duration) * MICROSECONDS)
        lane = self._lane(completed.slot, begin)
        # The clock that tells when a child was started may be set back: lanes stay lanes.
        begin = max(begin, self._lanes[lane])
        end = self._lanes[lane] = max(end, begin)
        name, command = describe(completed.args)
        usage = completed.usage
        args = {
            "command": command,
            "pid": completed.pid,
            "returncode": completed.returncode,
            "seconds": completed.duration,
            "attempts": completed.attempts,
            "user": usage and usage.user,
            "system": usage and usage.system,
            "max_rss": usage and usage.max_rss,
            "error": completed.error and str(completed.error),
        }
        self._write(
            name,
            "X",
            cat=completed.reason,
            ts=begin,
            dur=end - begin,
            tid=lane,
            args={key: value for key, value in args.items() if value is not None},
        )

    def _lane(self, slot: int | None, begin: int) -> int:
        lane = slot
        if lane is None or lane < 0:
            free = (lane for lane, end in self._lanes.items() if end <= begin)
            lane = next(free, max(self._lanes, default=-1) + 1)
        if lane not in self._lanes:
            self._lanes[lane] = 0
            self._write("thread_name", "M", tid=lane, args={"name": f"slot {lane}"})
        return lane

    def _write(self, name: str, phase: str, **fields: Any) -> None:
        event = {"name": name, "ph": phase, "pid": self._pid, **fields}
        self._block += self._separator + ENCODER.encode(event).encode()
        self._separator = b",\n"
        if len(self._block) >= BLOCK:
            self._flush()

    def _flush(self) -> None:
        block, self._block = self._block, bytearray()
        self._file.write(block)
        self._file.flush()

    def close(self) -> None:
        """Write what is left and the end. Twice is fine.

        Raises:
            OSError: it could not be written; the file is closed nevertheless.
        """
        if self._file.closed:
            return
        with self._file:
            self._block += b"\n]\n"
            self._flush()
