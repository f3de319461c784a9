"""`procession bench`, with the programs that it runs, or with others in their place."""

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import patience
from helpers.command import LEADING
from procession.cli.bench import table, workers, workloads

COMMAND = (sys.executable, "-m", "procession", "bench")
BRIEFLY = ("--quick", "--rounds=1")
ALWAYS = ("procession", "asyncio", "subprocess")

slow = pytest.mark.slow


def run(*arguments, **options):
    """Run the command to its end; return its status and both outputs."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=patience.seconds,
        **options,
    )
    return done.returncode, done.stdout, done.stderr


def programs_in(folder):
    """Return an environment in which programs are looked for in a folder only."""
    return {**os.environ, "PATH": str(folder)}


def children_of(parent):
    """Return the process numbers of those whose parent is that process."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if int(stat[1]) == parent:
                found.add(int(pid))
    return found


def until(condition):
    """Wait for what another process is about to do."""
    deadline = time.monotonic() + patience.seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def figures(**rates):
    return {
        player: [{"amount": rate, "seconds": 1.0, "cpu": cpu} for rate, cpu in samples]
        for player, samples in rates.items()
    }


@slow
def test_each_player_has_figures_for_each_workload_and_ratios(tmp_path):
    file = tmp_path / "result.json"

    status, output, errors = run(*BRIEFLY, "--json", file)

    assert (status, errors) == (0, "")
    result = json.loads(file.read_text())
    assert result["failed"] == []
    assert [row["name"] for row in result["workloads"]] == list(workloads.NAMES)
    for row in result["workloads"]:
        assert set(row["players"]) == set(result["players"]) >= set(ALWAYS)
        for player in row["players"].values():
            assert len(player["samples"]) == 1
            assert player["rate"] > 0
        assert row["players"]["asyncio"]["rate_ratio"] == 1
        assert output.count(f"\n{row['label']} ") == 2
    for name, version in result["players"].items():
        assert f"{name} {version}" in output


@slow
def test_only_the_workloads_that_are_named_are_measured():
    status, output, _ = run(*BRIEFLY, "--workloads", "lines,spawn-16")

    assert status == 0
    for workload in workloads.ALL:
        assert (f"\n{workload.label} " in output) == (workload.name in ("lines", "spawn-16"))


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["--workloads", "spawn,nonsense"], "there is no workload 'nonsense', but spawn, "),
        (["--rounds", "0"], "argument --rounds: invalid positive value: '0'"),
        (["--json", "/nonexistent/file"], "--json: No such file or directory: /nonexistent/"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_measured(arguments, complaint):
    status, output, errors = run(*arguments)

    assert (status, output) == (255, "")
    assert errors.startswith("procession bench: ")
    assert complaint in errors


@slow
@pytest.mark.parametrize(
    "name, program, script, complaint",
    [
        ("spawn", "true", "exit 3", "exit status: 3 instead of 0"),
        ("capture", "head", 'exec {} "$@" | tr "\\0" x', "output: b'xxx"),
        ("stream", "head", "exec {} -c 100 /dev/zero", "length of the output: 100 instead of"),
        ("lines", "cat", 'exec {} -n "$@"', "lines, and the last one"),
    ],
)
def test_a_wrong_answer_has_no_figures_and_ends_it_badly(
    tmp_path, name, program, script, complaint
):
    real = {each: shutil.which(each) for each in ("true", "head", "cat", "tr", "sh")}
    for each, path in real.items():
        (tmp_path / each).symlink_to(path)
    (tmp_path / program).unlink()
    (tmp_path / program).write_text(f"#!/bin/sh\n{script.format(real[program])}\n")
    (tmp_path / program).chmod(0o755)

    status, output, errors = run(*BRIEFLY, "--workloads", name, env=programs_in(tmp_path))

    assert (status, errors) == (1, "")
    for player in ALWAYS:
        assert re.search(rf"^FAILED: {name} by {player}: .*{complaint}", output, re.MULTILINE)


@slow
def test_a_program_that_is_missing_leaves_its_workloads_out(tmp_path):
    (tmp_path / "true").symlink_to(shutil.which("true"))

    status, output, errors = run(*BRIEFLY, "--workloads", "spawn,stream", env=programs_in(tmp_path))

    assert (status, errors) == (0, "")
    assert "\nleft out: stream: there is no program 'head'\n" in output
    assert f"\n{workloads.ALL[0].label} " in output


@slow
def test_a_player_that_cannot_be_imported_is_named_and_one_that_crashes_is_a_failure(tmp_path):
    (tmp_path / "uvloop.py").write_text("import os\nos._exit(9)\n")
    there = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path[1:]])}

    crashed = run(*BRIEFLY, "--workloads", "spawn", env=there)
    (tmp_path / "uvloop.py").write_text("raise ImportError('not this one')\n")
    missing = run(*BRIEFLY, "--workloads", "spawn", env=there)

    assert (crashed[0], crashed[2]) == (1, "")
    assert crashed[1].endswith("\n\nFAILED: start by uvloop: the worker ended with 9\n")
    assert (missing[0], missing[2]) == (0, "")
    assert missing[1].endswith("\n\nnot here: uvloop: not this one\n")


