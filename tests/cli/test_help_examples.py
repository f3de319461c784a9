"""The examples of `procession run --help` do their work."""

import subprocess

import pytest

from helpers.examples import environment, lay_out
from procession.cli.arguments.examples import EXAMPLES

PATIENCE = 60


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.line)
def test_an_example_of_the_help_succeeds(example, tmp_path):
    files, programs = lay_out(tmp_path)

    done = subprocess.run(
        ["sh", "-c", example.line],
        cwd=files,
        env=environment(programs),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
