"""A command with options of its own, and what the options of run(), map() and Pool mean."""

from __future__ import annotations

import codecs
import io
import locale
from collections.abc import Callable
from operator import index
from os import PathLike
from subprocess import DEVNULL, PIPE, SubprocessError
from typing import Any, Literal, Protocol

from procession._shot import Terms
from procession.completed import Reason
from procession.spec import Spec, Stream

Backoff = float | Callable[[int], float]

# Seconds after which waits between attempts get no longer by themselves.
LONGEST_BACKOFF = 60.0

# What is about a command of many, and nothing to run() one.
BATCH_OPTIONS = frozenset(["backoff", "priority", "retries", "weight"])


class Command:
    """A command for map() or Pool with options that differ from those of the others.

    Attributes:
        args: as run() takes it.
        options: keywords of run(), of map() those that are about one command (retries,
            backoff), and `priority` and `weight` as for Pool.submit().
    """

    __slots__ = ("args", "options")

    def __init__(self, args: Any, **options: Any) -> None:
        self.args = args
        self.options = options

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"Command({self.args!r}{options})"


class Attempt(Protocol):
    """An attempt at a command, for the function that `prepare` of map() names.

    It may keep it, and use pause(), resume() and end() for as long as the attempt lasts.

    Attributes:
        item: the command as it was given.
        args: what is to be run, as run() takes it: the same, unless it is set to something
            else, of which the `args` of the result will speak.
        index: the command's place among all, from 0.
        slot: a number below the concurrency that no other child has at the same time.
        attempts: which one this is, from 1. At a limit of the machine one is prepared again.
        pid: the child's number, 0 until it is known.
    """

    item: Any
    args: Any
    index: int
    slot: int
    attempts: int
    pid: int

    def relay(
        self, out: Callable[[bytes], object] | None, err: Callable[[bytes], object] | None
    ) -> None:
        """Give the outputs that are PIPE to functions, as they come, instead of gathering them.

        Each is called on the loop's thread with a piece of at most 64 KiB. What it raises is
        the `error` of the result, and ends the command. None gathers.
        """

    def pause(self) -> None:
        """Take no more output for now: when its pipes are full the command waits."""

    def resume(self) -> None:
        """Take output again."""

    def send_signal(self, sig: int) -> None:
        """Send a signal to it and to all that it has started, if it is not being ended.

        It reaches one that is being started as soon as that has happened, of several signals
        the last.
        """

    def end(self, reason: Reason = "cancelled", grace: float | None = None) -> None:
        """End it, with all that it has started, for a reason that its result will have.

        Args:
            grace: how many seconds there are between SIGTERM and SIGKILL. None: as many as
                the command was given.
        """


def waits_of(backoff: Backoff) -> Callable[[int], float]:
    """Return what gives the seconds to wait after so many attempts."""
    if callable(backoff):
        return backoff
    if backoff < 0:
        raise ValueError("backoff must be 0 or more seconds")
    return lambda attempts: min(backoff * 2.0 ** min(attempts - 1, 64), LONGEST_BACKOFF)


def bytes_of(input: Any, encoding: str | None, errors: str) -> bytes | None:
    """Return the input as it is to be written."""
    if input is None or type(input) is bytes:
        if encoding is not None and input is not None:
            raise TypeError("input must be str in text mode, not bytes")
        return input
    if isinstance(input, str):
        if encoding is None:
            raise TypeError("input must be a bytes-like object, not 'str', unless text=True")
        return input.encode(encoding, errors)
    if encoding is not None:
        raise TypeError(f"input must be str in text mode, not {type(input).__name__}")
    return bytes(memoryview(input))


def text_mode_of(encoding: str | None, errors: str | None) -> tuple[str, str]:
    """Return the encoding and the error handler of text mode, which both exist.

    Raises:
        LookupError, TypeError: in the words of io.TextIOWrapper, which subprocess uses.
    """
    if encoding is None:
        encoding = locale.getpreferredencoding(False)
    with io.TextIOWrapper(io.BytesIO(), encoding, errors) as stream:
        # Else known only when there is something to handle.
        codecs.lookup_error(stream.errors or "strict")
        return stream.encoding, stream.errors or "strict"


