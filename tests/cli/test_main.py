"""The command's beginning and end: what it calls, what it says, of what it dies."""

import os
import re
import signal
import subprocess
import sys

import pytest

import procession
from helpers import patience

COMMAND = ("-c", "import sys, procession_command; sys.exit(procession_command.main())")
MODULE = ("-m", "procession")


def run(*arguments, way=COMMAND, **options):
    """Run the command to its end; return its status and both outputs."""
    options = {"stdout": subprocess.PIPE, **options}
    done = subprocess.run(
        [sys.executable, *way, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        timeout=patience.seconds,
        **options,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def pipe_without_reader():
    """Return the end of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("way", [COMMAND, MODULE], ids=["command", "module"])
def test_without_arguments_it_shows_its_help(way):
    status, output, errors = run(way=way)

    assert (status, errors) == (0, "")
    assert (status, output, errors) == run("--help", way=way)
    assert output.startswith("usage: procession ")
    for name in ("run", "bench", "demo", "completion"):
        assert re.search(rf"^    {name}$|^    {name} ", output, re.MULTILINE)


@pytest.mark.parametrize("way", [COMMAND, MODULE], ids=["command", "module"])
def test_it_tells_its_version(way):
    assert run("--version", way=way) == (0, f"procession {procession.__version__}\n", "")


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        (["nonsense"], "there is no command 'nonsense'; there are run, bench, demo and completion"),
        (["ruun", "echo"], "there is no command 'ruun'; is it run?"),
        (["cat", ":::", "a"], "there is no command 'cat'; procession run cat runs that program"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["caf\udce9"], "there is no command 'caf\\udce9'"),
    ],
)
def test_what_it_does_not_know_is_a_usage_error_of_status_255(arguments, complaint):
    status, output, errors = run(*arguments)

    assert (status, output) == (255, "")
    assert errors.startswith(f"procession: {complaint}")
    assert errors.endswith(" (procession --help tells more)\n")


def test_an_error_of_a_command_names_the_command():
    status, output, errors = run("completion", "tcsh")

    assert (status, output) == (255, "")
    assert errors.startswith("procession completion: argument shell: invalid choice: 'tcsh'")


@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "not buffered"])
@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], [], ["demo", "--help"]], ids=" ".join
)
def test_a_reader_that_has_gone_ends_it_by_sigpipe(arguments, buffered, pipe_without_reader):
    environment = {**os.environ, "PYTHONUNBUFFERED": buffered}

    ended = run(*arguments, stdout=pipe_without_reader, env=environment)

    assert ended == (-signal.SIGPIPE, None, "")


@pytest.mark.parametrize("buffered", ["", "1"], ids=["buffered", "not buffered"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        [],
        ["run", "--help"],
        ["run", "--dry-run", "echo", ":::", "a"],
        ["completion", "bash"],
    ],
    ids=" ".join,
)
def test_a_full_disk_is_said(arguments, buffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
    with open("/dev/full", "w") as full:
        status, _, errors = run(*arguments, stdout=full, env=environment)

    assert (status, errors) == (255, "procession: [Errno 28] No space left on device\n")


def test_a_broken_pipe_of_another_kind_is_no_end_without_reader(pipe_without_reader):
    code = f"""
import os
from procession.cli import ending
try:
    os.write({pipe_without_reader}, b"x")
except BrokenPipeError:
    ending.end_without_reader()
"""
    status, output, errors = run(way=("-c", code), pass_fds=[pipe_without_reader])

    assert (status, output) == (1, "")
    assert errors.rstrip().endswith("BrokenPipeError: [Errno 32] Broken pipe")


@pytest.mark.parametrize("blocked", [False, True], ids=["open to it", "blocking it"])
def test_ctrl_c_that_a_command_leaves_is_what_it_dies_of(blocked):
    code = f"""
import signal, sys
from procession.cli import main
def interrupted(arguments):
    if {blocked}:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    raise KeyboardInterrupt
main.call = interrupted
main.main()
"""
    assert run(way=("-c", code)) == (-signal.SIGINT, "", "")


def test_ctrl_c_while_the_package_is_imported_is_what_the_command_dies_of():
    code = """
import sys
class Interruption:
    def find_spec(self, name, path, target=None):
        if name == "procession.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interruption())
import procession_command
procession_command.main()
"""
    assert run(way=("-c", code)) == (-signal.SIGINT, "", "")


def test_without_standard_output_help_goes_to_stderr_and_ends_well():
    status, _, errors = run(
        way=(
            "-c",
            f"import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, *{MODULE}])",
        )
    )

    assert status == 0
    assert errors.startswith("usage: procession ")
