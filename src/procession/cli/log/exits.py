"""How a job ended, in two numbers, as GNU parallel tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procession.completed import Completed

# The exit value of a job that did not end by itself.
STOPPED = -1


def exit_of(result: Completed) -> tuple[int, int]:
    """Return the exit value and the signal that a job log has for a result.

    Both are 0 exactly if the result is ok. One that was ended for a timeout or the like has
    the exit value -1, whatever it returned.
    """
    signal = max(0, -result.returncode)
    if result.reason in ("exit", "signal", "spawn error"):
        return max(0, result.returncode), signal
    return STOPPED, signal


def status_of(result: Completed) -> int:
    """Return the exit status of a command that ends as this job did.

    128 + N if signal N ended it, 255 if it did not end by itself.
    """
    exit_value, signal = exit_of(result)
    if exit_value == STOPPED:
        return 255
    return exit_value or (128 + signal if signal else 0)
