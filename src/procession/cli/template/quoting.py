"""How a value is written so that sh takes it for exactly itself, by where it stands.

A value is a str as os.fsdecode() makes it, with any byte but NUL in it: none of these
functions looks at more than ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Callable

# What GNU parallel leaves bare.
BARE = re.compile(r"[-_.+a-zA-Z0-9/]+").fullmatch
SPECIAL_IN_DOUBLE = re.compile(r'[\\$`"]')
SPECIAL_IN_BRACES = re.compile(r'[\\$`"}]')
SPECIAL_IN_DOCUMENT = re.compile(r"[\\$`]")
SPECIAL_TO_BASH = re.compile(r"['(]")
# Control characters mean nothing to a shell; bash loses a backslash before some.
NOT_BARE = re.compile(r"(?![-_.+a-zA-Z0-9/])[\t\n -~]")
NUMBER = re.compile(r"(-?)(0[xX][0-9a-fA-F]+|[0-9]+)").fullmatch
NOT_IN_NUMBERS = re.compile(r"[^0-9A-Za-z.]")

# Bare they are no words; bash's are among them, as it may be the shell.
RESERVED = frozenset(
    """
    case coproc do done elif else esac fi for function if in select then time until while
    """.split()  # noqa: SIM905 - the more legible
)
# Expands to nothing, whatever is set.
NOTHING = "${IFS+}"


def quote(value: str) -> str:
    """Return a value as a word, bare where that is enough: the text that parallel shows."""
    if BARE(value) and value not in RESERVED:
        return value
    return quote_always(value)


def quote_always(value: str) -> str:
    """Return a value in quotes: it joins with no name, number or word beside it."""
    if not value or "'" not in value:
        return f"'{value}'"
    quoted = "'" + value.replace("'", "'\"'\"'") + "'"
    return quoted.removeprefix("''").removesuffix("''")


def in_single(value: str) -> str:
    return value.replace("'", "'\"'\"'")


def in_double(value: str) -> str:
    return SPECIAL_IN_DOUBLE.sub(r"\\\g<0>", value)


def in_braces(value: str) -> str:
    """For the word of `"${name:-word}"`, which a brace ends.

    To bash `'` is one of a pair there, and `<(` begins a substitution, unless they are in
    quotes of their own.
    """
    escaped = SPECIAL_IN_BRACES.sub(r"\\\g<0>", value)
    return SPECIAL_TO_BASH.sub(r'"\g<0>"', escaped)


def in_pattern(value: str) -> str:
    """For the word of `${name#word}`, where bash expands what is in single quotes."""
    if not value:
        return "''"
    return NOT_BARE.sub(lambda match: "'\n'" if match[0] == "\n" else f"\\{match[0]}", value)


def in_single_in_pattern(value: str) -> str:
    return f"'{in_pattern(value)}'"


def in_double_in_pattern(value: str) -> str:
    return f'"{in_pattern(value)}"'


def in_document(delimiter: str) -> Callable[[str], str]:
    """Return what writes a value in a here-document with this delimiter, not quoted.

    What could become the line that ends it, and a tab that `<<-` would take, follow an
    expansion to nothing: a shell looks for both before it expands. dash loses a byte that is
    no ASCII behind the beginning of the delimiter.
    """
    dangerous = frozenset(f"{delimiter})\t")

    def line_of(line: str) -> str:
        text = SPECIAL_IN_DOCUMENT.sub(r"\\\g<0>", line)
        is_safe = line and line[0] not in dangerous and line[0].isascii()
        return text if is_safe else NOTHING + text

    def write(value: str) -> str:
        return "\n".join(map(line_of, value.split("\n")))

    return write


def in_arithmetic(value: str) -> str:
    """Return a number as itself, and anything else as what is an error in `$(( ))`.

    bash evaluates what an expansion gives anew, command substitutions in subscripts
    included, so there is no quoting here: the shell says that it is no number.
    """
    match = NUMBER(value)
    if match:
        return f"({value})" if match[1] else value
    return NOT_IN_NUMBERS.sub("@", value) + "@"
