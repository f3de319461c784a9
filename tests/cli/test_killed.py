"""A run that is killed, again and again, and resumed: no result is lost, none is there twice."""

import json
import os
import random
import signal
import time

import pytest

from helpers.command import run, started, wait_for
from helpers.often import examples

JOBS = 150


def logged(path):
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    # Whatever was killed in the middle of: the last line has its end.
    assert lines[-1] == b""
    return [int(line.split(b"\t")[0]) for line in lines[1:-1]]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(examples(1, 10)))
def test_each_result_is_there_once_however_often_the_run_is_killed(tmp_path, seed):
    random_numbers = random.Random(seed)
    log, results = tmp_path / "log", tmp_path / "results"
    words = ["-j3", "--joblog", log, "--resume", "--results", results, "-q"]
    words += ["--die-with-parent", "--shell", "echo out {}; echo err {} >&2; exit $(({} % 3))"]
    words += [":::", *map(str, range(JOBS))]

    kills = 0
    while len(logged(log)) < JOBS:
        with started(*words) as process:
            aim = min(len(logged(log)) + random_numbers.randrange(1, 40), JOBS)
            wait_for(lambda aim=aim: len(logged(log)) >= aim or process.poll() is not None)
            time.sleep(random_numbers.random() * 0.005)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.wait()

    assert kills > 1
    assert sorted(logged(log)) == list(range(1, JOBS + 1))
    assert run(*words, cwd=tmp_path).returncode == 0
    assert sorted(logged(log)) == list(range(1, JOBS + 1))
    for number in range(1, JOBS + 1):
        folder = results / str(number)
        value = number - 1
        assert sorted(os.listdir(folder)) == ["meta.json", "stderr", "stdout"]
        assert (folder / "stdout").read_text() == f"out {value}\n"
        assert (folder / "stderr").read_text() == f"err {value}\n"
        assert json.loads((folder / "meta.json").read_text())["exit"] == value % 3


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["-k"], ["--line-buffer"]], ids=" ".join)
def test_no_output_is_lost_and_none_is_cut_however_often_the_run_is_killed(tmp_path, options):
    log, output = tmp_path / "log", tmp_path / "output"
    words = ["-j3", *options, "--joblog", log, "--resume", "--die-with-parent"]
    words += ["--shell", "sleep 0.00$(({} % 4)); echo {}", ":::", *map(str, range(JOBS))]

    kills = 0
    while len(logged(log)) < JOBS:
        printed = output.read_bytes().count(b"\n") if output.exists() else 0
        before = len(logged(log))
        with output.open("ab") as file, started(*words, stdout=file) as process:
            wait_for(lambda aim=before + 30: len(logged(log)) >= aim or process.poll() is not None)
            process.kill()
            kills += process.wait() == -signal.SIGKILL
        # All that is logged is printed; what was being printed may not be logged.
        assert output.read_bytes().count(b"\n") - printed >= len(logged(log)) - before

    lines = output.read_text().splitlines()
    assert kills > 1
    assert sorted(set(map(int, lines))) == list(range(JOBS))
    assert sorted(logged(log)) == list(range(1, JOBS + 1))


def test_failed_jobs_only_are_run_again(tmp_path):
    words = ["--joblog", tmp_path / "log", "--shell", "echo {}; test -e {}", ":::", "a", "b", "c"]
    (tmp_path / "b").touch()

    first = run("-k", *words, cwd=tmp_path)
    (tmp_path / "a").touch()
    again = run("-k", "--resume-failed", *words, cwd=tmp_path)
    neither = run("-k", "--resume", *words, cwd=tmp_path)

    assert (first.returncode, first.stdout) == (2, b"a\nb\nc\n")
    assert (again.returncode, again.stdout) == (1, b"a\nc\n")
    assert (neither.returncode, neither.stdout) == (0, b"")


def test_a_line_that_was_cut_off_is_run_again(tmp_path):
    log = tmp_path / "log"
    words = ["--joblog", log, "echo", "ran {}", ":::", "a", "b", "c"]
    run("-k", "-j1", *words)
    log.write_bytes(log.read_bytes()[:-5])

    again = run("-k", "--resume", *words)

    assert again.stdout == b"ran c\n"
    assert logged(log) == [1, 2, 3]


def test_two_runs_do_not_share_a_log(tmp_path):
    log = tmp_path / "log"
    with started("--joblog", log, "sleep", ":::", "3600"):
        wait_for(log.exists)
        done = run("--joblog", log, "--resume", "true", ":::", "a")

    assert done.returncode == 255
    assert b"is in use" in done.stderr
