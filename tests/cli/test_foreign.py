"""Options of GNU parallel and xargs: each is known, or the message says what there is instead."""

import argparse
import re
import shutil
import subprocess

import pytest

from procession.cli.arguments import foreign, options, parsing
from procession.cli.errors import UsageError

# For the use of GNU parallel itself or its makers, retired there, or no names at all.
NOT_FOR_USERS = {"debug", "D", "bug", "tollef", "Y", "U", "W", "T", "H", "B", "g"}
NOT_FOR_USERS |= {"ctrl-c", "ctrlc", "no-ctrl-c", "no-ctrlc", "noctrlc", "nok"}
NOT_FOR_USERS |= {"linkinputsource", "xapplyinputsource", "window", ""}


def new_parser():
    parser = argparse.ArgumentParser(prog="procession run")
    options.add_arguments(parser)
    return parser


def complaint(*words):
    with pytest.raises(UsageError) as caught:
        parsing.parse(new_parser(), words)
    return str(caught.value)


def test_what_is_missing_is_said_with_a_reason():
    assert complaint("--sshlogin", "a", "echo") == (
        "procession has no --sshlogin: it runs jobs on this machine only"
    )
    assert complaint("-Sa").startswith("procession has no -S: ")
    assert complaint("--semaphore=1").startswith("procession has no --semaphore: flock(1)")
    assert complaint("-ki").startswith("procession has no -i: {} needs no option")


def test_the_beginning_of_what_is_missing_is_enough():
    assert complaint("--tmu").startswith("procession has no --tmux")
    assert complaint("--round").startswith("procession has no --round: ")


def test_a_beginning_of_several_that_are_missing_is_unknown():
    assert foreign.reason_of("--s") is None
    assert foreign.reason_of("--") is None
    assert foreign.reason_of("-") is None


def test_the_whole_name_of_what_is_missing_is_not_taken_for_a_beginning_of_ours():
    assert complaint("--limit", "x").startswith("procession has no --limit: ")
    assert complaint("--bin", "x").startswith("procession has no --bin: ")


def test_nothing_is_missing_that_is_there():
    assert set(foreign.NAMES) & ours() == set()


def ours():
    return {foreign.plain(name) for name in new_parser()._option_string_actions}


def known(name):
    return foreign.plain(name) in ours() | set(foreign.NAMES)


@pytest.mark.skipif(shutil.which("xargs") is None, reason="there is no xargs here")
def test_every_option_of_xargs_is_known():
    page = subprocess.run(["xargs", "--help"], capture_output=True, text=True).stdout
    listed = re.findall(r"^ +(-.*?)(?:  |$)", page, re.MULTILINE)
    names = {name for entry in listed for name in re.findall(r"-[a-zA-Z0]\b|--[a-z-]+", entry)}

    assert {"-0", "--null", "-n", "--max-procs"} <= names
    assert {name for name in names if not known(name)} == set()


@pytest.mark.skipif(shutil.which("parallel") is None, reason="there is no GNU parallel here")
def test_every_option_in_the_manual_of_parallel_is_known():
    with open(shutil.which("parallel"), encoding="utf-8") as file:
        source = file.read()
    table = source[source.index("sub options_completion_hash") : source.index("sub parse_parset")]
    entries = re.findall(r"""^\s*\(?["']([\w|-]+)(?=[\[=:"'.])""", table, re.MULTILINE)
    names = {name for entry in entries for name in entry.split("|")}

    assert {"jobs", "sshlogin", "tag", "X", "halt"} <= names
    usual = {name.replace("colour", "color") for name in names - NOT_FOR_USERS if "_" not in name}
    unknown = {name for name in usual if not known(f"-{name}" if len(name) == 1 else f"--{name}")}
    assert unknown == set()
