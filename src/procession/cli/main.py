"""The command line: which command is called, and how it ends.

A command is imported when it is called: most of them need what the others do without.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

import procession
from procession.cli import ending
from procession.cli.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite


class Command(NamedTuple):
    """A command: what it does, and the modules with add_arguments(parser) and main(options).

    Where it `parses`, the former also has parse(parser, words), which is not argparse's.
    """

    summary: str
    arguments: str
    main: str
    parses: bool = False


COMMANDS: Final = {
    "run": Command(
        "run many commands at once, one for each argument or line of input",
        "procession.cli.arguments.options",
        "procession.cli.run.runner",
        parses=True,
    ),
    "bench": Command(
        "measure procession beside asyncio, uvloop and subprocess on this machine",
        "procession.cli.bench.command",
        "procession.cli.bench.command",
    ),
    "demo": Command(
        "show the package at work, beside asyncio doing the same",
        "procession.demo",
        "procession.demo",
    ),
    "completion": Command(
        "print a script that completes this command's words in a shell",
        "procession.cli.completion.completion",
        "procession.cli.completion.completion",
    ),
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are UsageErrors, and whose help is written or an error."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help tells more)")

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        # argparse's own takes no notice of what cannot be written.
        (file or sys.stderr).write(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        ending.flush()
        super().exit(status, message)


def make_parsers(names: Collection[str]) -> tuple[Parser, dict[str, Parser]]:
    """Return the parser of the whole, and those of the commands.

    Those that are named get their arguments, for which their modules are imported.
    """
    whole = Parser(
        prog="procession",
        description="asyncio's subprocess system on a core of C and Cython, from the shell.",
    )
    whole.add_argument(
        "--version", action="version", version=f"procession {procession.__version__}"
    )
    group = whole.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    parsers = {}
    for name, command in COMMANDS.items():
        sentence = f"{command.summary[0].upper()}{command.summary[1:]}."
        parser = group.add_parser(name, help=command.summary, description=sentence)
        if name in names:
            importlib.import_module(command.arguments).add_arguments(parser)
        parsers[name] = parser
    return whole, parsers


def call(arguments: Sequence[str]) -> int:
    """Call the command that is named; return its status."""
    name = arguments[0] if arguments else ""
    whole, parsers = make_parsers([name])
    parser = parsers.get(name, whole)
    try:
        if parser is whole:
            return call_none(whole, arguments)
        command = COMMANDS[name]
        options = parse(command, parser, arguments[1:])
        status: int = importlib.import_module(command.main).main(options)
        return status
    except UsageError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return ending.FAULT_STATUS


def call_none(whole: Parser, arguments: Sequence[str]) -> int:
    if not arguments:
        whole.print_help()
        return 0
    name = arguments[0]
    if not name.startswith("-"):
        whole.error(f"there is no command {name!r}; {hint_for(name)}")
    whole.parse_args(arguments)
    whole.error("no command is named")


def hint_for(name: str) -> str:
    """Return what may be meant by a name that is no command's."""
    from difflib import get_close_matches
    from shutil import which

    if near := get_close_matches(name, COMMANDS, 1):
        return f"is it {near[0]}?"
    if which(name):
        return f"procession run {name} runs that program"
    *others, last = COMMANDS
    return f"there are {', '.join(others)} and {last}"


def parse(command: Command, parser: Parser, words: Sequence[str]) -> argparse.Namespace:
    if not command.parses:
        return parser.parse_args(words)
    options: argparse.Namespace = importlib.import_module(command.arguments).parse(parser, words)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say, those of the interpreter by default; return the status.

    Ctrl-C that a command leaves to this function ends the process, and so does a reader of
    standard output that has gone: without a traceback, by the signal. A full disk under
    standard output is said.
    """
    try:
        status = call(sys.argv[1:] if arguments is None else arguments)
        ending.flush()
        return status
    except KeyboardInterrupt:
        ending.die_of(signal.SIGINT)
    except BrokenPipeError:
        ending.end_without_reader()
    except OSError as error:
        ending.end_unwritable(error)
