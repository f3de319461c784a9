"""A command line with placeholders, from which the command of each job is made.

A template is one of three things:

- Several words are a program and its arguments, each word by itself, and no shell is there.
  If one of them is an operator (`|`, `&&`, `>`, `2>/dev/null`, ...) or the first is a builtin
  (`cd`, `exit`) or an assignment (`A={}`), sh runs them: operators and assignments as such,
  everything else in quotes, so that `$HOME` and `*` are words, too.
- A single word is a command line as one writes it for sh. If it means no more than its words,
  in quotes or not, no shell is there either. Several values are several words where `{}`
  stands, and stand side by side in one where it is in quotes.
- With no word, or `{}` alone, the values of each job are such a command line.

So programs are run, and not builtins of the same name. With `shell`, the words are joined by
spaces and sh runs that, whatever it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from procession.cli.template.nodes import Node, Quoted, fill
from procession.cli.template.placeholders import Given, Placeholder, finder
from procession.cli.template.quoting import quote
from procession.cli.template.shelltext import read_shell
from procession.cli.template.words import (
    ASSIGNMENT,
    BUILTINS,
    CONTROL,
    KEYWORDS,
    REDIRECTION,
    SIMPLE,
    Word,
    argument,
    begins_in_shell,
    is_operator,
    plain_words,
    within,
)

NEVER = re.compile(r"(?!)")


class Rendered(NamedTuple):
    """The command of a job: what run() takes, and what one would type in sh."""

    args: list[str] | str
    shell: bool
    text: str


Render = Callable[[Sequence[str], int, int], Rendered]


class Template:
    """The command line of all jobs.

    `render(values, number, slot)` returns the command of a job; it may be called at any time.

    Args:
        words: of the command line; `{}` is added to them if there is no placeholder.
        shell: sh runs it in any case.
        replacement: what is written for `{}`.
        joined: in a longer word that has `{}` in it, several values stand side by side; else
            the word is there once for each value.

    Raises:
        UsageError: a quote is not closed, or a placeholder stands where sh has no way to
            quote a value.
    """

    __slots__ = ("needs_slot", "render")

    needs_slot: bool
    render: Render

    def __init__(
        self,
        words: Sequence[str],
        *,
        shell: bool = False,
        replacement: str = "{}",
        joined: bool = True,
    ) -> None:
        find = finder(replacement)
        self.needs_slot = any("{%}" in word for word in words)
        if not words or (len(words) == 1 and words[0].strip() in ("", replacement)):
            self.render = lines(shell)
            return
        if not shell:
            plain = without_shell(words, find, replacement, joined)
            if plain is not None:
                self.render = programs(plain)
                return
        if shell or len(words) == 1:
            self.render = scripts(script_of(" ".join(words), find, replacement, joined))
        else:
            self.render = scripts(list_of(words, find, replacement, joined))


def values_of(find: re.Pattern[str], replacement: str) -> Placeholder:
    match = find.fullmatch(replacement)
    assert match
    return Placeholder(match)


def without_shell(
    words: Sequence[str], find: re.Pattern[str], replacement: str, joined: bool
) -> list[Word] | None:
    """Return the words of a command that no shell is needed for."""
    compiled: list[Word] | None
    if len(words) == 1:
        compiled = plain_words(words[0], find, joined=joined)
        if compiled is None:
            return None
    elif begins_in_shell(words[0]) or any(is_operator(word) for word in words):
        return None
    else:
        compiled = [argument(word, find, joined=joined) for word in words]
    if all(word.constant is not None for word in compiled):
        compiled.append(Word([(values_of(find, replacement), True)]))
    return compiled


def programs(words: Sequence[Word]) -> Render:
    """Return what makes a program's arguments of values."""
    constants = [word.constant for word in words]
    head = [text for text in constants[: constants.index(None)] if text is not None]
    tail = [text for text in constants[len(head) + 1 :] if text is not None]
    if words[len(head)].is_values and len(head) + 1 + len(tail) == len(words):
        return around_values(head, tail)

    def render(values: Sequence[str], number: int, slot: int) -> Rendered:
        given = Given(values, values, number, slot)
        args: list[str] = []
        for word, text in zip(words, constants, strict=True):
            if text is None:
                args += word.words(given)
            else:
                args.append(text)
        return Rendered(args, False, " ".join(map(quote, args)))

    return render


