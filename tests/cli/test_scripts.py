"""Programs that the kernel does not take, as users of xargs and of shells run them."""

import os
import shutil

import pytest

from helpers.command import environment, output_of, run

PLAIN = 'echo script "$@"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "script", PLAIN)
    return tmp_path


def make(path, text):
    path.write_text(text)
    path.chmod(0o755)


def test_a_script_that_names_no_interpreter_is_run_by_sh():
    output = output_of("-k", "./script", "{}", "it's", ":::", "a  b", "$HOME")

    assert output == b"script a  b it's\nscript $HOME it's\n"


def test_it_is_found_where_programs_are_found(folder):
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"

    assert output_of("script", ":::", "a", env=environment(PATH=path)) == b"script a\n"
    assert output_of("--env", f"PATH={path}", "script", ":::", "a") == b"script a\n"


def test_it_is_found_from_where_jobs_are_run(folder):
    (folder / "other").mkdir()
    make(folder / "other/script", "echo other\n")

    assert output_of("--wd", "other", "./script", ":::", "a") == b"other\n"


def test_commands_of_the_input_may_be_scripts():
    assert output_of("-k", input=b"./script a\n./script b\n") == b"script a\nscript b\n"


def test_an_empty_program_does_nothing_and_succeeds(folder):
    make(folder / "script", "")

    assert output_of("./script", ":::", "a") == b""


def test_one_that_names_its_interpreter_is_run_by_that(folder):
    make(folder / "script", "#!/bin/echo\n")

    assert output_of("./script", ":::", "a") == b"./script a\n"


@pytest.mark.skipif(shutil.which("xargs") is None, reason="there is no xargs")
def test_xargs_does_the_same():
    ours = output_of("-k", "./script", ":::", "a", "b")

    assert output_of("-n1", "./script", input=b"a\nb\n", command=["xargs"]) == ours


@pytest.mark.parametrize("program", ["./missing", "./folder", "./script"])
def test_what_cannot_be_run_is_told_by_its_own_name(folder, program):
    (folder / "folder").mkdir()
    (folder / "script").chmod(0o644)

    done = run(program, ":::", "a")

    assert done.returncode == 1
    assert b"job 1 cannot be run: [Errno" in done.stderr
    assert program.encode() in done.stderr
    assert b"sh:" not in done.stderr
