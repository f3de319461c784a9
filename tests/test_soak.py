"""A short run of bench/soak.py, which checks what comes back from each of its children."""

import json
import pathlib
import subprocess
import sys

import pytest

SOAK = pathlib.Path(__file__).resolve().parent.parent / "bench/soak.py"
MINUTES = 0.1
PATIENCE = 100

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SOAK.exists(), reason="bench/ is not beside the tests"),
]


def soak(path, *arguments):
    """Run the program to its end; return it and the summary that it has written."""
    command = [sys.executable, SOAK, "--json", path, "--minutes", str(MINUTES), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    return done, json.loads(path.read_text())


def test_every_answer_of_a_mixed_load_is_right_and_nothing_is_left(tmp_path):
    done, summary = soak(tmp_path / "summary.json", "--seed", "1")

    assert (done.returncode, done.stderr, summary["failed"]) == (0, "", None)
    assert done.stdout.startswith("seed 1\n")
    assert all(count > 0 for count in summary["tasks"].values())
    assert summary["checks"] >= 2
