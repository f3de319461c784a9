"""The demo, with real programs around it."""

import contextlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from procession import demo

PROGRAM = (sys.executable, "-m", "procession")
SMALL = ("demo", "--children", "20", "--mib", "2", "--lines", "50")
ENDLESS = 100_000_000
PATIENCE = 60

slow = pytest.mark.slow


def run(*arguments, before=(), **options):
    """Run the program to its end; return its status and both outputs."""
    done = subprocess.run(
        [*before, *PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        **options,
    )
    return done.returncode, done.stdout, done.stderr


def rows(name, output):
    """Return what stands in the lines of an implementation."""
    return re.findall(rf"^  {name} +(\S.*)$", output, re.MULTILINE)


def members(session):
    """Return the names of the programs that run in a session."""
    names = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/stat") as stat:
                head, _, tail = stat.read().rpartition(")")
            state, _, _, of = tail.split()[:4]
            if int(of) == session and state not in "ZX":
                names.append(head.partition("(")[2])
    return names


def until(condition):
    """Wait for what another process is about to do."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@slow
def test_the_demo_shows_each_part_of_both_and_ends_well():
    platform = subprocess.check_output([sys.executable, "-m", "platform"], text=True)

    status, output, errors = run(*SMALL)

    assert (status, errors) == (0, "")
    for name in (*demo.IMPLEMENTATIONS, "ratio"):
        assert len(rows(name, output)) == len(demo.PARTS)
    assert f"  Platform: {platform}" in output
    assert output.endswith("\nEvery answer was right.\n")


@slow
@pytest.mark.parametrize(
    "name, script, wrong, count",
    [
        ("cat", 'while read -r line; do echo "$line?"; done', "?\\n' instead of", 4),
        ("cat", "exec >/dev/null; exec {}", "b'' instead of", 4),
        ("cat", "{}; exit 3", "exit status", 4),
        ("head", "exec {} -c 100 /dev/zero", "length of the stream: 100 instead of 2097152", 2),
        ("head", '{} "$@"; kill -9 $$', "exit status: -9 instead of 0", 2),
    ],
    ids=["other bytes", "nothing", "cat fails", "too short", "head is killed"],
)
def test_a_wrong_answer_is_shown_and_ends_the_demo_badly(tmp_path, name, script, wrong, count):
    program = tmp_path / name
    program.write_text("#!/bin/sh\n" + script.format(shutil.which(name)) + "\n")
    program.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

    status, output, errors = run(*SMALL, env={**os.environ, "PATH": path})

    assert (status, errors) == (1, "")
    complaints = [line for line in output.splitlines() if "WRONG: " in line]
    assert len(complaints) == count
    assert all(wrong in line for line in complaints[-2:])
    assert output.endswith(f"\n{count} of the runs went WRONG.\n")


@slow
def test_a_program_that_is_missing_is_named(tmp_path):
    status, output, errors = run(*SMALL, env={**os.environ, "PATH": str(tmp_path)})

    assert (status, errors) == (1, "")
    assert output.count("No such file or directory: 'cat'") == 4
    assert output.count("No such file or directory: 'head'") == 2


@slow
@pytest.mark.parametrize("limit, is_said", [("-S -n 50", False), ("-n 250", True)])
def test_a_low_limit_of_descriptors_is_raised_or_mentioned(limit, is_said):
    shell = ("/bin/sh", "-c", f'ulimit {limit} && exec "$@"', "sh")

    status, output, errors = run("demo", "--children=100", "--mib=1", "--lines=1", before=shell)

    assert (status, errors) == (0, "")
    assert ("the limit of open descriptors allows 30 at once" in output) == is_said


def test_the_limit_of_descriptors_is_restored():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    with demo.descriptors_for(5) as children:
        assert children == 5
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


@slow
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["itself", "its group"])
@pytest.mark.parametrize(
    "sizes, program",
    [
        (("--children=1", f"--mib={ENDLESS}"), "head"),
        (("--children=1", "--mib=1", f"--lines={ENDLESS}"), "cat"),
    ],
    ids=["stream", "conversation"],
)
def test_ctrl_c_ends_the_demo_at_once_without_noise(sizes, program, send):
    process = subprocess.Popen(
        [*PROGRAM, "demo", *sizes],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        title = b"A stream" if program == "head" else b"A conversation"
        while not process.stdout.readline().startswith(title):
            pass
        until(lambda: program in members(process.pid))
        send(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)

    assert (process.returncode, errors) == (-signal.SIGINT, b"")
    assert output.endswith(b"\nInterrupted.\n")
    until(lambda: not members(process.pid))


@pytest.mark.parametrize("arguments", [["--lines=0"], ["--mib", "much"], ["--nonsense"]])
def test_what_the_demo_does_not_know_is_a_usage_error(arguments):
    status, output, errors = run("demo", *arguments)

    assert (status, output) == (255, "")
    assert errors.startswith("procession demo: ")
    assert errors.endswith(" (procession demo --help tells more)\n")
