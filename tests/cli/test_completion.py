"""The scripts of `procession completion`, in the shells that they are for."""

import argparse
import os
import pty
import shutil
import subprocess
import sys

import pytest

from helpers import patience
from procession.cli import main
from procession.cli.completion import complete_bash, complete_fish, complete_zsh, completion

SCRIPTS = {"bash": complete_bash, "zsh": complete_zsh, "fish": complete_fish}

CONFIGURATION = """
unset HISTFILE
{loading}
source {script}
procession() {{ printf '%s\\n' "$@" >{result}; }}
"""


def need(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    return shell


def commands():
    """Return commands that have each kind of option and of operand."""
    run = argparse.ArgumentParser(prog="procession run")
    run.add_argument("-j", "--jobs", metavar="N", default="100%", help="jobs (%(default)s). More.")
    run.add_argument("-k", "--keep-order", action="store_true", help="it's [in]: \\order $HOME `x`")
    run.add_argument("--format", choices=["text", "json"])
    run.add_argument("--joblog", metavar="FILE")
    run.add_argument("--results", metavar="DIR")
    run.add_argument("--hidden", help=argparse.SUPPRESS)
    run.add_argument("command", nargs=argparse.REMAINDER)
    printed = argparse.ArgumentParser(prog="procession completion")
    completion.add_arguments(printed)
    return [
        completion.command_of("run", "run many: what there is", run),
        completion.command_of("completion", "print a script", printed),
    ]


@pytest.fixture
def script(tmp_path):
    """Return a function that writes the script for a shell and returns its path."""

    def write(shell):
        path = tmp_path / f"script.{shell}"
        path.write_text(SCRIPTS[shell].script(commands()))
        return path

    return write


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Go to a folder with a file, one whose name has a space, and a folder."""
    path = tmp_path / "folder"
    (path / "subfolder").mkdir(parents=True)
    (path / "sub file").touch()
    (path / "thefile").touch()
    monkeypatch.chdir(path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return path


def offered_by_bash(script, *words, before=""):
    """Return what the function offers for the last word, as bash has split them."""
    code = f"""
        {before}
        source {script}
        COMP_WORDS=(procession "$@") COMP_CWORD=$#
        _procession
        ((${{#COMPREPLY[@]}})) && printf '%s\\n' "${{COMPREPLY[@]}}" || :
    """
    return lines_of(["bash", "--norc", "-c", code, "bash", *words])


def offered_by_fish(script, line):
    code = f"source {script}; complete -C {line!r}"
    return [each.partition("\t")[0] for each in lines_of(["fish", "--no-config", "-c", code])]


def lines_of(command):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=patience.seconds, stdin=subprocess.DEVNULL
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def typed(shell, script, line, tmp_path):
    """Type a line at a terminal; return the arguments that the command then gets."""
    result = tmp_path / "result"
    loading = {"zsh": "autoload -Uz compinit; compinit -u -D", "bash": ""}[shell]
    text = CONFIGURATION.format(loading=loading, script=script, result=result)
    (tmp_path / ".zshrc").write_text(text)
    (tmp_path / "bashrc").write_text(text)
    options = {"zsh": ["-i"], "bash": ["--noprofile", "--rcfile", str(tmp_path / "bashrc"), "-i"]}
    ours, theirs = pty.openpty()
    with open(ours, "wb", buffering=0) as keyboard:
        with open(theirs, "r+b", buffering=0) as terminal:
            process = subprocess.Popen(
                [shell, *options[shell]],
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                start_new_session=True,
                env={**os.environ, "ZDOTDIR": str(tmp_path), "TERM": "vt100"},
            )
        keyboard.write(f"{line}\nexit\n".encode())
        shown = drained(ours)
        assert process.wait(patience.seconds) == 0, shown
    return result.read_text().splitlines()


def drained(fd):
    """Read what is shown until nobody has the terminal open."""
    shown = b""
    while True:
        try:
            block = os.read(fd, 65536)
        # EIO is how Linux says it.
        except OSError:
            return shown
        if not block:
            return shown
        shown += block


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_has_no_fault_of_syntax(shell, script):
    assert lines_of([need(shell), "-n", str(script(shell))]) == []


@pytest.mark.parametrize(
    "words, offered",
    [
        (["r"], ["run"]),
        ([""], ["run", "completion", "--help", "--version"]),
        (["run", "--jo"], ["--jobs", "--joblog"]),
        (["run", "--hid"], []),
        (["run", "--format", ""], ["text", "json"]),
        (["run", "--format", "="], ["text", "json"]),
        (["run", "--format", "=", "j"], ["json"]),
        (["run", "-j", "4", "--keep"], ["--keep-order"]),
        (["run", "--jobs", "=", "4", "--keep"], ["--keep-order"]),
        (["run", "-j", "4"], []),
        (["run", "--joblog", ""], []),
        (["run", "echo", "--keep"], []),
        (["run", "echo", ":::", "--keep"], []),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["completion", "z"], ["zsh"]),
        (["completion", "zsh", ""], []),
        (["nonsense", ""], []),
    ],
    ids=" ".join,
)
def test_bash_offers_words(words, offered, script):
    need("bash")

    assert offered_by_bash(script("bash"), *words) == offered


@pytest.mark.parametrize("before", [["-k"], ["-j", "4"], ["--format", "=", "json"], []])
def test_bash_offers_programs_where_the_command_begins(before, script):
    need("bash")

    assert "printf" in offered_by_bash(script("bash"), "run", *before, "print")


def test_bash_leaves_the_command_that_is_run_to_its_own_completion(script):
    need("bash")
    package = "_command_offset() { COMPREPLY=(offset $1); }"

    words = offered_by_bash(script("bash"), "run", "-k", "git", "che", before=package)
    files = offered_by_bash(script("bash"), "run", "-k", "git", ":::", "che", before=package)

    assert words == ["offset", "3"]
    assert files == []


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize(
    "line, arguments",
    [
        ("procession ru\t-k", ["run", "-k"]),
        ("procession run --keep\t", ["run", "--keep-order"]),
        ("procession run --format=j\t", ["run", "--format=json"]),
        ("procession run --format te\t", ["run", "--format", "text"]),
        ("procession run --joblog th\t", ["run", "--joblog", "thefile"]),
        ("procession run --joblog=th\t", ["run", "--joblog=thefile"]),
        ("procession run --joblog sub\\ \t", ["run", "--joblog", "sub file"]),
        ("procession run --results sub\tx", ["run", "--results", "subfolder/x"]),
        ("procession run cat th\t", ["run", "cat", "thefile"]),
        ("procession run -k true ::: th\t", ["run", "-k", "true", ":::", "thefile"]),
        ("procession completion fi\t", ["completion", "fish"]),
    ],
)
def test_a_tab_at_a_terminal_completes(shell, line, arguments, script, folder, tmp_path):
    assert typed(need(shell), script(shell), line, tmp_path) == arguments


@pytest.mark.parametrize(
    "line, offered",
    [
        ("procession r", {"run"}),
        ("procession ", {"run", "completion"}),
        ("procession run --jo", {"--jobs", "--joblog"}),
        ("procession run --hid", set()),
        ("procession run --format ", {"text", "json"}),
        ("procession run --format=j", {"--format=json"}),
        ("procession run -j 4 --keep", {"--keep-order"}),
        ("procession run -j ", set()),
        ("procession run --joblog th", {"thefile"}),
        ("procession run --results sub", {"subfolder/"}),
        ("procession run echo --keep", set()),
        ("procession run -k cat th", {"thefile"}),
        ("procession run -k true ::: th", {"thefile"}),
        ("procession completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_fish_offers(line, offered, script, folder):
    need("fish")

    assert set(offered_by_fish(script("fish"), line)) == offered


def test_fish_offers_programs_where_the_command_begins(script):
    need("fish")

    assert "printf" in offered_by_fish(script("fish"), "procession run -j 4 print")


def test_an_option_is_described_by_the_first_sentence_of_its_help():
    options = {option.names[0]: option for option in commands()[0].options}

    assert options["-j"].summary == "jobs (100%)"
    assert options["--format"].summary == ""
    assert options["-h"].value == ""
    assert "--hidden" not in options


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_command_prints_a_script_with_all_that_its_parsers_know(shell, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "procession", "completion", shell],
        capture_output=True,
        text=True,
        timeout=patience.seconds,
    )

    assert (done.returncode, done.stderr) == (0, "")
    file = tmp_path / "script"
    file.write_text(done.stdout)
    if shutil.which(shell):
        assert lines_of([shell, "-n", str(file)]) == []
    for name, parser in main.make_parsers(main.COMMANDS)[1].items():
        assert name in done.stdout
        for option in completion.options_of(parser):
            for each in option.names:
                assert (each.lstrip("-") if shell == "fish" else each) in done.stdout
