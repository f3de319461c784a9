"""Where procession is known to fail the interpreter's own cases, and why.

Each entry becomes a strict xfail: a difference that vanishes fails the run.
"""

import sys
from typing import NamedTuple


class Difference(NamedTuple):
    case: str
    reason: str
    when: bool = True
    install_only: bool = False  # it passes on a loop of procession's


class LeftOut(NamedTuple):
    case: str
    reason: str


DIFFERENCES = (
    Difference(
        "test_popen_error",
        "it replaces subprocess.Popen by a mock, which procession does not call",
    ),
    Difference(
        "test_popen_error_with_stdin_pipe",
        "it replaces subprocess.Popen by a mock, which procession does not call",
    ),
    Difference(
        "test_pause_reading",
        "it replaces the loop's connect_read_pipe, which procession does not call",
    ),
    Difference(
        "test_subprocess_read_pipe_cancelled",
        "it replaces the loop's connect_read_pipe, which procession does not call",
        install_only=True,
    ),
    Difference(
        "test_subprocess_write_pipe_cancelled",
        "it replaces the loop's connect_write_pipe, which procession does not call",
        install_only=True,
    ),
    Difference(
        "test_subprocess_read_write_pipe_cancelled",
        "it replaces the loop's connect_*_pipe, which procession does not call",
        install_only=True,
    ),
    Difference(
        "test_close_dont_kill_finished",
        "poll() of the transport's Popen publishes what it finds; the case wants it hidden",
    ),
    Difference(
        "test_pid_not_reaped_before_exit_published",
        "it looks at the threads of asyncio's child watcher, which procession does without",
    ),
    Difference(
        "test_create_subprocess_fails_with_inactive_watcher",
        "procession needs no child watcher, so an inactive one is no error",
        sys.version_info < (3, 14),
    ),
)

LEFT_OUT = (LeftOut("test_warns", "it tests that a child watcher of asyncio is deprecated"),)

# These pass, and leave complaints behind that are not about procession.
UNTIDY = {
    "test_kill_issue43884": "it ends while a grandchild holds a pipe, counting on a wait() that "
    "waits for that; the transport warns that nobody has closed it",
    "test_communicate_ignore_broken_pipe": "up to 3.11 asyncio's streams make an exception of "
    "a broken pipe that nobody retrieves (gh-105616)",
}


def difference_of(case, loop=""):
    """Return the reason why a case is expected to fail, None if it must pass.

    `loop` is the kind of loop of procession that it runs on, "" under install().
    """
    for entry in DIFFERENCES:
        if entry.when and entry.case == case and (not loop or not entry.install_only):
            return entry.reason
    return None


def is_left_out(case):
    return any(entry.case == case for entry in LEFT_OUT)
