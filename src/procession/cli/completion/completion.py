"""`procession completion`: a script for a shell that completes this command's words.

Everything in it comes from the parsers themselves, so that it says what they take.
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

SHELLS: Final = ("bash", "zsh", "fish")

# What a value is, by the name that the help has for it.
FILE: Final = "FILE"
FOLDER: Final = "DIR"


class Option(NamedTuple):
    """An option: `value` is what the help calls its value, and empty where it has none."""

    names: tuple[str, ...]
    summary: str
    value: str
    choices: tuple[str, ...]


class Command(NamedTuple):
    """A command; `runs` says that what follows its options is another program's command line."""

    name: str
    summary: str
    options: tuple[Option, ...]
    operands: tuple[str, ...]
    runs: bool

    @property
    def words(self) -> list[str]:
        """The names of its options."""
        return [name for option in self.options for name in option.names]

    @property
    def taking(self) -> list[str]:
        """The names of those options that are followed by a value."""
        return [name for option in self.options if option.value for name in option.names]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="the shell that the script is for")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = (
        'bash:  eval "$(procession completion bash)"   in ~/.bashrc\n'
        "zsh:   source <(procession completion zsh)    in ~/.zshrc, after compinit\n"
        "fish:  procession completion fish >~/.config/fish/completions/procession.fish"
    )


def main(options: argparse.Namespace) -> int:
    from procession.cli.main import COMMANDS, make_parsers

    _, parsers = make_parsers(COMMANDS)
    commands = [
        command_of(name, COMMANDS[name].summary, parser) for name, parser in parsers.items()
    ]
    script: str = importlib.import_module(
        f"procession.cli.completion.complete_{options.shell}"
    ).script(commands)
    print(script, end="")
    return 0


def command_of(name: str, summary: str, parser: argparse.ArgumentParser) -> Command:
    operands = [action for action in parser._actions if not action.option_strings]
    return Command(
        name,
        summary,
        tuple(options_of(parser)),
        tuple(str(choice) for action in operands for choice in action.choices or ()),
        any(action.nargs == argparse.REMAINDER for action in operands),
    )


def options_of(parser: argparse.ArgumentParser) -> Iterator[Option]:
    for action in parser._actions:
        if action.option_strings and action.help != argparse.SUPPRESS:
            yield Option(
                tuple(action.option_strings),
                summary_of(action, parser),
                value_of(action),
                tuple(str(choice) for choice in action.choices or ()),
            )


def value_of(action: argparse.Action) -> str:
    # A value that may be left out is not taken from the next word by these scripts.
    if action.nargs in (0, argparse.OPTIONAL):
        return ""
    metavar = action.metavar or action.dest.upper()
    return metavar if isinstance(metavar, str) else metavar[0]


def summary_of(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    """Return the beginning of the help, on one line: what can stand beside an option."""
    text = (action.help or "") % {**vars(action), "prog": parser.prog}
    return re.split(r"[.;] ", " ".join(text.split()))[0].rstrip(".")
