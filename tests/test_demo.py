"""The demo and the rest of `python -m procession`, with real programs around it."""

import os
import re
import resource
import select
import signal
import subprocess
import sys
import time

import procession
import pytest
from procession import demo

PROGRAM = (sys.executable, "-m", "procession")
SMALL = ("demo", "--children", "20", "--mib", "2", "--lines", "50")
PATIENCE = 90

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


def with_program(directory, name, script):
    """Return an environment in which a program is replaced by a shell script."""
    path = directory / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{directory}{os.pathsep}{os.environ['PATH']}"}


@slow
def test_the_demo_shows_four_parts_of_both_and_ends_well():
    status, output, errors = run(*SMALL)

    assert (status, errors) == (0, "")
    assert len(re.findall(r"^  procession +[\d.]+ ", output, re.MULTILINE)) == 4
    assert len(re.findall(r"^  asyncio +[\d.]+ ", output, re.MULTILINE)) == 4
    assert len(re.findall(r"^  ratio +[\d.]+ ", output, re.MULTILINE)) == 4
    platform = subprocess.check_output([sys.executable, "-m", "platform"], text=True)
    assert f"  Platform: {platform}" in output
    assert output.endswith("Every answer was right.\n")


@slow
@pytest.mark.parametrize(
    "name, script, wrong",
    [
        ("cat", "tr 0-9 1-90", "b'1\\n' instead of b'0\\n'"),
        ("cat", "exec >&-; exec /bin/cat", "b''"),
        ("cat", "/bin/cat; exit 3", "exit status"),
        ("head", "exec /usr/bin/env head -c 100 /dev/zero", "100 instead of 2097152"),
    ],
)
def test_a_wrong_answer_ends_the_demo_badly(tmp_path, name, script, wrong):
    if "env head" in script:
        script = script.replace("/usr/bin/env head", real("head"))
    environment = with_program(tmp_path, name, script)

    status, output, _ = run(*SMALL, env=environment)

    assert status == 1
    lines = [line for line in output.splitlines() if "WRONG: " in line]
    assert len(lines) == (2 if name == "head" else 4)
    assert any(wrong in line for line in lines), output
    assert re.search(r"\d of the runs went WRONG", output)


def real(name):
    for directory in os.environ["PATH"].split(os.pathsep):
        if os.access(f"{directory}/{name}", os.X_OK):
            return f"{directory}/{name}"
    pytest.skip(f"no {name} on the PATH")


@slow
def test_a_program_that_is_missing_is_named_without_a_traceback(tmp_path):
    status, output, errors = run(*SMALL, env={**os.environ, "PATH": str(tmp_path)})

    assert (status, errors) == (1, "")
    assert output.count("No such file or directory: 'cat'") == 4
    assert output.count("No such file or directory: 'head'") == 2


@slow
@pytest.mark.parametrize("limit, said", [("-S", False), ("-H -S", True)])
def test_few_descriptors_mean_fewer_children_and_are_mentioned(limit, said):
    shell = ("/bin/sh", "-c", f'ulimit {limit} -n 250; exec "$@"', "sh")

    status, output, errors = run("demo", "--children=100", "--mib=1", "--lines=1", before=shell)

    assert (status, errors) == (0, "")
    assert ("allows 30 at once" in output) == said


def test_the_limit_of_descriptors_is_raised_and_restored():
    soft, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)

    with demo.descriptors_for(5) as children:
        assert children == 5
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before
    assert soft == before[0]


@slow
@pytest.mark.parametrize("send", [os.kill, os.killpg])
@pytest.mark.parametrize("part", ["at once", "A stream", "A conversation"])
def test_ctrl_c_ends_the_demo_at_once_and_in_silence(send, part):
    process = subprocess.Popen(
        [*PROGRAM, "demo", "--children=20", "--mib=1000000", "--lines=100000000"]
        if part != "at once"
        else [*PROGRAM, "demo", "--children=2000", "--mib=1", "--lines=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        seen = read_until(process.stdout, part)
        began = time.monotonic()
        send(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE)

    assert (process.returncode, errors) == (130, b""), seen + output.decode()
    assert output.endswith(b"\nInterrupted.\n")
    assert time.monotonic() - began < 20
    assert_group_is_gone(process.pid)
