"""Text for people to read: nothing in it moves a cursor, and it fits where it is put."""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"

KIB = 1024
MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def visible(text: str) -> str:
    """Return the text with all that is not printed spelt out, as Python spells it.

    A byte that is no UTF-8, which is a surrogate in an argument, becomes `\\xff`.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else spell(c) for c in text)


def spell(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def cells(text: str) -> int:
    """Return how many columns of a terminal a visible text takes."""
    return len(text) if text.isascii() else sum(map(cells_of, text))


def cells_of(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, room: int) -> str:
    """Return a visible text of at most `room` columns; of a long one only the start is read."""
    room = max(room, 0)
    begin = visible(text[: 4 * room])
    if len(text) <= 4 * room and cells(begin) <= room:
        return begin
    fits = 0
    taken = cells(begin[:1])
    while fits < len(begin) and taken < room:
        fits += 1
        taken += cells(begin[fits : fits + 1])
    return (begin[:fits] + ELLIPSIS)[:room]


def duration(seconds: float) -> str:
    """Spell a time with two or three digits that count."""
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} us"
    if seconds < 0.9995:
        return f"{significant(seconds * 1000)} ms"
    if seconds < MINUTE - 0.05:
        return f"{seconds:.1f} s"
    return whole(round(seconds))


def whole(seconds: int) -> str:
    """Spell a time in whole seconds, and by the minute and the hour where it is long."""
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min {seconds % MINUTE:02} s"
    if seconds < DAY:
        return f"{seconds // HOUR} h {seconds % HOUR // MINUTE:02} min"
    return f"{seconds // DAY} d {seconds % DAY // HOUR:02} h"


def rate(per_second: float) -> str:
    """Spell how often something happens, by the minute or the hour where that is seldom."""
    if per_second >= 0.9995:
        return f"{significant(per_second)}/s"
    if per_second * MINUTE >= 0.9995:
        return f"{significant(per_second * MINUTE)}/min"
    return f"{significant(per_second * HOUR)}/h"


def size(count: float) -> str:
    """Spell a number of bytes."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 999.5:
            return f"{significant(count) if unit != 'B' else round(count)} {unit}"
        count /= KIB
    return f"{significant(count)} TiB"


def significant(number: float) -> str:
    """Spell a number below 1000 with one digit after the point if it has less than three."""
    return f"{number:.1f}" if number < 99.95 else f"{number:.0f}"
