"""The job log: GNU parallel's columns, whole lines whatever happens, one run at a time."""

import os
import resource
import subprocess
import sys
import threading

import pytest

import procession
from helpers.ended import Output, ended, run_parallel
from procession.cli.errors import UsageError
from procession.cli.log.exits import exit_of
from procession.cli.log.joblog import Joblog, JoblogError
from procession.cli.run.jobs import Ended, Job

HEADER = b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"

WRITER = """
import sys
sys.path[:0] = sys.argv[2:]
from helpers.ended import ended
from procession.cli.log.joblog import Joblog
log = Joblog(sys.argv[1], resume=True)
print("ready", flush=True)
number = log.done
while True:
    number += 1
    log.add(ended(number, "echo " + "x" * (number % 3000)))
"""

FULL_DISK = """
import os, sys
sys.path[:0] = sys.argv[2:]
from helpers.ended import ended
from procession.cli.log.joblog import Joblog, JoblogError
path = sys.argv[1] + "/log"
log = Joblog(path)
number = 0
try:
    while True:
        number += 1
        log.add(ended(number, "echo " + "x" * 1000))
except JoblogError as error:
    lines = open(path, "rb").read().splitlines(keepends=True)
    assert len(lines) == number, (len(lines), number)
    assert all(line.endswith(b"\\n") for line in lines)
    print(error)
"""


def write(path, *jobs, **options):
    log = Joblog(str(path), **options)
    for job in jobs:
        log.add(job)
    log.close()


def start(program, *args, **options):
    """Run a program in an interpreter of its own, which finds what this one does."""
    argv = [sys.executable, "-c", program, *map(str, args), *sys.path]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, **options)


def test_a_line_has_the_columns_of_gnu_parallel(tmp_path):
    path = tmp_path / "log"

    write(
        path,
        ended(1, "echo a", started=1795694519.6414, duration=0.0031, size=2),
        ended(12, "cat; exit 3", 3, input=b"12345", duration=12345678.9),
    )

    assert path.read_bytes() == HEADER + (
        b"1\t:\t1795694519.641\t     0.003\t0\t2\t0\t0\techo a\n"
        b"12\t:\t1800000000.000\t12345678.900\t5\t0\t3\t0\tcat; exit 3\n"
    )


@pytest.mark.parametrize(
    "returncode, reason, expected",
    [
        (0, "exit", (0, 0)),
        (7, "exit", (7, 0)),
        (-9, "signal", (0, 9)),
        (-40, "signal", (0, 40)),
        (127, "spawn error", (127, 0)),
        (-15, "timeout", (-1, 15)),
        (0, "timeout", (-1, 0)),
        (-9, "out of memory", (-1, 9)),
        (-15, "idle", (-1, 15)),
    ],
)
def test_how_a_job_ended_is_told_as_gnu_parallel_does(tmp_path, returncode, reason, expected):
    job = ended(returncode=returncode, reason=reason)

    write(tmp_path / "log", job)

    fields = (tmp_path / "log").read_text().splitlines()[1].split("\t")
    assert (int(fields[6]), int(fields[7])) == exit_of(job.result) == expected
    assert job.result.ok == (expected == (0, 0))


@pytest.mark.slow
async def test_a_log_has_what_gnu_parallel_writes_of_the_same_jobs(tmp_path):
    commands = ["echo abc", "exit 3", "kill -9 $$", "/nonexistent/x", "printf 'a\tb'", "sleep 9"]
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    run_parallel("-j1", "--timeout", "1", "--joblog", str(theirs), ":::", *commands)

    log = Joblog(str(ours))
    for number, command in enumerate(commands, 1):
        try:
            result = await procession.run(command, shell=True, capture_output=True, timeout=1)
        except procession.CommandTimedOut as error:
            result = error.result
        job = Job(number, (), command, 1, 1, 0.0, None)
        log.add(Ended(job, result, Output(len(result.stdout or b"")), None))
    log.close()

    def fields(path):
        lines = path.read_bytes().splitlines()
        rows = [line.split(b"\t", 8) for line in lines]
        # Without the times.
        return [row[:2] + row[4:] for row in rows]

    assert fields(ours) == fields(theirs)


def test_a_newline_is_a_nul_and_a_tab_stays_as_with_gnu_parallel(tmp_path):
    command = "echo 'a\nb\tc\udcff'"
    run_parallel("--joblog", str(tmp_path / "theirs"), "-0", ":::", "echo 'a\nb\tc'", check=0)

    write(tmp_path / "log", ended(1, command), ended(2))

    lines = (tmp_path / "log").read_bytes().split(b"\n")
    assert [line.split(b"\t", 8)[8] for line in lines[1:3]] == [b"echo 'a\0b\tc\xff'", b"true"]
    theirs = (tmp_path / "theirs").read_bytes().split(b"\n")
    assert theirs[1].split(b"\t", 8)[8] == b"echo 'a\0b\tc'"


def test_a_job_that_was_cancelled_is_not_in_the_log(tmp_path):
    write(tmp_path / "log", ended(1, returncode=-15, reason="cancelled"), ended(2))

    assert [line[:1] for line in (tmp_path / "log").read_bytes().splitlines()] == [b"S", b"2"]


def test_a_line_is_there_as_soon_as_its_job_has_ended(tmp_path):
    log = Joblog(str(tmp_path / "log"))
    for number in range(1, 4):
        log.add(ended(number))
        assert len((tmp_path / "log").read_bytes().splitlines()) == number + 1
    log.close()


