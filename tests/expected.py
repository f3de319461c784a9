"""Where asyncio and procession are meant to differ, and why.

Each entry becomes an xfail of the implementation named. A difference of procession's that
vanishes fails the run; one of asyncio's does with --strict-asyncio.
A pattern is matched against "file::test" and against "file::test[parameters]".
"""

import fnmatch
import sys
from typing import NamedTuple


class Difference(NamedTuple):
    tests: str
    implementation: str
    when: bool
    reason: str
    strict: bool = True


# Where the entries on asyncio were tried. Elsewhere a release may have brought a fix back,
# so that there alone an unexpected pass is not an error.
TRIED = ((3, 10, 13), (3, 11, 7), (3, 12, 1), (3, 13, 0), (3, 14, 10), (3, 15, 2))


def asyncio_differs(tests: str, reason: str, when: bool = True, strict: bool = True) -> Difference:
    return Difference(tests, "asyncio", when, reason, strict and sys.version_info[:3] in TRIED)


def before(*version: int) -> bool:
    return sys.version_info < version


def procession_differs(tests: str, reason: str, when: bool = True) -> Difference:
    return Difference(tests, "procession", when, reason)


DIFFERENCES = (
    procession_differs(
        "test_errors::test_too_many_extra_groups",
        "on every version procession says it in the words of Popen from 3.12 on",
        before(3, 12),
    ),
    asyncio_differs(
        "test_create::test_the_loop_argument_*",
        "asyncio dropped the documented argument loop in 3.10",
    ),
    asyncio_differs(
        "test_create::test_a_limit_of_zero_is_refused",
        "asyncio fails in a callback and returns a process without streams",
    ),
    asyncio_differs(
        "test_process::test_wait_returns_while_a_grandchild_holds_stdout",
        "asyncio's wait() also waits for the end of every pipe",
        not before(3, 11) and before(3, 14, 7),
    ),
    asyncio_differs(
        "test_process::test_wait_returns_after_kill_with_a_full_unread_pipe",
        "a paused pipe never reports its end, and asyncio's wait() waits for it",
        not before(3, 11) and before(3, 14, 7),
    ),
    asyncio_differs(
        "test_process::test_signalling_a_child_that_is_ending_never_spoils_its_status",
        "asyncio's send_signal() polls, and so takes the status from its own watcher",
        before(3, 13),
    ),
    asyncio_differs(
        "test_process::test_a_pid_stays_taken_while_returncode_is_none",
        "asyncio reaps a child one turn of the loop before it publishes the status",
        before(3, 14, 7),
    ),
    asyncio_differs(
        "test_process::test_a_child_that_outlives_its_loop_is_killed_and_reaped",
        "asyncio's transports reach for the closed loop and leave the child running",
        before(3, 14),
    ),
    asyncio_differs(
        "test_process::test_a_child_that_outlives_its_loop_is_killed_and_reaped",
        "asyncio's transport kills the child, and reaps it only if it is dead microseconds later",
        not before(3, 14),
        strict=False,
    ),
    asyncio_differs(
        "test_lowlevel::test_a_loop_that_is_closed_under_a_child_kills_it",
        "asyncio's transports reach for the closed loop and leave the child running",
        before(3, 14),
    ),
    asyncio_differs(
        "test_lowlevel::test_a_loop_that_is_closed_under_a_child_kills_it",
        "asyncio's transport kills the child, and reaps it only if it is dead microseconds later",
        not before(3, 14),
        strict=False,
    ),
    asyncio_differs(
        "test_lowlevel::test_pausing_inside_a_callback_*",
        "asyncio's pipe transports have is_reading() from 3.11 on",
        before(3, 11),
    ),
    asyncio_differs(
        "test_lowlevel::test_a_paused_pipe_*",
        "asyncio's pipe transports have is_reading() from 3.11 on",
        before(3, 11),
    ),
    asyncio_differs(
        "test_lowlevel::test_callbacks_run_in_the_context_of_the_call",
        "asyncio's watcher thread tells the exit in a context of its own, if it is not too late",
        before(3, 12),
        strict=False,
    ),
    asyncio_differs(
        "test_communicate::test_communicate_none_closes_stdin",
        "asyncio closes stdin only after some input",
        before(3, 12),
    ),
    asyncio_differs(
        "test_communicate::test_text_is_refused_and_the_process_stays_usable",
        "asyncio raises AssertionError and leaves its readers waiting",
    ),
    asyncio_differs(
        "test_communicate::test_a_cancelled_communicate_can_be_continued*",
        "asyncio drops what a cancelled communicate() has read",
    ),
    asyncio_differs(
        "test_communicate::test_half_sent_input_is_neither_lost_nor_sent_again",
        "asyncio drops what a cancelled communicate() has read",
    ),
    asyncio_differs(
        "test_reader::test_readuntil_takes_*separators*",
        "asyncio accepts a tuple of separators from 3.13 on",
        before(3, 13),
    ),
    asyncio_differs(
        "test_writer::test_text_is_refused_with_type_error",
        "asyncio checks the type of what is written by an assertion",
    ),
)


def difference_of(implementation: str, names: tuple[str, ...]) -> Difference | None:
    """Return why and how a test is expected to fail, None if it must pass."""
    for entry in DIFFERENCES:
        named = any(fnmatch.fnmatchcase(name, entry.tests) for name in names)
        if named and entry.when and entry.implementation == implementation:
            return entry
    return None
