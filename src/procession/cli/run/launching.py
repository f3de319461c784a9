"""The attempts that run: how each is begun, and what is done to all of them."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from procession import DEVNULL, PIPE
from procession.cli.arguments.values import environment_of, limits_of
from procession.cli.run.scripts import Scripts
from procession.spec import UNIX_SHELL

if TYPE_CHECKING:
    from procession import Attempt
    from procession.cli.run.jobs import Job
    from procession.cli.run.reporting import Reports
    from procession.cli.template.template import Template

# How long a job's output is read after its end, in seconds. What the job itself has written
# is there by then; what it has left in the background may hold the pipe open for ever.
EOF_GRACE = 1.0


def options_for(options: Namespace) -> dict[str, Any]:
    """Return the options of map() that are about each job."""
    output = None if options.ungroup else PIPE
    if options.quiet and options.results is None:
        output = DEVNULL
    return {
        "stdout": output,
        "stderr": output,
        # Ctrl-C is ours to hear, and no job waits for the terminal of which it knows nothing.
        "start_new_session": True,
        "cwd": options.cwd,
        "env": environment_of(options),
        "limits": limits_of(options),
        "timeout": None if options.timeout is None else options.timeout.seconds,
        "grace": options.kill_after,
        "eof_grace": EOF_GRACE,
        "retries": options.retries,
        "backoff": options.backoff,
    }


class Launcher:
    """Prepares each attempt, and knows those that run.

    Attributes:
        fault: what has gone wrong in the preparation last, which is no fault of a job.
    """

    def __init__(self, options: Namespace, template: Template, reports: Reports) -> None:
        self._scripts = Scripts(options.cwd, environment_of(options))
        self._template = template
        self._reports = reports
        # By the index of the command in its batch.
        self._running: dict[int, Attempt] = {}
        self._is_paused = False
        self.fault: Exception | None = None

    @property
    def running(self) -> int:
        """How many jobs run, or are to be tried again."""
        return len(self._running)

    @property
    def are_starting(self) -> bool:
        """Whether there are attempts of which it is not known yet if they run."""
        return any(attempt.pid == 0 for attempt in self._running.values())

    def prepare(self, attempt: Attempt) -> None:
        """Make the command line, now that the slot is known."""
        self._running[attempt.index] = attempt
        try:
            self._prepare(attempt)
        except Exception as error:
            self.fault = error
            raise

    def _prepare(self, attempt: Attempt) -> None:
        job: Job = attempt.item
        job.slot = attempt.slot + 1
        job.attempt = attempt.attempts
        args, _, job.command = self._template.render(job.values, job.number, job.slot)
        if isinstance(args, str):
            attempt.args = [UNIX_SHELL, "-c", args]
        else:
            attempt.args = self._scripts.runnable(args)
        job.started = time.monotonic()
        attempt.relay(*self._reports.output.begin(job))
        if self._is_paused:
            attempt.pause()
        self._reports.begin(job)

    def finish(self, index: int) -> Job | None:
        """Forget a command that has ended; return its job, None if it was never begun."""
        attempt = self._running.pop(index, None)
        job: Job | None = None if attempt is None else attempt.item
        return job

    def send_signal(self, sig: int) -> None:
        for attempt in self._running.values():
            attempt.send_signal(sig)

    def end_those_over(self, seconds: float) -> None:
        """End the attempts that have taken longer."""
        now = time.monotonic()
        for attempt in tuple(self._running.values()):
            if now - attempt.item.started > seconds:
                attempt.end("timeout")

    def pause(self) -> None:
        """Take no more output, as nobody takes it from us."""
        self._is_paused = True
        for attempt in self._running.values():
            attempt.pause()

    def resume(self) -> None:
        self._is_paused = False
        for attempt in self._running.values():
            attempt.resume()
