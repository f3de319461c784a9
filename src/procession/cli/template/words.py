"""Words of a template that are run without a shell, and those that ask for one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from procession.cli.template.placeholders import Given, Placeholder
from procession.cli.template.quoting import RESERVED

# What a shell does itself, where no program has this name.
BUILTINS = frozenset(
    """
    . : alias bg break builtin cd command continue declare dirs eval exec exit export fc fg
    getopts hash jobs let local popd pushd read readonly return set shift shopt source times
    trap type typeset ulimit umask unalias unset wait
    """.split()  # noqa: SIM905 - the more legible
)
ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
KEYWORDS = RESERVED | {"!", "{", "}", "[["}
# At once split at blanks: nothing in it means anything to a shell.
SIMPLE = re.compile(r"[-_./+,:@%=a-zA-Z0-9 \t]*").fullmatch
ORDINARY = re.compile(r"[^\s'\"\\$`|&;<>()*?\[~{}#]+")
# Left bare they ask for a shell; a newline ends a command.
ACTIVE = frozenset("$`|&;<>()*?[~{}\n")

CONTROL = frozenset(["|", "||", "&", "&&", ";", "|&"])
REDIRECTION = re.compile(
    r"(?P<both>&>>?)(?P<name>[^\s<>|&;()]+)?"
    r"|(?P<operator>[0-9]*(?:<>|>>|>\||<|>))(?P<target>[^\s<>|&;()]+|&(?:[0-9]+|-))?"
)

# A text, or a placeholder and whether its values are as many words there.
Part = str | tuple[Placeholder, bool]


class Word:
    """What becomes a word, or several.

    Args:
        parts: its texts and placeholders; where several values are not as many words, they
            stand side by side in one.
        joined: whether the parts are used once, and not for each value anew.
    """

    __slots__ = ("_is_repeated", "_parts")

    def __init__(self, parts: Sequence[Part], *, joined: bool = True) -> None:
        self._parts = parts
        self._is_repeated = not joined and any(
            not isinstance(part, str) and part[0].is_each for part in parts
        )

    @property
    def constant(self) -> str | None:
        """What it always is, if it has no placeholder."""
        texts = [part for part in self._parts if isinstance(part, str)]
        return "".join(texts) if len(texts) == len(self._parts) else None

    @property
    def is_values(self) -> bool:
        """Tell whether it is `{}`, and as many words as there are values."""
        if len(self._parts) != 1 or isinstance(self._parts[0], str):
            return False
        placeholder, splits = self._parts[0]
        return splits and placeholder.is_all

    def words(self, given: Given) -> list[str]:
        if self._is_repeated and len(given.each) != 1:
            return [
                word for value in given.each for word in self._once(given._replace(each=(value,)))
            ]
        return self._once(given)

    def _once(self, given: Given) -> list[str]:
        words: list[str] = []
        word: str | None = None
        for part in self._parts:
            if isinstance(part, str):
                word = (word or "") + part
                continue
            placeholder, splits = part
            texts = placeholder.texts(given)
            if not splits:
                word = (word or "") + " ".join(texts)
                continue
            for index, text in enumerate(texts):
                if index and word is not None:
                    words.append(word)
                    word = None
                word = (word or "") + text
        if word is not None:
            words.append(word)
        return words


def argument(text: str, find: re.Pattern[str], *, joined: bool) -> Word:
    """Return the word that an argument of the command line becomes."""
    match = find.fullmatch(text)
    if match:
        return Word([(Placeholder(match), True)], joined=joined)
    return Word(list(within(text, find)) or [""], joined=joined)


def within(text: str, find: re.Pattern[str]) -> Iterator[Part]:
    """Yield texts and placeholders of what is one word, whatever the values are."""
    position = 0
    for match in find.finditer(text):
        if match.start() > position:
            yield text[position : match.start()]
        yield Placeholder(match), False
        position = match.end()
    if position < len(text):
        yield text[position:]


def begins_in_shell(word: str) -> bool:
    """Tell whether a first word asks for a shell: `cd`, `NAME=value`..."""
    return word in BUILTINS or ASSIGNMENT.match(word) is not None


def is_operator(word: str) -> bool:
    """Tell whether a word of its own asks for a shell: `|`, `&&`, `>`, `2>file`, `2>&1`...

    A word that has anything before it (`a>b`) or a second one in it (`<b>`) is a word.
    """
    return word in CONTROL or REDIRECTION.fullmatch(word) is not None


def plain_words(text: str, find: re.Pattern[str], *, joined: bool) -> list[Word] | None:
    """Split a command line as sh would, if it means no more than its words.

    Return None if it has anything that only a shell does: operators, variables, globs,
    tildes, braces that are no placeholder, comments, assignments, reserved words, builtins.
    """
    words: list[Word] = []
    parts: list[Part] = []
    position = begin = 0
    while position < len(text):
        char = text[position]
        match = find.match(text, position)
        if match:
            parts.append((Placeholder(match), True))
            position = match.end()
        elif char in " \t":
            position += 1
            if parts:
                if not words and not is_plain_name(parts, text[begin : position - 1]):
                    return None
                words.append(Word(parts, joined=joined))
                parts = []
            begin = position
        elif char in ACTIVE or (char == "#" and not parts):
            return None
        elif char in "'\"\\":
            quoted = quotation(text, position, find)
            if quoted is None:
                return None
            parts += quoted[0]
            position = quoted[1]
        else:
            bare = ORDINARY.match(text, position)
            end = bare.end() if bare else position + 1
            # No placeholder is longer than its pattern.
            following = find.search(text, position, end + len(find.pattern))
            end = min(end, following.start()) if following else end
            parts.append(text[position:end])
            position = end
    if parts:
        if not words and not is_plain_name(parts, text[begin:]):
            return None
        words.append(Word(parts, joined=joined))
    return words or None


def is_plain_name(parts: Sequence[Part], written: str) -> bool:
    """Tell whether the first word of a command line, written so, names a program."""
    name = "".join(part for part in parts if isinstance(part, str))
    return "=" not in written and written not in KEYWORDS and name not in BUILTINS


def quotation(text: str, position: int, find: re.Pattern[str]) -> tuple[Sequence[Part], int] | None:
    """Return what is quoted from there on and where it ends; None if a shell has to read it.

    A text is among the parts even if it is empty: that makes it a word.
    """
    quote = text[position]
    position += 1
    if quote == "\\":
        escaped = text[position : position + 1]
        return None if escaped in ("", "\n") else ([escaped], position + 1)
    if quote == "'":
        end = text.find(quote, position)
        return None if end < 0 else (["", *within(text[position:end], find)], end + 1)
    parts: list[Part] = [""]
    while position < len(text):
        match = find.match(text, position)
        char = text[position]
        if match:
            parts.append((Placeholder(match), False))
            position = match.end()
        elif char == quote:
            return parts, position + 1
        elif char in "$`" or text.startswith("\\\n", position):
            return None
        else:
            position += char == "\\" and text[position + 1 : position + 2] in ("\\", '"', "$", "`")
            parts.append(text[position])
            position += 1
    return None
