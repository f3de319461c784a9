"""Reads the words of `procession run` as getopt(3) does, and leaves those of the command alone.

argparse by itself looks for options in every word, and takes a value that begins with a dash
for one. Here the first word that is no option begins the command, and an option that takes a
value takes the next word, whatever it is. The options, and what they do, are argparse's.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from procession.cli.arguments.amounts import shown
from procession.cli.arguments.foreign import NAMES, plain, reason_of
from procession.cli.errors import UsageError


class Given(NamedTuple):
    """An option on a command line, by the name that it goes by there."""

    action: argparse.Action
    name: str
    value: str | None


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Return the options, and as `command` the words after them.

    Raises:
        UsageError: there is no such option, or its value is none.
    """
    options, command = split(parser, words)
    namespace = parser.parse_args([])
    for action, name, value in options:
        action(parser, namespace, [] if value is None else read(parser, action, name, value), name)
    namespace.command = command
    return namespace


def read(parser: argparse.ArgumentParser, action: argparse.Action, name: str, text: str) -> Any:
    """Return the value that a text is for an option."""
    if action.choices is not None and text not in action.choices:
        wrong(parser, f"{name}: {shown(text)} is none of {', '.join(action.choices)}")
    assert callable(action.type)
    try:
        return action.type(text)
    except argparse.ArgumentTypeError as error:
        message = str(error)
        wrong(parser, message if message.startswith("--") else f"{name}: {message}")


def wrong(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    raise UsageError(f"{message} ({parser.prog} --help tells more)")


def split(parser: argparse.ArgumentParser, words: Sequence[str]) -> tuple[list[Given], list[str]]:
    """Return the options and the words after them."""
    options: list[Given] = []
    rest = list(words)[::-1]
    while rest and rest[-1].startswith("-") and rest[-1] != "-":
        word = rest.pop()
        if word == "--":
            break
        if word.startswith("--"):
            options.append(long_option(parser, word, rest))
        else:
            options += short_options(parser, word, rest)
    return options, rest[::-1]


def long_option(parser: argparse.ArgumentParser, word: str, rest: list[str]) -> Given:
    name, equals, value = word.partition("=")
    action = named(parser, name)
    if action.nargs != 0:
        return Given(action, name, value if equals else next_word(parser, name, rest))
    if equals:
        wrong(parser, f"{name} takes no value")
    return Given(action, name, None)


def short_options(parser: argparse.ArgumentParser, word: str, rest: list[str]) -> list[Given]:
    """Return what a word such as -kj4 holds."""
    found: list[Given] = []
    for end, letter in enumerate(word[1:], 2):
        name = f"-{letter}"
        action = parser._option_string_actions.get(name) or unknown(parser, name)
        if action.nargs != 0:
            value = word[end:] or next_word(parser, name, rest)
            return [*found, Given(action, name, value)]
        found.append(Given(action, name, None))
    return found


def next_word(parser: argparse.ArgumentParser, name: str, rest: list[str]) -> str:
    if not rest:
        wrong(parser, f"{name} needs a value")
    return rest.pop()


def named(parser: argparse.ArgumentParser, name: str) -> argparse.Action:
    """Return the option of a long name, or the one that begins like this."""
    actions = parser._option_string_actions
    wanted = plain(name)
    names = {plain(each): action for each, action in actions.items()}
    if wanted in names:
        return names[wanted]
    # The whole name of what is missing here is not meant as the beginning of something else.
    found = [] if wanted in NAMES else [each for each in names if each.startswith(wanted)]
    meanings: dict[tuple[str, object], argparse.Action] = {}
    for each in found:
        meanings.setdefault((names[each].dest, names[each].const), names[each])
    if not meanings:
        unknown(parser, name)
    if len(meanings) > 1:
        listed = sorted(action.option_strings[-1] for action in meanings.values())
        wrong(parser, f"{name} can be {', '.join(listed[:-1])} or {listed[-1]}")
    return meanings.popitem()[1]


def unknown(parser: argparse.ArgumentParser, name: str) -> NoReturn:
    """Say why there is no such option, or which one may be meant."""
    missing = reason_of(name)
    if missing is not None:
        raise UsageError(f"procession has no {missing[0]}: {missing[1]}")
    from difflib import get_close_matches

    options = parser._option_string_actions.items()
    visible = [option for option, action in options if action.help != argparse.SUPPRESS]
    near = get_close_matches(name, visible, 1)
    wrong(parser, f"there is no option {name}" + (f"; is it {near[0]}?" if near else ""))
