"""Jobs of the command that have ended, as its parts are told of them."""

import shutil
import subprocess
from dataclasses import dataclass

import pytest

from procession import Completed
from procession.cli.run.jobs import Ended, Job


@dataclass
class Output:
    """As much of a kept output as a log wants to know."""

    size: int


def ended(
    number=1,
    command="true",
    returncode=0,
    *,
    reason=None,
    input=None,
    size=0,
    started=1_800_000_000.0,
    duration=0.25,
):
    """Return a job that ended so."""
    if reason is None:
        reason = "signal" if returncode < 0 else "exit"
    pid = None if reason == "spawn error" else 7
    result = Completed(
        command, returncode, pid=pid, reason=reason, started=started, duration=duration
    )
    job = Job(number, (), command, 1, 1, 0.0, input)
    return Ended(job, result, Output(size), None)


def gnu_parallel():
    """Return the path of GNU parallel; skip the test where it is not."""
    path = shutil.which("parallel")
    if path is None:
        pytest.skip("there is no parallel on PATH")
    version = subprocess.run([path, "--version"], capture_output=True, text=True)
    if "GNU parallel" not in version.stdout:
        pytest.skip("the parallel on PATH is not GNU's")
    return path


def run_parallel(*words, check=None, **options):
    """Run GNU parallel; return its CompletedProcess, with text."""
    done = subprocess.run(
        [gnu_parallel(), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )
    if check is not None:
        assert done.returncode == check, done.stderr
    return done
