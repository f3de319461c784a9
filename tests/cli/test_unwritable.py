"""A standard output that nobody reads any more, and disks that are full."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from helpers.command import RUN, environment, run, started, wait_for

# In namespaces of its own a folder with a file system of so many KiB, as the user that we are.
SMALL = 256
ON_A_SMALL_DISK = [
    "unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
    f'mount -t tmpfs -o size={SMALL}k none small && exec "$@"', "sh",
]  # fmt: skip


@pytest.fixture
def small_disk(tmp_path):
    """Return what runs a command with a folder "small" that is soon full."""
    (tmp_path / "small").mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare")
    tried = subprocess.run([*ON_A_SMALL_DISK, "true"], cwd=tmp_path, capture_output=True)
    if tried.returncode:
        pytest.skip(f"no file system can be mounted here: {tried.stderr.decode().strip()}")
    return ON_A_SMALL_DISK


def test_head_ends_the_jobs_and_the_run_without_a_word(tmp_path):
    # The fourth would sleep if the third did not say something that nobody reads.
    job = "echo {}; [ {} -ne 4 ] || exec sleep 3600"
    script = f"{' '.join(RUN)} -j2 --shell '{job}' | head -n 2"
    pipeline = ["bash", "-c", f"seq 100 | {script}; echo ${{PIPESTATUS[1]}}"]

    done = subprocess.run(pipeline, capture_output=True, env=environment(), timeout=60)

    *lines, status = done.stdout.split()
    assert len(lines) == 2
    assert int(status) == 128 + signal.SIGPIPE
    assert done.stderr == b""


def test_a_reader_that_goes_while_jobs_are_silent_is_no_reason_to_end_them(tmp_path):
    with started("--shell", "read x; echo {}", ":::", "a", stdout=subprocess.DEVNULL) as process:
        assert process.wait() == 0


@pytest.mark.parametrize("option", ["--line-buffer", "-k", "--tag", "--format=json"])
def test_a_reader_that_has_gone_ends_the_run_whatever_the_order(option):
    read, write = os.pipe()
    os.close(read)
    script = "echo {}; [ {} -lt 3 ] || exec sleep 3600"
    with started("-j2", option, "--shell", script, ":::", *map(str, range(9)), stdout=write) as run:
        os.close(write)

        assert run.wait() == -signal.SIGPIPE
        assert run.stderr.read() == b""


def test_a_reader_of_standard_error_that_has_gone_ends_the_run_too(tmp_path):
    read, write = os.pipe()
    os.close(read)
    script = "echo {} >&2; [ {} -lt 3 ] || exec sleep 3600"
    words = ["-j2", "--joblog", "log", "--shell", script, ":::", *map(str, range(9))]
    with started(*words, cwd=tmp_path, stderr=write) as run:
        os.close(write)

        assert run.wait() == -signal.SIGPIPE

    assert len((tmp_path / "log").read_text().splitlines()) == 1


def test_a_full_disk_under_standard_output_is_said_and_ends_the_jobs():
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*RUN, "-j2", "echo", ":::", *"abcdefgh"],
            stdout=full,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            env=environment(),
        )

    assert done.returncode == 255
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_full_disk_under_results_is_said_and_the_log_has_what_is_true(tmp_path, small_disk):
    words = ["-j2", "-q", "--results", "small/results", "--joblog", "log"]
    words += ["--shell", "head -c 60000 /dev/zero; exit 0", ":::", *map(str, range(20))]
    keep = 'if "$@"; then s=0; else s=$?; fi; cp -r small kept; exit $s'

    done = run(*words, cwd=tmp_path, command=[*small_disk, "sh", "-c", keep, "sh", *RUN])

    assert done.returncode == 255
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
    lines = (tmp_path / "log").read_text().splitlines()[1:]
    logged = {line.split("\t")[0] for line in lines}
    kept = tmp_path / "kept/results"
    complete = {path.parent.name for path in kept.glob("*/meta.json")}
    assert 0 < len(logged) < 20
    assert logged == complete
    for number in logged:
        assert (kept / number / "stdout").stat().st_size == 60000
        assert json.loads((kept / number / "meta.json").read_text())["exit"] == 0


def test_a_full_disk_under_the_log_is_said_and_whole_lines_stay(tmp_path, small_disk):
    fill = f"head -c {(SMALL - 8) * 1024} /dev/zero >small/ballast;"
    keep = f'{fill} if "$@"; then s=0; else s=$?; fi; cp small/log log; exit $s'
    words = ["-j1", "--joblog", "small/log", "true", ":::", *["x" * 500] * 100]

    done = run(*words, cwd=tmp_path, command=[*small_disk, "sh", "-c", keep, "sh", *RUN])

    assert done.returncode == 255
    assert b"No space left on device" in done.stderr
    text = (tmp_path / "log").read_text()
    assert text.endswith("\n")
    assert 1 < len(text.splitlines()) < 100
    assert all(line.count("\t") == 8 for line in text.splitlines())


def test_a_closed_standard_output_is_an_error_if_there_is_output(tmp_path):
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *RUN]

    assert run("true", ":::", "a", command=closed).returncode == 0
    done = run("echo", ":::", "a", command=closed)
    assert done.returncode == 255
    assert b"Bad file descriptor" in done.stderr


def test_a_slow_reader_holds_the_jobs_up_and_memory_does_not_grow(tmp_path):
    # 100 MiB from 4 jobs at a time, of which the reader has had nothing when it is looked at.
    words = ["-j4", "--line-buffer", "--shell", "yes | head -c 25M; : >over{}", ":::", *"abcd"]
    with started(*words, cwd=tmp_path) as process:
        sizes = []

        def is_still():
            with open(f"/proc/{process.pid}/status") as status:
                text = status.read()
            sizes.append(int(text.split("VmRSS:")[1].split()[0]))
            return len(sizes) > 40 and max(sizes[-20:]) - min(sizes[-20:]) < 64

        wait_for(is_still)
        assert not list(tmp_path.glob("over*"))
        assert sizes[-1] < 120 * 1024
        output = process.stdout.read()

    assert len(output) == 4 * 25 * 1024 * 1024
    assert set(output) == set(b"y\n")
