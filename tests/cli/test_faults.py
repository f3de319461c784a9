"""What goes wrong within the command itself: it is said, jobs are ended, and the log is true."""

import subprocess
import sys

import pytest

from helpers.command import run

# The n-th call of a function fails. What else would do that is a machine without memory.
FAILING = """
import importlib, sys
from procession.cli.main import main

module, name, n, error = sys.argv[1:5]
owner, _, function = name.partition(".")
owner = getattr(importlib.import_module(module), owner)
works = getattr(owner, function)
calls = 0

def fails(*args, **options):
    global calls
    calls += 1
    if calls == int(n):
        raise {"OSError": OSError(5, "it broke"), "ValueError": ValueError("it broke")}[error]
    return works(*args, **options)

setattr(owner, function, fails)
sys.exit(main(["run", *sys.argv[5:]]))
"""

GROUPED = "procession.cli.output.grouped", "Grouped"
PRINTER = "procession.cli.output.printer", "Printer"
PROGRESS = "procession.cli.progress.progress", "Progress"
SUMMARY = "procession.cli.summary.summary", "Summary"
LOG = "procession.cli.log.joblog", "Joblog"


def failing(place, function, n, error):
    module, name = place
    return [sys.executable, "-c", FAILING, module, f"{name}.{function}", str(n), error]


def logged(folder):
    return {line.split("\t")[0] for line in (folder / "log").read_text().splitlines()[1:]}


@pytest.mark.parametrize("error", ["OSError", "ValueError"])
@pytest.mark.parametrize(
    "place, function, n",
    [
        (GROUPED, "begin", 3),
        (GROUPED, "end", 3),
        (GROUPED, "finish", 1),
        (PRINTER, "_write_some", 3),
        (PRINTER, "drain", 3),
        (PROGRESS, "begin", 3),
        (PROGRESS, "finish", 1),
        (SUMMARY, "render", 1),
        (LOG, "write", 3),
        (LOG, "close", 1),
    ],
    ids=str,
)
def test_a_fault_of_ours_is_no_failed_job_and_nothing_hangs(tmp_path, place, function, n, error):
    words = ["-j1", "-k", "--summary", "--joblog", "log", "echo", ":::", *"123456"]

    done = run(*words, cwd=tmp_path, command=failing(place, function, n, error))

    assert done.returncode == 255
    assert b"it broke" in done.stderr
    assert (b"Traceback" in done.stderr) <= (error == "ValueError")
    assert logged(tmp_path) <= set(done.stdout.decode().split())


@pytest.mark.parametrize("error", ["OSError", "ValueError"])
def test_a_fault_while_jobs_run_is_heard_of(tmp_path, error):

    words = ["--joblog", "log", "--shell", "while [ ! -e go ]; do sleep 0.02; done; :", ":::", "a"]
    command = failing(PROGRESS, "tick", 2, error)
    with subprocess.Popen(
        [*command, *words], cwd=tmp_path, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        said = process.stderr.readline()
        (tmp_path / "go").touch()
        rest = process.stderr.read()

    assert process.returncode == 255
    assert b"it broke" in said + rest


def test_a_dry_run_onto_a_full_disk_says_so():
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "procession", "run", "--dry-run", "echo", ":::", "a"],
            stdout=full,
            stderr=subprocess.PIPE,
        )

    assert done.returncode == 255
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
