"""Jobs and their ends, as the engine would tell of them."""

from types import SimpleNamespace

from procession.cli.run.jobs import Ended, Job
from procession.completed import Completed, Usage


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def options(progress=None, quiet=False, ungroup=False, dry_run=False):
    return SimpleNamespace(progress=progress, quiet=quiet, ungroup=ungroup, dry_run=dry_run)


def job(number=1, command="true", slot=1, started=0.0):
    return Job(number, ("a",), command, slot, 1, started, None)


def ended(job, returncode=0, usage=None, **known):
    """Return the end of a job; `known` is what a Completed has."""
    reason = known.pop("reason", "exit" if returncode >= 0 else "signal")
    result = Completed(["true"], returncode, pid=7, reason=reason, **known)
    # What the engine gives is only in its own form.
    result._used = usage
    return Ended(job, result, None, None)


def usage(user=0.0, system=0.0, max_rss=0, floor=0):
    return Usage(user, system, max_rss, floor, 0, 0, 0, 0, 0, 0)
