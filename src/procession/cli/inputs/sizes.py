"""How much of a command line each value takes, reckoned before there is a command line.

Where that is not known it is the most that it can be: a job may then have fewer values than
would fit, but none that do not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from procession.cli.template.words import begins_in_shell

# Of the room for arguments and environment, left free for the program as POSIX advises.
HEADROOM = 2048
# However large the stack may get, the kernel gives arguments and environment no more of it.
LARGEST_ROOM = 6 * 1024 * 1024
# The kernel counts one for each argument and each variable.
POINTER = 8
# What {#} and {%} become, at most.
NUMBER = 20

# {}, {.}, {/} and so on of all values; {2.} and so on of one of them.
OF_ALL = re.compile(r"\{(?:-\d+)?(?:\.|//?|/\.)?\}")
OF_ONE = re.compile(r"\{(\d+)(?:\.|//?|/\.)?\}")
OF_NONE = re.compile(r"\{[#%]\}")

OPERATORS = re.compile(r"[|&;<>]")
PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
# What needs no quoting in a shell.
BARE = re.compile(r"[A-Za-z0-9_+./-]+")


def longest_argument() -> int:
    """Return how many bytes the kernel takes as one argument, its NUL included."""
    return 32 * os.sysconf("SC_PAGESIZE")


def room_for_arguments(more_environment: Sequence[str] = ()) -> int:
    """Return how many bytes a child's arguments may have, a pointer for each included.

    Args:
        more_environment: what it gets beside our own, as NAME=VALUE.
    """
    pairs = [name + b"=" + value for name, value in os.environb.items()]
    pairs += map(os.fsencode, more_environment)
    environment = sum(len(pair) + 1 + POINTER for pair in pairs)
    return min(os.sysconf("SC_ARG_MAX"), LARGEST_ROOM) - environment - HEADROOM


def bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(os.fsencode(text))


def may_need_shell(words: Sequence[str]) -> bool:
    """Whether a template may be run by a shell, whose whole command line is one argument."""
    if not words or begins_in_shell(words[0]):
        return True
    if len(words) == 1:
        return not PLAIN.fullmatch(words[0])
    return any(map(OPERATORS.search, words))


class Sizes:
    """The sizes of values in one template.

    A word that is a placeholder becomes a word per value, and so does any word with one
    where it is repeated; else the values are joined in it.

    Args:
        words: of the template.
        repeats: whether a word around a placeholder is repeated for each value.
        shell: whether a shell is wanted.
        replacement: the placeholder that the user has chosen.
        room: for all arguments, with a pointer each.
        max_chars: the most characters of a command line, the end of each word included.

    Attributes:
        empty: the size of a command line without values.
        limit: the largest size of one that can be run.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        repeats: bool = False,
        shell: bool = False,
        replacement: str = "{}",
        room: int,
        max_chars: int | None = None,
    ) -> None:
        self._shell = shell or may_need_shell(words)
        pieces = " ".join(words).split() if self._shell else list(words)
        if replacement != "{}":
            pieces = [piece.replace(replacement, "{}") for piece in pieces]
        if not any(map(re.compile(r"\{[-\d./#%]*\}").search, pieces)):
            pieces.append("{}")

        one_argument = self._shell
        empty_words = words_each = 0
        self.empty = self._times = self._beside = self._quoting = 0
        self._positions: dict[int, int] = {}
        for piece in pieces:
            for match in OF_ONE.finditer(piece):
                position = int(match[1])
                self._positions[position] = self._positions.get(position, 0) + 1
            # What is bare may need quotes where it joins other text.
            if OF_ONE.sub("", OF_ALL.sub("", piece)) not in ("", piece):
                self._quoting = 2
            times = len(OF_ALL.findall(piece))
            numbers = len(OF_NONE.findall(piece))
            text = OF_NONE.sub("", OF_ONE.sub("", OF_ALL.sub("", piece)))
            size = bytes_of(text) + NUMBER * numbers + 1
            self._times += times
            if times and (repeats or OF_ALL.fullmatch(piece)):
                self._beside += size
                words_each += 1
                continue
            # Of the values that are joined there is a blank before each but the first.
            self._beside += times
            self.empty += size - times
            empty_words += 1
            one_argument = one_argument or times > 0

        longest = longest_argument()
        self.limit = min(max_chars or room, longest if one_argument else room)
        self._longest_value = longest - self._beside
        # A word has a byte at least, so that there is room for the pointers in any case.
        if self.limit * (1 + POINTER) > room:
            self.empty += POINTER * empty_words
            self._beside += POINTER * words_each
        self._is_simple = not (self._shell or self._positions)

    def of(self, values: Sequence[str], before: int) -> int:
        """Return what values add to the size of a command line.

        Args:
            before: how many values the command line has already.
        """
        if self._is_simple and len(values) == 1:
            length = len(values[0])
            if values[0].isascii() and length <= self._longest_value:
                return self._times * length + self._beside
        size = 0
        for number, value in enumerate(values, before + 1):
            length = bytes_of(value)
            if length > self._longest_value:
                # It fails, and shall do so alone.
                return self.limit + 1
            if self._shell:
                length += self._quoting
                if not BARE.fullmatch(value):
                    # Quotes around it, and what stands for a quote or any other character.
                    length += 2 + 2 * value.count("'") + 2 * len(BARE.sub("", value))
            times = self._times + self._positions.get(number, 0)
            size += times * length + self._beside
        return size
