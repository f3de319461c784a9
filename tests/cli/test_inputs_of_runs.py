"""What the real command makes of its input: of pipes, files and blocks, odd ones among them."""

import os
import socket
import subprocess

import pytest

from children import TIMEOUT
from helpers.command import RUN, environment, output_of, run, started

NUMBERS = b"".join(b"%d\n" % i for i in range(1, 100_001))


def test_blocks_may_be_so_many_lines():
    words = ("-k", "--pipe", "-N", "2", "echo {#}; cat")

    assert output_of(*words, input=b"a\nb\nc") == b"1\na\nb\n2\nc"


@pytest.mark.parametrize("blocks", [["--block", "10k"], ["-N", "20"], []], ids=" ".join)
def test_bytes_go_through_blocks_as_they_are(blocks):
    data = os.urandom(500_000)

    assert output_of("-k", "--pipe", *blocks, "cat", input=data) == data


@pytest.mark.parametrize("script", ["true", "head -n 1 >/dev/null", "exec <&-; sleep 0"])
def test_jobs_need_not_read_their_blocks(script):
    assert output_of("--pipe", "--block", "100k", script, input=NUMBERS) == b""


def test_a_block_that_was_not_read_is_no_failure_and_is_in_the_log(tmp_path):
    log = tmp_path / "log"
    output_of("-k", "--pipe", "--block", "1M", "--joblog", str(log), "cat", input=NUMBERS)

    row = log.read_text().splitlines()[1].split("\t")
    assert row[4:8] == [str(len(NUMBERS)), str(len(NUMBERS)), "0", "0"]


def test_a_dry_run_of_blocks_prints_a_line_for_each():
    words = ("--pipe", "--dry-run", "-N", "2", "cat", "{#}")

    assert output_of(*words, input=b"a\nb\nc") == b"cat 1\ncat 2\n"


@pytest.mark.parametrize("words", [["--pipe", "cat"], ["echo"], ["echo", "::::", "-"], []])
@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=" ".join)
def test_no_input_is_no_job(options, words):
    assert output_of(*options, *words) == b""


@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=" ".join)
@pytest.mark.parametrize("words", [["echo"], ["--pipe", "cat"], ["echo", "::::", "-"]])
def test_standard_input_that_cannot_be_read_is_said_before_anything_begins(options, words):
    closed = ["sh", "-c", 'exec "$@" <&-', "sh", *RUN]
    for_writing = ["sh", "-c", 'exec "$@" 0>/dev/null', "sh", *RUN]

    for command, reason in (
        (closed, b"it is closed"),
        (for_writing, b"it is open for writing only"),
    ):
        done = run(*options, *words, command=command)
        assert (done.returncode, done.stdout) == (255, b"")
        assert done.stderr.startswith(b"procession run: cannot read standard input: " + reason), (
            done
        )


def test_who_needs_no_standard_input_needs_it_not_open():
    assert (
        output_of("echo", ":::", "a", command=["sh", "-c", 'exec "$@" <&-', "sh", *RUN]) == b"a\n"
    )


def test_standard_input_may_be_a_socket():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"a\nb")
        theirs.shutdown(socket.SHUT_WR)
        done = subprocess.run(
            [*RUN, "-k", "echo"], stdin=ours, capture_output=True, timeout=TIMEOUT,
            env=environment(),
        )  # fmt: skip

    assert done.stdout == b"a\nb\n"


def test_a_job_begins_before_the_next_line_is_written(tmp_path):
    fifo = tmp_path / "lines"
    os.mkfifo(fifo)
    with started("--lb", "echo", "::::", str(fifo)) as process, open(fifo, "wb", 0) as lines:
        for name in (b"a\n", b"b\n"):
            lines.write(name)
            assert process.stdout.readline() == name
        lines.close()
        assert process.wait(TIMEOUT) == 0


def test_lines_are_what_stands_between_newlines():
    assert output_of("-k", "echo", "<{}>", input=b"\na\r\n b ") == b"<>\n<a\r>\n< b >\n"


def test_a_nul_in_a_line_fails_its_job_only():
    done = run("-k", "echo", input=b"a\0b\nc\n")

    assert (done.returncode, done.stdout) == (1, b"c\n")
    assert b"null byte" in done.stderr


def test_files_of_process_substitutions_are_combined():
    script = 'exec "$@" -k echo {1}{2} :::: <(echo a) <(echo b; echo c)'

    assert output_of(command=["bash", "-c", script, "bash", *RUN]) == b"ab\nac\n"


def test_a_line_of_many_megabytes_is_too_long_for_a_command_and_the_next_is_run():
    done = run("-k", "echo", input=b"x" * 20_000_000 + b"\na\n")

    assert (done.returncode, done.stdout) == (1, b"a\n")
    assert done.stderr.endswith(b"Argument list too long: 'echo'\n") and len(done.stderr) < 200
