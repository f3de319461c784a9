"""What has become of a command."""

from __future__ import annotations

import signal as signals
import subprocess
from dataclasses import dataclass
from typing import Any, Literal

Reason = Literal[
    "exit",
    "signal",
    "timeout",
    "idle",
    "output limit",
    "out of memory",
    "cancelled",
    "spawn error",
]

# How much of stderr an error message ends with.
TAIL_LINES = 10
TAIL_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Usage:
    """What a child has used, with those of its own children that it has waited for.

    From wait4(2). The kernel counts for the peak memory what the parent had, too, whose
    memory the child shares up to the exec: `max_rss` is the child's own where it is larger
    than `max_rss_floor`, and else says only that the child had no more than that.

    Attributes:
        user, system: seconds of processor time.
        max_rss: the most memory that was resident, in bytes.
        max_rss_floor: the same of this process, when it was first asked for this.
        minor_faults, major_faults: page faults without and with a read from a disk.
        voluntary_switches, involuntary_switches: context switches.
        block_in, block_out: blocks of 512 bytes read from and written to devices.
    """

    user: float
    system: float
    max_rss: int
    max_rss_floor: int
    minor_faults: int
    major_faults: int
    voluntary_switches: int
    involuntary_switches: int
    block_in: int
    block_out: int


def usage_of(rusage: bytes) -> Usage:
    # Where there is no engine there is no such module, nor anything to report.
    import resource

    from procession._reaper import rusage_of

    used = rusage_of(rusage)
    kib = 1024
    return Usage(
        used.ru_utime,
        used.ru_stime,
        used.ru_maxrss * kib,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * kib,
        used.ru_minflt,
        used.ru_majflt,
        used.ru_nvcsw,
        used.ru_nivcsw,
        used.ru_inblock,
        used.ru_oublock,
    )


class Completed(subprocess.CompletedProcess[Any]):
    """What has become of a command: a subprocess.CompletedProcess that knows more.

    Attributes:
        args: the command, as it was given.
        returncode: the exit status; -N if signal N ended the child. Of a command that could
            not be started 127 if there is no such program, else 126, as a shell reports
            it; 125 if it was cancelled before.
        stdout, stderr: bytes, or str in text mode; None if not captured.
        pid: its number, None if there was no child.
        reason: "exit" or "signal" if it ended by itself; "timeout", "idle", "output limit"
            or "cancelled" if it was ended for that; "out of memory" if the kernel ended it
            for that, as far as can be told (see Limits); "spawn error".
        started: when, in seconds since the epoch.
        duration: how long it took, in seconds, start included.
        truncated: how many bytes of output were left out because of `max_output`.
        error: the exception that a "spawn error" is about, or with which its output could
            not be decoded (it is bytes then) or kept for want of memory; None.
        attempts: how often it was tried.
        slot: a number below the concurrency that no other child had at the same time.
        index: its place among the commands, from 0.
    """

    def __init__(
        self,
        args: Any,
        returncode: int,
        stdout: Any = None,
        stderr: Any = None,
        pid: int | None = None,
        reason: Reason = "exit",
        started: float = 0.0,
        duration: float = 0.0,
        rusage: bytes | None = None,
        truncated: int = 0,
        error: Exception | None = None,
        attempts: int = 1,
        slot: int = 0,
        index: int = 0,
    ) -> None:
        self.args = args
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        self.pid = pid
        self.reason = reason
        self.started = started
        self.duration = duration
        self._used: bytes | Usage | None = rusage
        self.truncated = truncated
        self.error = error
        self.attempts = attempts
        self.slot = slot
        self.index = index

    @property
    def signal(self) -> signals.Signals | None:
        """The signal that ended the child, None if none did."""
        if self.pid is None or self.returncode >= 0:
            return None
        try:
            return signals.Signals(-self.returncode)
        except ValueError:
            # A real-time signal between the two that have names.
            return None

    @property
    def usage(self) -> Usage | None:
        """What the child has used; None if it was never started, or reaped by somebody else."""
        if isinstance(self._used, bytes):
            self._used = usage_of(self._used)
        return self._used

    def __getstate__(self) -> dict[str, Any]:
        # The floor of the memory is this process's.
        return {**self.__dict__, "_used": self.usage}

    @property
    def ok(self) -> bool:
        """Whether the command ran and ended by itself with status 0."""
        return self.returncode == 0 and self.reason == "exit"

    def check_returncode(self) -> None:
        """Raise what `run(..., check=True)` would, unless the command ended with status 0.

        Raises:
            CommandFailed: a subprocess.CalledProcessError.
            OSError, ValueError, TypeError: the command could not be started.
            UnicodeDecodeError, MemoryError: its output is no text, or too much.
        """
        try:
            if self.error is not None:
                raise self.error
            if not self.ok:
                raise CommandFailed(self)
        finally:
            # This holds the error, whose traceback holds this frame.
            del self

    def __repr__(self) -> str:
        words = [f"args={self.args!r}", f"returncode={self.returncode!r}"]
        if self.reason not in ("exit", "signal"):
            words.append(f"reason={self.reason!r}")
        words += [
            f"{name}={value!r}"
            for name, value in (
                ("stdout", self.stdout),
                ("stderr", self.stderr),
                ("error", self.error),
            )
            if value is not None
        ]
        return f"Completed({', '.join(words)})"


def tail_of(stderr: Any) -> str:
    """Return the last lines of an output for an error message, or nothing."""
    if not stderr:
        return ""
    # Of bytes more than so many characters can take, so that none of them is cut through.
    end = stderr[-8 * TAIL_CHARACTERS :]
    text = end if isinstance(end, str) else end.decode(errors="backslashreplace")
    lines = text.rstrip()[-TAIL_CHARACTERS:].splitlines()[-TAIL_LINES:]
    return "".join(f"\n    {line}" for line in lines)


class CommandFailed(subprocess.CalledProcessError):
    """A command ended otherwise than with status 0. Its message ends with that of stderr.

    Attributes:
        result: the Completed.
    """

    def __init__(self, result: Completed) -> None:
        super().__init__(result.returncode, result.args, result.stdout, result.stderr)
        self.result = result

    def __reduce__(self) -> Any:
        return type(self), (self.result,)

    def __str__(self) -> str:
        message = super().__str__()
        if self.returncode == 0:
            message = f"Command '{self.cmd}' returned exit status 0."
        if self.result.reason not in ("exit", "signal"):
            message = f"{message[:-1]} ({self.result.reason})."
        tail = tail_of(self.stderr)
        return f"{message} stderr ends with:{tail}" if tail else message


class CommandTimedOut(subprocess.TimeoutExpired):
    """A command took too long, or was silent for too long, and was ended for that.

    Its `output` and `stderr` are what came so far, as bytes.

    Attributes:
        result: the Completed.
    """

    def __init__(self, result: Completed, timeout: float, output: Any, stderr: Any) -> None:
        super().__init__(result.args, timeout, output, stderr)
        self.result = result

    def __reduce__(self) -> Any:
        return type(self), (self.result, self.timeout, self.output, self.stderr)

    def __str__(self) -> str:
        message = super().__str__()
        if self.result.reason == "idle":
            message = f"Command '{self.cmd}' had no output for {self.timeout} seconds"
        tail = tail_of(self.stderr)
        return f"{message}; stderr ends with:{tail}" if tail else message
