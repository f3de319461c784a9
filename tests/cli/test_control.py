"""When a job is over, and what is done with jobs before their time."""

import subprocess

import pytest

from helpers.command import output_of, run, started, wait_for


@pytest.mark.parametrize("options", [[], ["-k"], ["--lb"], ["--format=json"], ["-q"]], ids=str)
def test_a_job_is_over_when_its_command_is_whoever_holds_its_output(tmp_path, options):
    script = "echo out; echo err >&2; sleep 3600 & echo $! >>pids; : {}"
    words = [*options, "-j2", "--joblog", "log", "--results", "results"]
    try:
        done = run(*words, "--shell", script, ":::", "a", "b", cwd=tmp_path)
    finally:
        subprocess.run(["kill", *(tmp_path / "pids").read_text().split()], check=True)

    assert done.returncode == 0
    assert len((tmp_path / "log").read_text().splitlines()) == 3
    for number in "12":
        assert (tmp_path / "results" / number / "stdout").read_text() == "out\n"
        assert (tmp_path / "results" / number / "stderr").read_text() == "err\n"


def test_all_that_a_job_has_written_is_there_though_others_hold_its_output(tmp_path):
    script = "head -c 3000000 /dev/zero; sleep 3600 & echo $! >pid; : {}"
    try:
        output = output_of("--shell", script, ":::", "a", cwd=tmp_path)
    finally:
        subprocess.run(["kill", (tmp_path / "pid").read_text().strip()], check=True)

    assert output == bytes(3000000)


@pytest.mark.parametrize("options", [[], ["-k"], ["--lb"]], ids=" ".join)
def test_a_slow_reader_does_not_keep_jobs_from_the_log_that_it_has_read(tmp_path, options):
    jobs, size = 60, 300_000
    words = ["-j4", *options, "--joblog", "log", "--shell", f"head -c {size} /dev/zero; : {{}}"]
    with started(*words, ":::", *map(str, range(jobs)), cwd=tmp_path) as process:
        process.stdout.read(jobs // 2 * size)
        # As the rest does not fit into pipes and what is read ahead, there are jobs still.
        wait_for(lambda: len((tmp_path / "log").read_text().splitlines()) > jobs // 4)
        assert process.poll() is None
        rest = process.stdout.read()

    assert len(rest) == jobs * size - jobs // 2 * size
    assert len((tmp_path / "log").read_text().splitlines()) == 1 + jobs