def count_of(value: Any, name: str, least: int) -> int:
    """Return a number that must be an integer of at least `least`."""
    number = index(value)
    if number < least:
        raise ValueError(f"{name} must be {least} or more, not {number}")
    return number


def terms_for(
    *,
    shell: bool = False,
    input: Any = None,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    capture_output: bool = False,
    timeout: float | None = None,
    idle_timeout: float | None = None,
    eof_grace: float | None = None,
    grace: float = 5.0,
    text: bool | None = None,
    universal_newlines: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    max_output: int | None = None,
    overflow: Literal["truncate", "end"] = "truncate",
    retries: int = 0,
    backoff: Backoff = 1.0,
    priority: int = 0,
    weight: int = 1,
    bufsize: int | None = -1,
    executable: str | bytes | PathLike[str] | PathLike[bytes] | None = None,
    **popen: Any,
) -> Terms:
    """Return how a command is run with these options.

    Raises:
        TypeError, ValueError, SubprocessError: what subprocess.run() raises for them, or
            ours for those it does not have.
    """
    if input is not None and stdin is not None:
        raise ValueError("stdin and input arguments may not both be used.")
    if capture_output:
        if stdout is not None or stderr is not None:
            raise ValueError("stdout and stderr arguments may not be used with capture_output.")
        stdout = stderr = PIPE
    if (
        text is not None
        and universal_newlines is not None
        and bool(text) != bool(universal_newlines)
    ):
        raise SubprocessError(
            "Cannot disambiguate when both text and universal_newlines are supplied but "
            "different. Pass one or the other."
        )
    if bufsize is not None and not isinstance(bufsize, int):
        raise TypeError("bufsize must be an integer")
    if overflow not in ("truncate", "end"):
        raise ValueError(f"overflow must be 'truncate' or 'end', not {overflow!r}")
    if idle_timeout is not None and PIPE not in (stdout, stderr):
        raise ValueError("idle_timeout needs an output that is captured")
    is_text = bool(text or universal_newlines or encoding or errors)
    encoding, handler = text_mode_of(encoding, errors) if is_text else (None, "strict")
    data = bytes_of(input, encoding, handler)
    return Terms(
        # The arguments differ from command to command.
        Spec([""], PIPE if input is not None else stdin, stdout, stderr, **popen),
        executable=executable,
        shell=bool(shell),
        input=data,
        timeout=timeout,
        idle_timeout=idle_timeout,
        eof_grace=eof_grace,
        grace=grace,
        max_output=None if max_output is None else count_of(max_output, "max_output", 0),
        stops_overflow=overflow == "end",
        text=is_text,
        encoding=encoding,
        errors=handler,
        retries=count_of(retries, "retries", 0),
        backoff=waits_of(backoff),
        priority=index(priority),
        weight=count_of(weight, "weight", 1),
    )


# Of each output of a command of a batch, unless it says otherwise.
DEFAULT_MAX_OUTPUT = 16 * 1024 * 1024


class Options:
    """The options that the commands of a batch share."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self.shared = self._terms({})

    def _terms(self, options: dict[str, Any]) -> Terms:
        merged = {"max_output": DEFAULT_MAX_OUTPUT, **self._options, **options}
        if "input" in options:
            merged.pop("stdin", None)
        elif "stdin" in options:
            merged.pop("input", None)
        if merged.get("input") is None and merged.get("stdin") is None:
            # Several children would take each other's input.
            merged["stdin"] = DEVNULL
        return terms_for(**merged)

    def terms_of(self, item: Any, **options: Any) -> tuple[Terms, Any]:
        """Return how to run a command, and its arguments."""
        if isinstance(item, Command):
            return self._terms({**item.options, **options}), item.args
        return (self._terms(options) if options else self.shared), item
