"""Arguments that are hard on programs, through the command and back, byte for byte."""

import os
import shutil
import subprocess
import sys

import pytest

from helpers.command import output_of, run

ODD = [
    b"two words",
    b" ",
    b"",
    b"it's",
    b'"quoted"',
    b"$HOME `id` $(id)",
    b"back\\slash",
    b"line\nline\n",
    b"\n",
    b"tab\ttab",
    b"-n",
    b"--",
    b"--help",
    b"*",
    b"~",
    b"a;b&c|d<e>f#g!h{i}j[k]",
    b"{}",
    b"{1} {#} {%}",
    b"\xff\xfe\x80",
    b"caf\xc3\xa9 \xf0\x9f\x90\x8d",
    b"\x01\x1b\x7f",
    b"\r",
]

# Prints its arguments, each with its end marked.
SHOW = ["printf", "<%s>\\0"]
SHOW_BY_SHELL = "printf '<%s>\\0' {} | cat"


def shown(values):
    return b"".join(b"<" + value + b">\0" for value in values)


@pytest.mark.parametrize("template", [SHOW, [SHOW_BY_SHELL], ["--shell", SHOW_BY_SHELL]])
@pytest.mark.parametrize("source", ["arguments", "input", "file"])
def test_odd_arguments_arrive_byte_for_byte(tmp_path, template, source):
    given, input = [":::", *ODD], b""
    if source == "input":
        given, input = [], b"\0".join(ODD)
    elif source == "file":
        (tmp_path / "odd").write_bytes(b"\0".join(ODD))
        given = ["::::", tmp_path / "odd"]

    assert output_of("-k", "-0", *template, *given, input=input) == shown(ODD)


def test_odd_arguments_arrive_together_with_others_in_one_job():
    assert output_of("-n", "100", *SHOW, ":::", *ODD) == shown(ODD)


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_arguments_behind_the_code_of_a_shell_arrive_byte_for_byte(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    code = "printf '<%s>\\0' \"$1\""

    assert output_of("-k", "-0", shell, "-c", code, "-", "{}", input=b"\0".join(ODD)) == shown(ODD)


def test_a_command_line_that_is_logged_runs_to_the_same_effect(tmp_path):
    output = output_of("-k", "--dry-run", *SHOW, ":::", *[odd for odd in ODD if b"\n" not in odd])

    for line, odd in zip(output.splitlines(), [o for o in ODD if b"\n" not in o], strict=False):
        # \r within quotes ends no line for a shell.
        if b"\r" not in odd:
            assert subprocess.run([b"sh", b"-c", line], stdout=-1).stdout == shown([odd])


def test_an_argument_that_is_too_long_is_an_error_of_its_job_only():
    long = b"x" * (2 << 20)

    done = run("-k", "echo", "{}", input=b"a\n" + long + b"\nb\n")

    assert done.stdout == b"a\nb\n"
    assert done.returncode == 1
    assert b"Argument list too long" in done.stderr
    assert len(done.stderr) < 1000


def test_a_line_that_is_too_long_for_an_argument_can_be_an_input():
    long = b"x" * (2 << 20) + b"\n"

    assert output_of("--pipe", "cat", input=b"a\n" + long + b"b\n").count(b"x") == 2 << 20


@pytest.mark.slow
def test_a_million_lines_take_no_memory():
    code = """
import re, sys
from procession.cli.main import main
status = main(sys.argv[1:])
with open("/proc/self/status") as lines:
    print(re.search("VmHWM: *(.*) kB", lines.read())[1], file=sys.stderr)
sys.exit(status)
"""
    peaks = []
    # A hundred thousand make more jobs of full length than run at once.
    for lines in (100_000, 1_000_000):
        numbers = b"".join(b"%d\n" % i for i in range(lines))
        command = [sys.executable, "-c", code, "run"]
        done = run("-X", "--shell", "echo {} | wc -w", input=numbers, command=command)
        assert sum(map(int, done.stdout.split())) == lines
        peaks.append(int(done.stderr))

    # KiB; the input is 7 MiB, and a list of its lines more than 50.
    assert peaks[1] - peaks[0] < 6 * 1024


def test_the_environment_and_the_folder_are_ours(tmp_path):
    output = output_of(
        "--shell", "echo $GIVEN {} $PWD", ":::", "a", cwd=tmp_path, env={**os.environ, "GIVEN": "g"}
    )

    assert output == f"g a {tmp_path}\n".encode()
