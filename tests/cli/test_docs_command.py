"""The examples in docs/command.md print what the page says."""

import argparse
import pathlib
import platform
import re
import subprocess
import sys

import pytest

from helpers.examples import environment, lay_out
from procession.cli.arguments import foreign, options

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/command.md"
PATIENCE = 60

pytestmark = [
    pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not beside the tests"),
    pytest.mark.slow,
]

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)\n", re.MULTILINE)
APART = "\x1c"


def sessions():
    text = PAGE.read_text() if PAGE.exists() else ""
    for block in BLOCK.findall(text):
        before, *rest = COMMAND.split(block)
        assert not before, block
        yield pytest.param(list(zip(rest[::2], rest[1::2], strict=True)), id=rest[0])


def pattern_of(shown):
    """Return what matches a text in which ... stands for anything."""
    return re.compile(".*".join(map(re.escape, shown.split("..."))), re.DOTALL)


def known_options():
    parser = argparse.ArgumentParser()
    options.add_arguments(parser)
    ours = parser._option_string_actions
    return {*map(foreign.plain, ours), *foreign.NAMES}


@pytest.mark.parametrize("session", list(sessions()))
def test_an_example_prints_what_is_shown(session, tmp_path):
    files, programs = lay_out(tmp_path)
    apart = f"status=$?; printf '{APART}'; (exit $status)\n"

    done = subprocess.run(
        ["sh", "-c", "".join(f"{command}\n{apart}" for command, _ in session)],
        cwd=files,
        env=environment(programs),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
    )

    printed = done.stdout.split(APART)[:-1]
    assert len(printed) == len(session)
    for text, (command, shown) in zip(printed, session, strict=True):
        assert pattern_of(shown).fullmatch(text), (command, text)


def test_the_first_command_of_the_readme_runs_the_worked_example(tmp_path):
    readme = PAGE.parent.parent / "README.md"
    first = next(block for block in BLOCK.findall(readme.read_text()) if "venv" in block)
    *_, job = first.strip().split(" && ")
    assert job.startswith(".venv/bin/procession run ")
    _, programs = lay_out(tmp_path)
    (programs / "python").symlink_to(sys.executable)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(programs)

    done = subprocess.run(
        ["sh", "-c", job], cwd=tmp_path, env=environment(programs), capture_output=True, text=True
    )

    assert done.returncode == 0
    assert done.stdout == f"platform\t{platform.platform()}\n"
    assert done.stderr.startswith("summary\n")


def test_the_page_has_examples_of_all_that_matters():
    text = "".join(BLOCK.findall(PAGE.read_text()))

    for part in ("-k", "--pipe", "--joblog", "--resume", "--halt", "--format json", "--results"):
        assert part in text


def test_the_options_that_the_page_names_are_known():
    prose = re.sub(r"^```.*?^```$", "", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)
    quoted = " ".join(re.findall(r"`([^`\n]+)`", prose))
    named = set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z0](?![\w]))", quoted))

    assert {"-k", "--resume", "--sshlogin"} <= named
    named -= {"-f", "-c"}  # of tail and bash
    assert {name for name in named if foreign.plain(name) not in known_options()} == set()