def test_a_file_that_is_not_resumed_is_replaced(tmp_path):
    (tmp_path / "log").write_bytes(b"anything\n" * 1000)

    write(tmp_path / "log", ended())

    assert len((tmp_path / "log").read_bytes().splitlines()) == 2


def test_what_comes_after_the_end_is_an_error(tmp_path):
    log = Joblog(str(tmp_path / "log"))
    log.close()
    log.close()

    with pytest.raises(ValueError, match="closed"):
        log.add(ended())


@pytest.mark.parametrize("resume", [False, True])
def test_a_log_belongs_to_one_run_at_a_time(tmp_path, resume):
    path = str(tmp_path / "log")
    first = Joblog(path)
    first.add(ended())

    with pytest.raises(UsageError, match=r"the joblog '.*log' is in use by another run"):
        Joblog(path, resume=resume)

    first.add(ended(2))
    first.close()
    assert len((tmp_path / "log").read_bytes().splitlines()) == 3
    Joblog(path, resume=resume).close()


def test_a_child_does_not_hold_the_log(tmp_path):
    log = Joblog(str(tmp_path / "log"))
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False):
        log.close()
        Joblog(str(tmp_path / "log")).close()


@pytest.mark.slow
def test_after_kill_9_the_log_is_resumed_with_each_job_once(tmp_path):
    path = tmp_path / "log"
    before = 0
    for _ in range(3):
        with start(WRITER, path) as writer:
            writer.stdout.readline()
            while os.stat(path).st_size < before + 100_000:
                os.sched_yield()
            writer.kill()
        before = os.stat(path).st_size

    log = Joblog(str(path), resume=True)
    lines = path.read_bytes().splitlines(keepends=True)
    assert all(line.endswith(b"\n") for line in lines)
    numbers = [int(line.split(b"\t")[0]) for line in lines[1:]]
    assert numbers == list(range(1, log.done + 1))
    assert log.torn == 0
    log.close()


@pytest.fixture
def file_size_limit():
    """Let files grow to so many bytes, as on a disk that gets full in the middle of a line."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft if size is None else size, hard))

    yield limit
    limit(None)


def test_a_line_that_does_not_fit_is_taken_back(tmp_path, file_size_limit):
    path = tmp_path / "log"
    log = Joblog(str(path))
    log.add(ended(1))
    whole = path.read_bytes()

    file_size_limit(len(whole) + 20)
    with pytest.raises(JoblogError) as caught:
        log.add(ended(2))
    file_size_limit(None)

    assert path.read_bytes() == whole
    assert str(caught.value) == (
        f"the joblog '{path}' cannot be written: File too large; what is in it is true, and "
        "--resume runs the other jobs"
    )
    log.add(ended(3))
    log.close()
    assert path.read_bytes().startswith(whole + b"3\t:\t")


def test_what_another_program_wrote_behind_a_torn_line_is_not_taken_back(tmp_path):
    path = tmp_path / "log"
    log = Joblog(str(path))
    log._write(b"torn")
    with open(path, "ab") as other:
        other.write(b"1\t:\n")

    log._take_back(4)

    log.close()
    assert path.read_bytes() == HEADER + b"torn1\t:\n"


def test_a_header_that_does_not_fit_is_an_error_that_leaves_nothing_open(tmp_path, file_size_limit):
    file_size_limit(10)
    with pytest.raises(JoblogError):
        Joblog(str(tmp_path / "log"))
    file_size_limit(None)

    assert (tmp_path / "log").read_bytes() == b""
    Joblog(str(tmp_path / "log"), resume=True).close()


@pytest.mark.slow
def test_on_a_full_disk_the_log_has_the_whole_lines_that_fit(tmp_path):
    mount = 'mount -t tmpfs -o size=64k none "$0" && exec "$@"'
    argv = ["unshare", "-m", "sh", "-c", mount, str(tmp_path)]
    if subprocess.run([*argv, "true"], capture_output=True).returncode != 0:
        pytest.skip("this user cannot mount a small file system")

    done = subprocess.run(
        [*argv, sys.executable, "-c", FULL_DISK, str(tmp_path), *sys.path],
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "cannot be written: No space left on device" in done.stdout


def test_a_device_that_is_full_is_an_error():
    with pytest.raises(JoblogError, match="No space left on device"):
        Joblog("/dev/full")


@pytest.mark.parametrize(
    "name, reason",
    [
        ("", "Is a directory"),
        ("missing/log", "No such file or directory"),
    ],
)
def test_a_log_that_cannot_be_opened_is_an_error_of_the_user(tmp_path, name, reason):
    with pytest.raises(UsageError, match=f"the joblog .* cannot be opened: {reason}"):
        Joblog(os.path.join(tmp_path, name))


def test_a_log_that_cannot_be_read_is_an_error_of_the_user():
    with pytest.raises(UsageError, match="is of no use: Input/output error"):
        Joblog("/proc/self/mem", resume=True)


def test_a_log_may_be_a_pipe(pipe):
    reading, writing = pipe
    pieces = []
    with open(reading, "rb", closefd=False) as stream:
        reader = threading.Thread(target=lambda: pieces.append(stream.read()))
        reader.start()
        log = Joblog(f"/dev/fd/{writing}")
        for number in range(3000):
            log.add(ended(number, "x" * 100))
        log.close()
        os.close(writing)
        reader.join()

    assert len(pieces[0].splitlines()) == 3001


def test_a_pipe_cannot_be_resumed(pipe):
    with pytest.raises(UsageError, match="is no file that could be resumed"):
        Joblog(f"/dev/fd/{pipe[1]}", resume=True)
