"""`procession run --help`: complete, as wide as the terminal, and quick."""

import argparse
import re
import shlex
import subprocess
import sys

import pytest

from procession.cli.arguments import options
from procession.cli.arguments.examples import EXAMPLES
from procession.cli.arguments.help import AFTER, filled

SECTIONS = (
    "arguments",
    "what is run",
    "how many, and for how long",
    "output",
    "reporting",
    "sources",
    "replacement strings",
    "values",
    "exit status",
    "signals",
    "environment",
    "examples",
)
FOR_HELP = {"textwrap", "difflib"}
HEAVY = {"asyncio", "rich", "matplotlib", "json", "logging", "hypothesis"}


def new_parser():
    parser = argparse.ArgumentParser(prog="procession run")
    options.add_arguments(parser)
    return parser


def page(monkeypatch, columns=80):
    monkeypatch.setenv("COLUMNS", str(columns))
    return new_parser().format_help()


def ours(line):
    """Return the words of the command in a line for the shell, without its redirections."""
    words = shlex.split(line[line.index("procession run ") :])
    return [word for word in words[2:] if word not in ("<", "commands.sh")]


def test_every_option_has_a_line_in_the_help(monkeypatch):
    text = page(monkeypatch)

    for action in new_parser()._actions:
        if action.help != argparse.SUPPRESS:
            assert action.help
            for name in action.option_strings:
                assert re.search(rf"^  .*{re.escape(name)}\b", text, re.MULTILINE), name


@pytest.mark.parametrize(
    "heading",
    SECTIONS,
)
def test_the_help_has_its_sections(monkeypatch, heading):
    assert f"\n{heading}:\n" in page(monkeypatch)


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 200])
def test_paragraphs_are_as_wide_as_the_terminal(monkeypatch, columns):
    text = page(monkeypatch, columns)
    first = text.split("\n\n")[1].splitlines()
    widest = max(map(len, first))

    assert widest <= max(40, min(columns - 2, 100))
    assert widest > max(40, min(columns - 2, 100)) - 20


def test_lines_that_are_indented_stay_as_they_are(monkeypatch):
    text = page(monkeypatch, 40)

    for line in AFTER.splitlines():
        if line.startswith(" "):
            assert f"\n{line}\n" in text


def test_no_line_has_a_blank_at_its_end_and_no_section_two_empty_lines(monkeypatch):
    text = page(monkeypatch)

    assert not re.search(r"[ \t]$", text, re.MULTILINE)
    assert "\n\n\n" not in text


def test_filling_keeps_paragraphs_apart():
    assert filled("a b\nc\n\nd\n  x   y\nhead:\n  z", 3) == "a b\nc\n\nd\n  x   y\nhead:\n  z"


def test_there_are_many_examples():
    assert len(EXAMPLES) >= 10
    assert len({each.line for each in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.line)
def test_an_example_is_shown_and_its_options_exist(monkeypatch, tmp_path, example):
    if "--halt" in example.line:
        pytest.importorskip("procession.cli.control.halting")
    monkeypatch.chdir(tmp_path)

    options.parse(new_parser(), ours(example.line))

    assert f"\n  {example.what}\n    {example.line}\n" in page(monkeypatch)


def test_every_replacement_string_and_group_of_options_has_its_example():
    lines = "\n".join(each.line for each in EXAMPLES)

    for part in ("{}", "{.}", "{1}", "{%}", ":::", "::::", "-k", "--pipe", "--resume", "-0"):
        assert part in lines


def test_the_files_of_the_options_import_nothing_heavy_by_themselves():
    code = (
        "import sys, types; package = types.ModuleType('procession')\n"
        "package.__path__ = [sys.argv[1]]; sys.modules['procession'] = package\n"
        "import argparse\n"
        "from procession.cli.arguments import options\n"
        "parser = argparse.ArgumentParser(); options.add_arguments(parser)\n"
        "options.parse(parser, ['-j', '4', '--timeout', '1m', 'true'])\n"
        "print(*sys.modules)\n"
        "print(parser.format_help() and ' '.join(sys.modules))"
    )
    import procession

    folder = procession.__path__[0]
    done = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
    )

    parsed, helped = map(set, map(str.split, done.stdout.splitlines()))
    assert parsed & HEAVY == parsed & FOR_HELP == set()
    assert helped & HEAVY == set()
