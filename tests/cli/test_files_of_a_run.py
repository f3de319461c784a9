"""What a run leaves for its user: a trace, a picture, a summary; and files that cannot be."""

import importlib.util
import itertools
import json
import os
from pathlib import Path

import pytest

from helpers.command import RUN, environment, run

JOBS = 2000

# An interpreter that begins with this finds no matplotlib.
HIDING = """
import sys
from importlib.machinery import PathFinder

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, *rest):
        return None if name == "matplotlib" else super().find_spec(name, *rest)

sys.meta_path[sys.meta_path.index(PathFinder)] = Hiding
"""

TO_FULL = ["sh", "-c", 'exec "$@" >/dev/full', "sh", *RUN]

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="there is no matplotlib"
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_many(*options):
    """Run many jobs of which each hundredth fails."""
    numbers = "".join(f"{number}\n" for number in range(1, JOBS + 1)).encode()
    words = ["-q", *options, "--shell", "exit $(({} % 100 == 0))"]
    done = run(*words, input=numbers)
    assert (done.returncode, done.stdout) == (JOBS // 100, b"")
    return done.stderr.decode()


@pytest.mark.slow
def test_a_trace_of_thousands_is_json_with_a_bar_for_each_job():
    assert run_many("-j3", "--trace", "trace.json") == ""

    events = json.loads(Path("trace.json").read_text())
    bars = [event for event in events if event["ph"] == "X"]
    assert len(bars) == JOBS
    assert sum(bar["args"]["returncode"] for bar in bars) == JOBS // 100
    assert {bar["tid"] for bar in bars} <= {0, 1, 2}
    # No slot has two at once.
    for slot in range(3):
        mine = sorted((bar["ts"], bar["ts"] + bar["dur"]) for bar in bars if bar["tid"] == slot)
        assert all(end <= begin + 1 for (_, end), (begin, _) in itertools.pairwise(mine))


@pytest.mark.slow
def test_a_summary_of_thousands_counts_all_of_them():
    text = run_many("--summary")

    numbers = text.splitlines()[2].split()
    assert numbers[:3] == [str(JOBS), str(JOBS - JOBS // 100), str(JOBS // 100)]
    assert f"{JOBS // 100}  exit 1  100  exit $((100 % 100 == 0))" in text


def test_a_summary_of_nothing_has_no_rate():
    done = run("--summary", "true", input=b"")

    assert done.returncode == 0
    assert done.stderr.decode().splitlines()[2].split()[0] == "0"
    assert b"/h" not in done.stderr


@needs_matplotlib
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "head"), [("plot.png", b"\x89PNG"), ("plot.svg", b"<?xml"), ("plot.pdf", b"%PDF")]
)
def test_a_picture_of_thousands_is_drawn(name, head):
    assert run_many("--plot", name) == ""

    assert Path(name).read_bytes().startswith(head)


def test_without_matplotlib_it_is_said_what_to_install_before_anything_starts(tmp_path):
    (tmp_path / "hiding").mkdir()
    (tmp_path / "hiding/sitecustomize.py").write_text(HIDING)
    path = [str(tmp_path / "hiding"), *filter(None, [os.environ.get("PYTHONPATH")])]

    done = run(
        *("--plot", "plot.png", "touch", ":::", "begun"),
        env=environment(PYTHONPATH=os.pathsep.join(path)),
    )

    assert done.returncode == 255
    assert b"pip install 'procession[plot]'" in done.stderr
    assert b"Traceback" not in done.stderr
    assert not Path("begun").exists()
    assert not Path("plot.png").exists()


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("--trace", "/proc/missing"),
        ("--trace", "/dev/null/missing"),
        ("--joblog", "/proc/missing"),
        ("--joblog", "/dev/full"),
        ("--results", "/proc/missing"),
    ],
)
def test_a_file_that_cannot_be_is_an_error_before_anything_starts(option, path):
    done = run(option, path, "touch", ":::", "begun")

    assert done.returncode == 255
    assert done.stderr.startswith(b"procession run: ")
    assert path.removesuffix("/missing").encode() in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert not Path("begun").exists()


def test_what_cannot_be_shown_beforehand_is_an_error_in_a_line():
    done = run("--dry-run", "echo", ":::", "a", command=TO_FULL)

    assert done.returncode == 255
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