def around_values(head: Sequence[str], tail: Sequence[str]) -> Render:
    """Return what puts values between fixed words: the usual template, and the fastest."""
    before = [*map(quote, head)]
    after = [*map(quote, tail)]

    def render(values: Sequence[str], number: int, slot: int) -> Rendered:
        return Rendered(
            [*head, *values, *tail], False, " ".join([*before, *map(quote, values), *after])
        )

    return render


def scripts(nodes: Sequence[Node]) -> Render:
    """Return what makes a shell's command line of values."""

    def render(values: Sequence[str], number: int, slot: int) -> Rendered:
        text = fill(nodes, Given(values, values, number, slot))
        return Rendered(text, True, text)

    return render


def script_of(text: str, find: re.Pattern[str], replacement: str, joined: bool) -> Sequence[Node]:
    """Return a command line as it was written for sh."""
    nodes = read_shell(text, find, joined=joined)
    if all(isinstance(node, str) for node in nodes):
        # Added behind what was read, and so never in a comment.
        nodes += [" ", Quoted(values_of(find, replacement), quote)]
    return nodes


class Spelled:
    """A word of a template, in quotes for sh."""

    __slots__ = ("word",)

    def __init__(self, word: Word) -> None:
        self.word = word

    def fill(self, given: Given) -> str:
        return " ".join(map(quote, self.word.words(given)))


def list_of(
    words: Sequence[str], find: re.Pattern[str], replacement: str, joined: bool
) -> Sequence[Node]:
    """Return words with operators among them as a command line for sh.

    What bash has besides, `|&` and `&>`, is written as any sh takes it.
    """
    if not any(find.search(word) for word in words):
        words = [*words, replacement]
    nodes: list[Node] = []
    both = ""
    # Whether the next word could be an assignment or a command.
    is_first = True
    is_target = False
    for word in words:
        match = None if find.fullmatch(word) else REDIRECTION.fullmatch(word)
        assignment = None if is_target or not is_first else ASSIGNMENT.match(word)
        stays_first = is_target or match is not None or assignment is not None
        is_first = word in CONTROL or (is_first and stays_first)
        is_target = match is not None and not (match["name"] or match["target"])
        nodes.append(" ")
        if word == "|&":
            nodes.append("2>&1 |")
        elif word in CONTROL:
            nodes.append(word)
        elif assignment:
            value = list(within(word[assignment.end() :], find)) or [""]
            nodes += [assignment[0], Spelled(Word(value))]
        elif match is None:
            nodes += [Spelled(argument(word, find, joined=joined)), both]
            both = ""
        elif match["both"]:
            nodes.append(match["both"][1:])
            both = " 2>&1"
            if match["name"]:
                nodes += [Spelled(argument(match["name"], find, joined=joined)), both]
                both = ""
        elif match["target"] and not match["target"].startswith("&"):
            nodes += [match["operator"], Spelled(argument(match["target"], find, joined=joined))]
        else:
            nodes.append(word)
    return nodes[1:]


def lines(shell: bool) -> Render:
    """Return what takes the values themselves for a command line.

    What is no command line at all is left to sh, so that the job fails and not the run.
    """

    def render(values: Sequence[str], number: int, slot: int) -> Rendered:
        line = " ".join(values)
        if shell:
            return Rendered(line, True, line)
        if SIMPLE(line):
            args = line.split()
            if args and "=" not in args[0] and args[0] not in KEYWORDS and args[0] not in BUILTINS:
                return Rendered(args, False, line)
        words = plain_words(line, NEVER, joined=True)
        if words is None:
            return Rendered(line, True, line)
        return Rendered([word.constant or "" for word in words], False, line)

    return render
