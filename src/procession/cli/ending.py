"""How the command ends where it is not by a status: of a signal, as other programs do.

A shell that runs a script stops at Ctrl-C only if the program that was running died of it.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
from typing import Final, NoReturn

# Beyond what the number of failed jobs can be.
FAULT_STATUS: Final = 255

# What is no fault of the program that writes.
NOT_WRITTEN: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def die_of(signum: signal.Signals) -> NoReturn:
    """End this process by a signal's default action. What is buffered is not written."""
    signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signum])
    signal.raise_signal(signum)
    # The first process of a container does not die of a signal that it has no handler for.
    os._exit(128 + signum)


def end_without_reader() -> NoReturn:
    """End after a BrokenPipeError as a program does that leaves SIGPIPE alone.

    To be called while the exception is handled: it goes on where it comes from another pipe
    than standard output.
    """
    if not has_lost_reader():
        raise
    die_of(signal.SIGPIPE)


def end_unwritable(error: OSError) -> NoReturn:
    """End in a sentence where the disk under standard output is full, and the like.

    To be called while the exception is handled: any other goes on.
    """
    if error.errno not in NOT_WRITTEN or error.filename is not None:
        raise
    print(f"procession: {error}", file=sys.stderr, flush=True)
    # The interpreter would try to write once more what is buffered.
    os._exit(FAULT_STATUS)


def has_lost_reader() -> bool:
    """Whether nobody will read what is written to standard output."""
    poll = select.poll()
    poll.register(1, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def flush() -> None:
    """Write what is buffered for standard output, if there is one."""
    # None where descriptor 1 was closed when the interpreter started.
    if sys.stdout is not None:
        sys.stdout.flush()
