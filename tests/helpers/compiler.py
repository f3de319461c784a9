"""C programs of the tests: how they are compiled, with which sanitizers, and run."""

import os
import pathlib
import shutil
import subprocess

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
CORE = TESTS.parent / "csrc"
PATIENCE = 100

CC = os.environ.get("CC", "cc")
STRICT = [
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Wstrict-prototypes",
    "-Wshadow",
    "-Werror",
    f"-I{CORE}",
]
CHECKED = [*STRICT, "-UNDEBUG", "-O1", "-g", "-fsanitize=address,undefined"]

# Options for a sanitized interpreter, such as no search for leaks, are not for these.
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": "", "UBSAN_OPTIONS": "halt_on_error=1"}

needs_compiler = pytest.mark.skipif(shutil.which(CC) is None, reason="no C compiler")


def call(*command, patience=PATIENCE, **options):
    """Run a command; fail with what it said if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=patience,
        **options,
    )
    if done.returncode:
        pytest.fail(
            f"{pathlib.Path(command[0]).name}: {done.returncode}\n{done.stdout}",
            pytrace=False,
        )
    return done.stdout
