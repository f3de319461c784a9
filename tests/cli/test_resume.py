"""Resuming: what a job log says is done, of logs that are torn, damaged, or GNU parallel's."""

import tracemalloc

import pytest

from helpers.ended import ended, run_parallel
from procession.cli.errors import UsageError
from procession.cli.log.joblog import Joblog

HEADER = b"Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"


def line(number, exit_value=0, signal=0, command="true"):
    times = "1795694519.641\t     0.003"
    return f"{number}\t:\t{times}\t0\t2\t{exit_value}\t{signal}\t{command}\n".encode()


@pytest.fixture
def resume(tmp_path):
    """Open a log with this content, return (numbers that are skipped, torn lines, rest)."""

    def open_log(content, **options):
        path = tmp_path / "log"
        if content is not None:
            path.write_bytes(content)
        log = Joblog(str(path), **options or {"resume": True})
        try:
            skipped = [number for number in range(1, 100) if log.skips(number)]
            assert log.done == len(skipped)
            return skipped, log.torn, path.read_bytes()
        finally:
            log.close()

    return open_log


def test_a_log_that_is_not_there_or_empty_begins_anew(resume):
    assert resume(None) == ([], 0, HEADER)
    assert resume(b"") == ([], 0, HEADER)


def test_all_jobs_in_the_log_are_done(resume):
    content = HEADER + line(3) + line(1, 5) + line(2, 0, 9) + line(64)

    assert resume(content) == ([1, 2, 3, 64], 0, content)


def test_jobs_that_failed_are_done_again_if_asked_for(resume):
    content = HEADER + line(1) + line(2, 5) + line(3, 0, 9) + line(4, -1, 15)

    for options in ({"resume_failed": True}, {"resume": True, "resume_failed": True}):
        assert resume(content, **options) == ([1], 0, content)


def test_the_last_line_of_a_job_counts(resume):
    content = HEADER + line(1) + line(2, 1) + line(1, 1) + line(2)

    assert resume(content, resume_failed=True) == ([2], 0, content)


def test_without_resuming_nothing_is_done(resume):
    assert resume(HEADER + line(1), resume=False) == ([], 0, HEADER)


def test_a_log_may_be_cut_off_anywhere(resume):
    content = HEADER + line(1) + line(2, command="echo 'a\0b\tc'") + line(3)
    for size in range(len(content) + 1):
        whole = content[: content.rfind(b"\n", 0, size) + 1]
        done = list(range(1, whole.count(b"\n")))

        assert resume(content[:size]) == (done, 0, whole or HEADER)


