"""Replacement strings: what `{}` and its kin stand for, as GNU parallel defines them.

| written     | stands for                                               |
|-------------|----------------------------------------------------------|
| `{}`        | each value                                               |
| `{.}`       | without the extension of its base name                   |
| `{/}`       | its base name                                            |
| `{//}`      | its directory, `.` if it has none                        |
| `{/.}`      | its base name without extension                          |
| `{#}` `{%}` | the number of the job; that of its slot                  |
| `{2}` `{-1}`| the second value; the last one; nothing if there is none |
| `{2.}` ...  | the same with `.`, `/`, `//` or `/.`                      |

Everything else in braces stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from procession.cli.errors import UsageError


class Given(NamedTuple):
    """What a job has for its placeholders; `each` are the values that `{}` stands for."""

    each: Sequence[str]
    values: Sequence[str]
    number: int
    slot: int


def unchanged(value: str) -> str:
    return value


def without_extension(value: str) -> str:
    """Cut from the last dot of the base name, be it the first letter of it."""
    dot = value.rfind(".")
    return value if dot < 0 or "/" in value[dot:] else value[:dot]


def base(value: str) -> str:
    return value[value.rfind("/") + 1 :]


def base_without_extension(value: str) -> str:
    return without_extension(base(value))


def directory(value: str) -> str:
    """Return what is before the last component, as dirname(1) does."""
    head, slash, _ = value.rstrip("/").rpartition("/")
    if slash:
        return head.rstrip("/") or "/"
    return "/" if value.startswith("/") else "."


CHANGES: dict[str, Callable[[str], str]] = {
    "": unchanged,
    ".": without_extension,
    "/": base,
    "//": directory,
    "/.": base_without_extension,
}
CHANGE = r"//|/\.|/|\."
POSITION = r"-?0*[1-9][0-9]*"


class Placeholder:
    """One replacement string of a template."""

    __slots__ = ("_change", "_index", "_kind")

    def __init__(self, match: re.Match[str]) -> None:
        self._kind = match["kind"] or match["position"] or ""
        self._change = CHANGES[match["change"] or ""]
        self._index = 0
        if self._kind not in ("", "#", "%"):
            position = int(self._kind)
            self._index = position - 1 if position > 0 else position

    @property
    def is_each(self) -> bool:
        """Tell whether it stands for each value, and not for a single one."""
        return self._kind == ""

    @property
    def is_all(self) -> bool:
        """Tell whether it stands for the values as they are."""
        return self.is_each and self._change is unchanged

    def texts(self, given: Given) -> Sequence[str]:
        """Return what it stands for."""
        if self._kind == "":
            if self._change is unchanged:
                return given.each
            return [self._change(value) for value in given.each]
        if self._kind == "#":
            return (str(given.number),)
        if self._kind == "%":
            return (str(given.slot),)
        values = given.values
        if -len(values) <= self._index < len(values):
            return (self._change(values[self._index]),)
        return ()


def finder(replacement: str) -> re.Pattern[str]:
    """Return what finds placeholders, where `{}` is written as `replacement`.

    As in GNU parallel, another replacement takes `{1}` away as well, and leaves `{1.}`.

    Raises:
        UsageError: the replacement is empty.
    """
    if not replacement:
        raise UsageError("the replacement string of -I is empty")
    alone = "[#%]" if replacement != "{}" else f"[#%]|{POSITION}"
    return re.compile(
        rf"{re.escape(replacement)}"
        rf"|\{{(?:(?P<kind>{alone})|(?P<position>{POSITION})?(?P<change>{CHANGE}))\}}"
    )


def label(text: str, *, replacement: str = "{}") -> Callable[[Sequence[str], int, int], str]:
    """Return what makes the label of a job, as for --tagstring, from its values.

    Several values stand side by side; nothing is quoted.

    Raises:
        UsageError: the replacement is empty.
    """
    find = finder(replacement)
    parts: list[str | Placeholder] = []
    position = 0
    for match in find.finditer(text):
        parts += [text[position : match.start()], Placeholder(match)]
        position = match.end()
    parts.append(text[position:])

    def render(values: Sequence[str], number: int, slot: int) -> str:
        given = Given(values, values, number, slot)
        return "".join(
            part if isinstance(part, str) else " ".join(part.texts(given)) for part in parts
        )

    return render