@slow
def test_a_terminal_is_told_what_is_measured_and_the_line_is_taken_back():
    ours, theirs = pty.openpty()
    with open(theirs, "wb", buffering=0) as terminal:
        done = subprocess.run(
            [*COMMAND, *BRIEFLY, "--workloads", "spawn"],
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=patience.seconds,
        )
    with open(ours, "rb", buffering=0) as screen:
        shown = screen.read(65536).decode()

    assert done.returncode == 0
    assert "\r\x1b[Kround 1 of 1: spawn by asyncio\r\x1b[K" in shown
    assert shown.endswith("\r\x1b[K")


@slow
def test_ctrl_c_ends_the_players_and_the_command_of_it():
    with subprocess.Popen(
        [*LEADING, *COMMAND, "--rounds=100000", "--workloads=spawn-16"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        until(lambda: len(children_of(process.pid)) >= len(ALWAYS))
        players = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=patience.seconds)

    assert (process.returncode, output, errors) == (-signal.SIGINT, b"", b"")
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in players))


@pytest.mark.parametrize("player", ["asyncio", "uvloop"])
def test_a_player_whose_command_has_gone_says_nothing(player):
    reader, writer = os.pipe()
    os.close(reader)
    program = Path(workers.__file__).with_name("worker.py")
    with os.fdopen(writer, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, program, player],
            stdin=subprocess.DEVNULL,
            stdout=nobody,
            stderr=subprocess.PIPE,
            timeout=patience.seconds,
        )

    assert (done.returncode, done.stderr) == (0, b"")


def test_the_peers_interpreters_have_nothing_of_procession():
    program = Path(workers.__file__).with_name("worker.py")
    code = (
        "import runpy, sys; "
        f"sys.argv = ['worker.py', 'asyncio']; "
        f"runpy.run_path({str(program)!r}, run_name='__main__'); "
        "print(*[name for name in sys.modules if name.startswith('procession')], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience.seconds,
    )

    assert (done.returncode, done.stderr) == (0, "\n")
    assert set(json.loads(done.stdout)) == {"version"}


def test_a_worker_that_dies_or_says_nothing_is_a_failure_and_can_be_restarted():
    code = "print('{}', flush=True)\nfor line in open(0): exit(3) if 'die' in line else None"
    worker = workers.Worker([sys.executable, "-c", code])

    with pytest.raises(workers.Failed, match=r"the worker ended with -?[39]"):
        worker.ask({"die": True}, patience.seconds)
    worker.restart_if_lost()
    with pytest.raises(workers.Failed, match=r"no answer in 0\.01 s"):
        worker.ask({}, 0.01)
    assert not worker.is_alive
    worker.close()


def test_medians_are_taken_of_rates_and_of_cpu_time_and_divided_by_asyncios():
    workload = workloads.ALL[0]

    row = table.row_of(
        workload,
        figures(asyncio=[(10, 1.0), (30, 3.0), (20, 6.0)], procession=[(40, 2.0), (60, 3.0)]),
    )

    players = row["players"]
    assert (players["asyncio"]["rate"], players["procession"]["rate"]) == (20, 50)
    assert players["procession"]["rate_ratio"] == 2.5
    assert players["asyncio"]["cpu"] == pytest.approx(0.1)
    assert players["procession"]["cpu_ratio"] == pytest.approx(0.1 / 0.05)


def test_without_asyncio_or_without_cpu_time_there_is_no_ratio():
    workload = workloads.ALL[0]

    alone = table.row_of(workload, figures(procession=[(10, 1.0)]))
    free = table.row_of(workload, figures(procession=[(10, 0.0)], asyncio=[(10, 1.0)]))

    assert alone["players"]["procession"]["rate_ratio"] is None
    assert free["players"]["procession"]["rate_ratio"] == 1
    assert free["players"]["procession"]["cpu_ratio"] is None