def test_what_comes_next_is_a_line_of_its_own(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(HEADER + line(1) + line(2)[:-9])

    log = Joblog(str(path), resume=True)
    log.add(ended(2))
    log.close()

    assert path.read_bytes().startswith(HEADER + line(1) + b"2\t:\t1800000000.000\t")
    assert path.read_bytes().count(b"\n") == 3


@pytest.mark.parametrize(
    "torn",
    [
        b"\n",
        b"2\n",
        b"2\t:\t1795694519.641\t     0.003\t0\t2\t0\t0\n",
        b"2\t:\t1795694519.641\t     0.003\t0\t2\t\t0\ttrue\n",
        b"\0\0\0\0\0" + line(2),
        b"-2\t:\t1795694519.641\t     0.003\t0\t2\t0\t0\ttrue\n",
        *(line(2)[:size] + line(3) for size in range(2, len(line(2)) - 1)),
        line(2, command="echo 'a\tb")[:-1] + line(3),
        line("9" * 30),
    ],
)
def test_of_lines_that_are_torn_the_jobs_run_again(resume, torn):
    content = HEADER + line(1) + torn + line(4)
    skipped, count, rest = resume(content)

    assert (skipped, count, rest) == ([1, 4], 1, content)


def test_a_header_in_the_middle_is_of_a_log_that_was_appended(resume):
    content = HEADER + line(1) + HEADER + line(2)

    assert resume(content) == ([1, 2], 0, content)


@pytest.mark.parametrize("content", [b"important\n", b"Seq,Host\n", b"\0\0\0", b"x"])
def test_a_file_that_is_no_log_is_left_alone(resume, tmp_path, content):
    with pytest.raises(UsageError, match=r"the joblog '.*' is none: it does not begin with"):
        resume(content)

    assert (tmp_path / "log").read_bytes() == content


def test_a_job_that_was_another_command_is_known(tmp_path):
    path = str(tmp_path / "log")
    log = Joblog(path)
    log.add(ended(1, "echo 'a\nb'"))
    log.add(ended(2, "echo \udcff"))
    assert not log.differs(1, "other")
    log.close()

    log = Joblog(path, resume=True)
    assert not log.differs(1, "echo 'a\nb'")
    assert log.differs(1, "echo 'a b'")
    assert not log.differs(2, "echo \udcff")
    assert log.differs(2, "")
    assert not log.differs(3, "one that is not done")
    log.close()


@pytest.mark.slow
def test_a_long_log_takes_4_bytes_a_job(tmp_path):
    path = tmp_path / "log"
    with open(path, "wb") as file:
        file.write(HEADER)
        for number in range(1, 200_001):
            file.write(line(number))
    tracemalloc.start()
    try:
        log = Joblog(str(path), resume=True)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert log.done == 200_000
    assert log.skips(200_000) and not log.skips(200_001)
    assert kept < 200_000 * 5
    assert peak < 8 * 1024 * 1024
    log.close()


def test_a_number_that_no_job_has_takes_no_more_memory_than_its_line(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(HEADER + line(10**17) + line(0))
    tracemalloc.start()
    try:
        log = Joblog(str(path), resume=True)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert log.skips(10**17)
    assert kept < 100_000
    log.close()


@pytest.mark.parametrize("piece", ["\t", "1", "1\t", "a\t1", " ", "1\t1\t1\t1\t1\t1a"])
def test_a_command_of_2_mib_is_read_in_no_time(resume, piece):
    command = "echo\t" + piece * (2 * 1024 * 1024 // len(piece))

    skipped, torn, _ = resume(HEADER + line(1, command=command) + line(2))

    assert skipped + [None] * torn == [1, 2]


@pytest.mark.parametrize(
    "command", ["plot '1\t2\t3\t4\t5\t6\t7\t8'", "a\t1795694519.641\t1\t1\t1\t1\t1\t1\t1"]
)
def test_a_command_may_have_a_table_of_numbers(resume, command):
    content = HEADER + line(1, command=command)

    assert resume(content) == ([1], 0, content)


@pytest.mark.slow
def test_a_log_of_gnu_parallel_is_resumed(tmp_path, resume):
    path = tmp_path / "log"
    run_parallel(
        "-j2", "--joblog", str(path), ":::",
        "true", "exit 3", "echo 'a\tb'", "kill -9 $$", "exec 2>&1; cat /nonexistent",
    )  # fmt: skip
    content = path.read_bytes()

    assert resume(content) == ([1, 2, 3, 4, 5], 0, content)
    assert resume(content, resume_failed=True) == ([1, 3], 0, content)
    # Of a run that was stopped, and went on: it wrote behind the torn line.
    whole = content.splitlines(keepends=True)
    last = int(whole[-1].split(b"\t")[0])
    path.write_bytes(content[:-3])
    run_parallel("--resume", "--joblog", str(path), ":::", *["true"] * 6, check=0)
    assert path.read_bytes().count(b"\n") == 6
    skipped, torn, _ = resume(None)
    assert (skipped, torn) == ([number for number in range(1, 6) if number != last], 1)


@pytest.mark.slow
def test_gnu_parallel_resumes_our_log(tmp_path):
    path = tmp_path / "log"
    log = Joblog(str(path))
    log.add(ended(2, "echo 'b\nc'"))
    log.add(ended(3, "echo c", 5, input=b"x", size=10))
    log.add(ended(4, "echo d", -15, reason="timeout", duration=0.1234))
    log.add(ended(6, "", -9))
    log.close()
    words = ("-k", "--joblog", str(path), "echo", ":::", *"abcdef")

    failed = run_parallel("--resume-failed", *words, "g", check=0)
    assert failed.stdout.split() == list("acdefg")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    resumed = run_parallel("--resume", *words, check=0)
    assert resumed.stdout.split() == list("ae")

    log = Joblog(str(path), resume=True)
    assert [number for number in range(1, 9) if log.skips(number)] == [1, 2, 3, 4, 5, 6]
    log.close()
