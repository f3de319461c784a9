"""Ctrl-C in its three steps, other signals, Ctrl-Z: in a real terminal and without."""

import os
import signal
from pathlib import Path

import pytest

from helpers.command import RUN, Terminal, run, started, wait_for

CTRL_C = b"\x03"
CTRL_Z = b"\x1a"
CTRL_BACKSLASH = b"\x1c"

# Says that it has begun, and ends when it is let go, or deaf to SIGTERM.
WAITS = "echo $$ >>begun; while [ ! -e go ]; do sleep 0.02; done; echo ended {}"
DEAF = "trap '' TERM; " + WAITS


def begun(folder):
    path = folder / "begun"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def state_of(pid):
    """Return the letter that the kernel has for what a process does, "X" for none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def stopped(pid):
    # A shell that has called vfork() hangs in the kernel until its child goes on.
    return state_of(pid) in "TD"


def gone(pid):
    return state_of(pid) in "XZ"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def begin(script, *options):
    words = ["-j2", *options, "--joblog", "log", "--shell", script, ":::", *"abcdef"]
    return Terminal(*RUN, *words)


def two_begun(folder):
    return wait_for(lambda: len(begun(folder)) == 2 and begun(folder))


def logged(folder):
    return [line.split("\t")[0] for line in (folder / "log").read_text().splitlines()[1:]]


def test_the_first_ctrl_c_lets_running_jobs_end_and_begins_no_more(folder):
    with begin(WAITS) as terminal:
        two_begun(folder)
        terminal.type(CTRL_C)
        terminal.expect(rb"Ctrl-C again")
        (folder / "go").touch()

        assert terminal.wait() == -signal.SIGINT

    assert len(begun(folder)) == 2
    assert "ended a" in terminal.text()
    assert "ended b" in terminal.text()
    assert "Traceback" not in terminal.text()
    assert sorted(logged(folder)) == ["1", "2"]


def test_the_second_ctrl_c_ends_the_trees_of_running_jobs(folder):
    with begin(f"({WAITS}) & wait") as terminal:
        pids = two_begun(folder)
        terminal.type(CTRL_C)
        terminal.expect(rb"Ctrl-C again")
        terminal.type(CTRL_C)

        assert terminal.wait() == -signal.SIGINT

    assert all(map(gone, pids))
    assert len(begun(folder)) == 2
    assert "ended a" not in terminal.text()
    assert logged(folder) == []


def test_the_third_ctrl_c_kills(folder):
    with begin(DEAF, "--kill-after", "3600") as terminal:
        pids = two_begun(folder)
        terminal.type(CTRL_C)
        terminal.expect(rb"Ctrl-C again")
        terminal.type(CTRL_C)
        terminal.expect(rb"(?s)Ctrl-C again.*Ctrl-C again")
        assert not any(map(gone, pids))
        terminal.type(CTRL_C)

        assert terminal.wait() == -signal.SIGINT

    assert all(map(gone, pids))
    assert logged(folder) == []


@pytest.mark.parametrize("options", [[], ["-k"], ["--lb"]], ids=" ".join)
def test_the_third_ctrl_c_waits_for_no_reader(folder, options):
    words = ["-j2", *options, "--joblog", "log", "--shell", "head -c 9000000 /dev/zero; : {}"]
    with started(*words, ":::", *"abcdefgh") as process:
        process.stdout.read(1)
        for said in (b"Ctrl-C again ends", b"Ctrl-C again kills"):
            process.send_signal(signal.SIGINT)
            assert said in process.stderr.readline()
        process.send_signal(signal.SIGINT)

        assert process.wait() == -signal.SIGINT

    assert logged(folder) == []


def test_interrupted_jobs_are_resumed(folder):
    with begin(WAITS) as terminal:
        two_begun(folder)
        terminal.type(CTRL_C)
        terminal.expect(rb"Ctrl-C again")
        terminal.type(CTRL_C)
        terminal.wait()
    (folder / "go").touch()

    done = run("-k", "--joblog", "log", "--resume", "--shell", WAITS, ":::", *"abcdef")

    assert done.stdout.split() == b"ended a ended b ended c ended d ended e ended f".split()


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_the_jobs_at_once(folder, sig):
    with started("-j2", "--shell", WAITS, ":::", *"abcdef") as process:
        pids = two_begun(folder)
        process.send_signal(sig)

        assert process.wait() == -sig
        assert b"Traceback" not in process.stderr.read()

    assert all(map(gone, pids))


def test_ctrl_backslash_kills(folder):
    with begin(DEAF, "--kill-after", "3600") as terminal:
        pids = two_begun(folder)
        terminal.type(CTRL_BACKSLASH)

        assert terminal.wait() == -signal.SIGQUIT

    assert all(map(gone, pids))
    assert logged(folder) == []


def test_an_interruption_that_is_ignored_stays_ignored(folder):
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *RUN]
    with started("-j2", "--shell", WAITS, ":::", "a", "b", command=ignoring) as process:
        two_begun(folder)
        process.send_signal(signal.SIGINT)
        (folder / "go").touch()

        assert process.wait() == 0
        assert sorted(process.stdout.read().split()) == sorted(b"ended a ended b".split())


def test_ctrl_c_while_input_is_waited_for_ends_the_run(folder):
    with Terminal(*RUN, "echo", "ran {}") as terminal:
        # The terminal is the standard input.
        terminal.type(b"first\n")
        terminal.expect(rb"ran first")
        terminal.type(CTRL_C)

        assert terminal.wait() == -signal.SIGINT

    assert "Traceback" not in terminal.text()


def test_ctrl_z_stops_the_jobs_and_they_go_on_with_the_run(folder):
    with begin(WAITS) as terminal:
        pids = two_begun(folder)
        terminal.type(CTRL_Z)
        wait_for(lambda: state_of(terminal.process.pid) == "T")
        wait_for(lambda: all(map(stopped, pids)))
        terminal.process.send_signal(signal.SIGCONT)
        (folder / "go").touch()

        assert terminal.wait() == 0


def test_jobs_can_be_made_to_die_with_the_run(folder):
    with begin(WAITS, "--die-with-parent") as terminal:
        pids = two_begun(folder)
        os.kill(terminal.process.pid, signal.SIGKILL)

        assert terminal.wait() == -signal.SIGKILL
        wait_for(lambda: all(map(gone, pids)))
