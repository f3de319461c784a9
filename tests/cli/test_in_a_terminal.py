"""The real command in a real terminal: the bar, the output above it, and what is said."""

import os
import re
import signal
import termios
from pathlib import Path

import pytest

from helpers.command import RUN, Terminal, environment, run, started, wait_for
from helpers.emulator import Emulator

CTRL_C = b"\x03"
CTRL_D = b"\x04"
CTRL_Z = b"\x1a"

# Ends when it is let go.
WAITS = "while [ ! -e go ]; do sleep 0.02; done"

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["rich", "no rich"])
def env(request, tmp_path):
    """An environment with rich, and one without."""
    if request.param == "rich":
        pytest.importorskip("rich")
        return environment()
    (tmp_path / "hiding").mkdir()
    (tmp_path / "hiding/rich.py").write_text("raise ImportError('hidden')\n")
    path = [str(tmp_path / "hiding"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return environment(PYTHONPATH=os.pathsep.join(path))


def let_go():
    Path("go").touch()


def is_stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def seen(terminal, columns=80):
    """Return the lines that somebody sees, now that the command has ended."""
    emulator = Emulator(columns, rows=100)
    emulator.feed(terminal.screen.decode().replace("\r\r", "\r"))
    assert emulator.cursor[1] == 0
    return emulator.lines


def test_a_bar_is_shown_while_jobs_run_and_its_numbers_stay(env):
    with Terminal(*RUN, "-j2", "--shell", f"{WAITS}; exit {{}}", ":::", *"010", env=env) as bar:
        bar.expect(rb"0/3[^\r]*0 failed[^\r]*2 running")
        # It counts, and says which take long.
        bar.expect(rb"1\.\d s[^\r]*while|2 running")
        let_go()
        assert bar.wait() == 1
        assert bar.modes_now() == bar.modes

    *others, last = seen(bar)
    assert others == []
    assert re.search(r"3/3\D+1 failed", last)
    # The cursor is never hidden, nor is the terminal put into any mode.
    assert b"\x1b[?" not in bar.screen


def test_a_bar_is_for_runs_of_more_than_half_a_second():
    with Terminal(*RUN, "-k", "echo", ":::", "a", "b") as terminal:
        assert terminal.wait() == 0

    assert terminal.screen == b"a\r\nb\r\n" or re.search(r"[5-9]\d\d ms|\d s", terminal.text())


def test_output_of_jobs_stands_whole_above_the_bar(env):
    script = f"{WAITS}; for i in 1 2 3; do echo out {{}} $i; echo err {{}} $i >&2; done"
    with Terminal(*RUN, "-j4", "--shell", script, ":::", *"abcdef", env=env) as terminal:
        terminal.expect(rb"4 running")
        let_go()
        assert terminal.wait() == 0

    *output, last = seen(terminal)
    assert "6/6" in last
    assert len(output) == 36
    blocks = [output[begin : begin + 3] for begin in range(0, 36, 3)]
    assert sorted(blocks) == [
        [f"{which} {job} {i}" for i in (1, 2, 3)] for which in ("err", "out") for job in "abcdef"
    ]


def test_a_last_line_without_an_end_is_intact(env):
    script = f"printf 'no end {{}}'; {WAITS}"
    with Terminal(*RUN, "-j1", "--lb", "--shell", script, ":::", "a", env=env) as terminal:
        # Line by line, so the beginning of a line is not written yet.
        terminal.expect(rb"1 running")
        let_go()
        assert terminal.wait() == 0

    assert seen(terminal)[0] == "no end a"
    assert "1/1" in seen(terminal)[1]


@pytest.mark.parametrize("option", ["-q", "--no-progress", "-u"])
def test_there_is_no_bar_where_none_is_wanted(option):
    with Terminal(*RUN, option, "-j1", "sleep", ":::", "0.7") as terminal:
        assert terminal.wait() == 0

    assert terminal.screen == b""


def test_a_dumb_terminal_has_no_bar_and_lines_if_they_are_asked_for():
    dumb = environment(TERM="dumb")
    with Terminal(*RUN, "sleep", ":::", "0.7", env=dumb) as terminal:
        assert terminal.wait() == 0
    assert terminal.screen == b""

    with Terminal(*RUN, "--progress", "sleep", ":::", "0.7", env=dumb) as terminal:
        assert terminal.wait() == 0
    assert re.fullmatch(rb"procession: 1/1 done, 0 failed, .*\r\n", terminal.screen)


@pytest.mark.parametrize("columns", [12, 30, 80])
def test_it_fits_the_terminal(env, columns):
    words = ["-j2", "--shell", f"{WAITS}; true {'long ' * 40}", ":::", "a", "b"]
    with Terminal(*RUN, *words, columns=columns, env=env) as terminal:
        terminal.expect(rb"0/2")
        let_go()
        assert terminal.wait() == 0

    assert len(seen(terminal, columns)) == 1


def test_it_follows_the_terminal_when_that_gets_narrower(env):
    with Terminal(
        *RUN, "-j2", "--shell", f"{WAITS}; true {{}}", ":::", "a", "b", columns=100, env=env
    ) as bar:
        bar.expect(rb"2 running")
        bar.resize(24, 20)
        before = len(bar.screen)
        bar.expect(rb"(?s).{%d}.*0/2[^\r]*\x1b\[[JK]\r" % before)
        # What was drawn before is gone with the first drawing after.
        narrow = bar.screen.rindex(b"0/2")
        let_go()
        assert bar.wait() == 0

    bar.screen = bar.screen[narrow:]
    assert "2/2" in seen(bar, 20)[-1]


def test_output_to_a_file_leaves_the_bar_where_it_is(env):
    # Of the first, no line ends: that says nothing of where the cursor is.
    script = f"printf part{{}}; [ {{}} = a ] || {WAITS}"
    with open("out", "wb") as out:
        words = ["-j1", "--shell", script, ":::", "a", "b"]
        with Terminal(*RUN, *words, stdout=out, env=env) as terminal:
            terminal.expect(rb"1/2[^\r]*1 running")
            let_go()
            assert terminal.wait() == 0

    assert Path("out").read_bytes() == b"partapartb"
    *others, last = seen(terminal)
    assert others == []
    assert "2/2" in last


def test_what_goes_to_a_file_is_written_without_a_word_to_the_terminal(env):
    # Each line would take the bar away and put it back.
    script = f"seq 3; [ {{}} -lt 100 ] || {WAITS}"
    with open("out", "wb") as out:
        words = ["-j2", "--shell", script, ":::", *map(str, range(1, 101))]
        with Terminal(*RUN, *words, stdout=out, env=env) as terminal:
            terminal.expect(rb"99/100")
            let_go()
            assert terminal.wait() == 0

    assert Path("out").read_bytes().count(b"\n") == 300
    # Drawn every tenth of a second, and no more often.
    assert terminal.screen.count(b"/100") < 100


def test_a_file_of_standard_error_has_no_bar_and_the_terminal_only_output():
    words = ["-j1", "--shell", "sleep 0.7; echo out {}", ":::", "a"]
    script = 'exec "$@" 2>err'
    with Terminal("sh", "-c", script, "sh", *RUN, *words) as terminal:
        assert terminal.wait() == 0

    assert terminal.screen == b"out a\r\n"
    assert Path("err").read_bytes() == b""


def test_lines_are_written_where_there_is_no_terminal():
    with started("--progress", "-j1", "true", ":::", *"abc") as process:
        output, lines = process.communicate()

    assert (process.returncode, output) == (0, b"")
    assert re.search(rb"(?m)^procession: 3/3 done, 0 failed, .*\n\Z", lines)


def test_the_last_line_knows_the_total_of_what_came_through_a_pipe():
    done = run("--progress", "-j1", "true", input=b"a\nb\nc\n")

    assert re.search(rb"(?m)^procession: 3/3 done, 0 failed, .*\n\Z", done.stderr)


def test_what_ctrl_c_does_is_said_above_the_bar(env):
    with Terminal(
        *RUN, "-j2", "--shell", f"{WAITS}; true {{}}", ":::", *"abcd", env=env
    ) as terminal:
        terminal.expect(rb"2 running")
        terminal.type(CTRL_C)
        terminal.expect(rb"no more jobs are begun; 2 jobs are running\. Ctrl-C again ends them\.")
        before = len(terminal.screen)
        terminal.expect(rb"(?s).{%d}.*2 running" % before)
        terminal.type(CTRL_C)
        assert terminal.wait() == -signal.SIGINT
        assert terminal.modes_now() == terminal.modes

    first, second, last = seen(terminal)
    assert (
        first == "procession: no more jobs are begun; 2 jobs are running. Ctrl-C again ends them."
    )
    assert second == "procession: 2 jobs are being ended. Ctrl-C again kills them."
    # None has ended by itself, which makes no rate.
    assert re.search(r"0/4\D+0 failed", last)
    assert "/h" not in last


def test_the_bar_is_back_after_ctrl_z(env):
    with Terminal(*RUN, "-j1", "--shell", f"{WAITS}; true {{}}", ":::", "a", env=env) as terminal:
        terminal.expect(rb"1 running")
        terminal.type(CTRL_Z)
        wait_for(lambda: is_stopped(terminal.process.pid))
        while terminal._has_more():
            terminal.read()
        before = len(terminal.screen)
        terminal.process.send_signal(signal.SIGCONT)
        terminal.expect(rb"(?s).{%d}.*1 running" % before)
        let_go()
        assert terminal.wait() == 0


def test_one_job_is_not_spoken_of_as_many():
    with Terminal(*RUN, "-j1", "--shell", f"{WAITS}; true {{}}", ":::", *"ab") as terminal:
        terminal.expect(rb"1 running")
        terminal.type(CTRL_C)
        terminal.expect(rb"no more jobs are begun; 1 job is running\. Ctrl-C again ends it\.")
        let_go()
        assert terminal.wait() == -signal.SIGINT


def test_halt_ends_the_run_below_what_was_printed(env):
    script = f"{WAITS}; echo ran {{}}; exit 3"
    words = ["-j1", "--halt", "now,fail=1", "--shell", script, ":::", *"ab"]
    with Terminal(*RUN, *words, env=env) as terminal:
        terminal.expect(rb"1 running")
        let_go()
        assert terminal.wait() == 3

    assert "ran a" in seen(terminal)
    assert "ran b" not in terminal.text()
    assert re.search(r"1/2\D+1 failed", seen(terminal)[-1])


def test_what_the_next_job_waits_for_is_said(env):
    words = ["-j2", "--delay", "60", "true", ":::", "a", "b"]
    with Terminal(*RUN, *words, env=env) as terminal:
        terminal.expect(rb"waiting for the delay of 1 min 00 s|waiting for the delay of 60")
        terminal.type(CTRL_C)
        assert terminal.wait() == -signal.SIGINT

    # Nothing runs, so there is nothing that a second one could end.
    assert "procession: no more jobs are begun" in seen(terminal)


def test_a_total_is_shown_as_soon_as_it_is_known(env):
    script = f'(echo a; {WAITS}; echo b) | "$@"'
    words = ["-j1", "--shell", "echo {}; [ {} = a ] || while [ ! -e end ]; do sleep 0.02; done"]
    with Terminal("sh", "-c", script, "sh", *RUN, *words, env=env) as terminal:
        terminal.expect(rb"1/\?")
        let_go()
        terminal.expect(rb"1/2")
        Path("end").touch()
        assert terminal.wait() == 0

    assert "2/2" in seen(terminal)[-1]


def test_jobs_begin_while_the_others_are_counted(folder):
    # Empty arguments without number: a file that is nearly all hole.
    with open("values", "wb") as values:
        values.write(b"first\0")
        values.truncate(1 << 38)
    words = ["-0", "-j1", "-k", "-a", "values", "echo", "ran"]
    with Terminal(*RUN, "--progress", *words) as terminal:
        terminal.expect(rb"ran first")


def test_a_job_has_no_terminal_to_write_to(env):
    script = f"{WAITS}; echo intruder >/dev/tty"
    with Terminal(*RUN, "-j1", "--shell", script, ":::", "a", env=env) as terminal:
        terminal.expect(rb"1 running")
        let_go()
        assert terminal.wait() == 1

    error, last = seen(terminal)
    assert "/dev/tty" in error
    assert "1 failed" in last


@pytest.mark.parametrize(
    ("words", "what"), [(["echo"], "arguments"), ([], "commands"), (["--pipe", "cat"], "blocks")]
)
def test_that_input_is_waited_for_is_said(words, what):
    with Terminal(*RUN, *words) as terminal:
        terminal.expect(rb"procession: %s are read from the terminal" % what.encode())
        terminal.type(b"echo typed\n")
        terminal.expect(rb"echo typed\r\n")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0

    assert "typed" in terminal.text().splitlines()[-1]


def test_nothing_is_said_of_a_terminal_that_is_not_read(folder):
    (folder / "words").write_text("a\n")
    with Terminal(*RUN, "echo", "::::", "words") as terminal:
        assert terminal.wait() == 0

    assert b"terminal" not in terminal.screen


def test_no_bar_is_drawn_over_what_is_being_typed():
    with Terminal(*RUN, "-j1", "--shell", "sleep 0.7; echo ran {}") as terminal:
        terminal.expect(rb"are read from the terminal")
        terminal.type(b"a\n")
        terminal.expect(rb"ran a")
        terminal.type(CTRL_D)
        assert terminal.wait() == 0

    assert b"\x1b[" not in terminal.screen


def test_a_terminal_with_echo_off_keeps_it_off():
    with Terminal(*RUN, "sleep", ":::", "0.7") as terminal:
        modes = terminal.modes_now()
        modes[3] &= ~termios.ECHO
        termios.tcsetattr(terminal._slave, termios.TCSANOW, modes)
        assert terminal.wait() == 0
        assert terminal.modes_now() == modes
