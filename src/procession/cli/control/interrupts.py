"""What signals mean while jobs run: Ctrl-C in three steps, SIGTERM, and a stop by Ctrl-Z."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol


class Interruptible(Protocol):
    """What signals do something to."""

    def begin_no_more(self) -> None: ...
    def end_jobs(self) -> None: ...
    def kill_jobs(self) -> None: ...
    def signal_jobs(self, sig: int) -> None: ...
    def are_starting(self) -> bool: ...
    def leave_terminal(self) -> None: ...
    def return_to_terminal(self) -> None: ...


# What Ctrl-C does the first time, the second and from then on; SIGTERM and SIGHUP begin with
# the second, Ctrl-\ with the third.
STEPS: tuple[Callable[[Interruptible], None], ...] = (
    lambda jobs: jobs.begin_no_more(),
    lambda jobs: jobs.end_jobs(),
    lambda jobs: jobs.kill_jobs(),
)
FIRST_STEPS = {signal.SIGINT: 0, signal.SIGTERM: 1, signal.SIGHUP: 1, signal.SIGQUIT: 2}

# How often, and with how many seconds between, jobs that are being started are waited for
# before a stop.
LOOKS, BETWEEN_LOOKS = 100, 0.01


class Interrupts:
    """The signals of a run.

    Attributes:
        received: the first that asked for an end, None if none did.
    """

    def __init__(self, jobs: Interruptible) -> None:
        self._jobs = jobs
        self._step = 0
        self._is_stopping = False
        self.received: signal.Signals | None = None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Handle them on the running loop. What is ignored, as by nohup, stays ignored."""
        loop = asyncio.get_running_loop()
        handlers: dict[signal.Signals, Callable[[], None]] = {
            signal.SIGTSTP: self._stop,
            signal.SIGCONT: self._go_on,
            **{sig: partial(self._end, sig) for sig in FIRST_STEPS},
        }
        watched = [sig for sig in handlers if signal.getsignal(sig) is not signal.SIG_IGN]
        for sig in watched:
            loop.add_signal_handler(sig, handlers[sig])
        try:
            yield
        finally:
            for sig in watched:
                loop.remove_signal_handler(sig)

    def _end(self, sig: signal.Signals) -> None:
        if self.received is None:
            self.received = sig
        step = max(self._step, FIRST_STEPS[sig])
        self._step = min(step + 1, len(STEPS) - 1)
        STEPS[step](self._jobs)

    # Jobs are in sessions of their own, which the terminal does not stop.

    def _stop(self) -> None:
        self._jobs.leave_terminal()
        self._jobs.signal_jobs(signal.SIGSTOP)
        if not self._is_stopping:
            self._is_stopping = True
            self._stop_after_jobs(LOOKS)

    def _stop_after_jobs(self, looks: int) -> None:
        """Stop this process, when the jobs that are being started have had their signal."""
        if not self._is_stopping:
            return
        if looks and self._jobs.are_starting():
            loop = asyncio.get_running_loop()
            loop.call_later(BETWEEN_LOOKS, self._stop_after_jobs, looks - 1)
            return
        # Some may have begun since.
        self._jobs.signal_jobs(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)

    def _go_on(self) -> None:
        self._is_stopping = False
        self._jobs.signal_jobs(signal.SIGCONT)
        self._jobs.return_to_terminal()
