"""What the command loads before it answers, and what its package needs."""

import importlib.metadata
import re
import subprocess
import sys

import pytest

import procession
import procession_command
from helpers import patience


def imported_for(*arguments):
    """Return the modules that an interpreter imports for the command, beyond its own."""
    code = "import sys, procession_command; sys.exit(procession_command.main())"
    return imported_by(code, *arguments) - imported_by("pass")


def imported_by(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=patience.seconds,
        check=True,
    )
    return set(re.findall(r"^import time: .*\| +(\S+)$", done.stderr, re.MULTILINE))


def test_nothing_is_imported_for_the_version_but_the_command_itself():
    assert imported_for("--version") == {"procession_command"}


@pytest.mark.parametrize("arguments", [["--help"], ["completion", "--help"]], ids=" ".join)
def test_what_one_command_needs_is_imported_for_no_other(arguments):
    imported = imported_for(*arguments)

    assert "argparse" in imported
    for name in ("rich", "matplotlib", "procession.demo", "procession.cli.bench.command"):
        assert name not in imported


def test_the_version_is_the_same_everywhere():
    assert procession.__version__ == procession_command.VERSION
    assert procession.__version__ == importlib.metadata.version("procession")


def test_the_package_needs_no_other_and_the_extras_are_optional():
    metadata = importlib.metadata.metadata("procession")
    needed = metadata.get_all("Requires-Dist") or []

    assert [line for line in needed if "extra ==" not in line] == []
    for extra, package in {"cli": "rich", "plot": "matplotlib"}.items():
        assert extra in metadata.get_all("Provides-Extra")
        assert any(re.match(rf"{package}\b.*extra == .{extra}\b", line) for line in needed)


def test_the_command_is_installed_under_its_name():
    points = importlib.metadata.entry_points(group="console_scripts", name="procession")

    assert {point.value for point in points} == {"procession_command:main"}
