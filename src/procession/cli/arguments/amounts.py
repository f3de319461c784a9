"""The amounts in options: counts, sizes in bytes, durations in seconds.

Each function takes the text as it was typed; what it cannot take is a UsageError that shows
how it is written. Only digits of ASCII count, and neither exponents nor infinities.
"""

from __future__ import annotations

import math
import re

from procession.cli.errors import UsageError

NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
DECIMAL = re.compile(NUMBER, re.ASCII)
SIGNED = re.compile(r"[+-]?\d{1,2}", re.ASCII)

# As GNU parallel has them: capitals are powers of 1024, small letters powers of 1000, and
# with an i both are powers of 1024.
CAPITALS = {letter: 1024 ** (i + 1) for i, letter in enumerate("KMGTPE")}
SMALL = {letter: 1000 ** (i + 1) for i, letter in enumerate("kmgtpe")}
BINARY = {f"{letter}i": factor for letter, factor in CAPITALS.items()}
BINARY_SMALL = {unit.lower(): factor for unit, factor in BINARY.items()}
UNITS: dict[str, int] = {"": 1, **CAPITALS, **SMALL, **BINARY, **BINARY_SMALL}

SIZE = re.compile(rf"({NUMBER})((?:[KMGTPEkmgtpe]i?)?)", re.ASCII)
LARGEST = 2**63 - 1

DURATION = re.compile(
    rf"(?:({NUMBER})d)?(?:({NUMBER})h)?(?:({NUMBER})m)?(?:({NUMBER})s?)?",
    re.ASCII | re.IGNORECASE,
)
SECONDS = (86400, 3600, 60, 1)
LONGEST = 100 * 365 * 86400

# What a message has room for.
SHOWN = 40


def shown(text: str) -> str:
    """Return a text in quotes, and the beginning only of a long one."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def number(text: str, what: str) -> float:
    """Take a number from 0 on; what it is to be is in the message."""
    if not DECIMAL.fullmatch(text):
        raise UsageError(f"{shown(text)} is no {what}")
    value = float(text)
    if value > LARGEST:
        raise UsageError(f"{shown(text)} is too large")
    return value


def count(text: str) -> int:
    """Take a whole number from 1 on."""
    value = count_or_zero(text)
    if value == 0:
        raise UsageError("it has to be 1 or more")
    return value


def count_or_zero(text: str) -> int:
    """Take a whole number from 0 on."""
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{shown(text)} is no whole number from 0 on")
    # int() refuses some thousand digits by an error of its own.
    if len(text) > SHOWN or int(text) > LARGEST:
        raise UsageError(f"{shown(text)} is too large")
    return int(text)


def size(text: str) -> int:
    """Take a number of bytes from 1 on."""
    value = size_or_zero(text)
    if value == 0:
        raise UsageError("it has to be 1 byte or more")
    return value


def size_or_zero(text: str) -> int:
    """Take a number of bytes: 4096, 64K, 1.5G, 10m; a part of a byte is dropped."""
    match = SIZE.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{shown(text)} is no size: 4096, 64K, 1.5G (K is 1024, k is 1000, and so on to E)"
        )
    whole, _, part = match[1].partition(".")
    # Integers, for a float would round the last digits; beyond these digits there is no byte.
    part = part[:SHOWN]
    factor = UNITS[match[2]]
    divisor: int = 10 ** len(part)
    if len(whole) > SHOWN or int(whole or "0") * factor > LARGEST:
        raise UsageError(f"{shown(text)} is more than {LARGEST} bytes")
    return int((whole + part) or "0") * factor // divisor


def duration(text: str) -> float:
    """Take a duration in seconds, or with units: 10, 0.5, 90s, 1m30s, 2h, 1d12h."""
    match = DURATION.fullmatch(text)
    if match is None or not text:
        raise UsageError(f"{shown(text)} is no duration: 10, 0.5, 90s, 1m30s, 2h or 1d12h")
    parts = zip(match.groups(), SECONDS, strict=True)
    seconds = sum(float(part) * unit for part, unit in parts if part)
    if seconds > LONGEST:
        raise UsageError(f"{shown(text)} is more than a hundred years")
    return seconds


def positive_duration(text: str) -> float:
    """Take a duration that is longer than none."""
    seconds = duration(text)
    if seconds == 0:
        raise UsageError("it has to be longer than 0 seconds")
    return seconds


def whole_seconds(text: str) -> int:
    """Take a duration and round it up, as the kernel bounds processor time in seconds."""
    return math.ceil(positive_duration(text))


def adjustment(text: str) -> int:
    """Take what is to be added to the nice value."""
    if not SIGNED.fullmatch(text) or abs(int(text)) > 40:
        raise UsageError(f"{shown(text)} is nothing to add to the nice value: 1 to 19, or less")
    return int(text)


def assignment(text: str) -> str:
    """Take NAME=VALUE."""
    name, equals, _ = text.partition("=")
    if not equals or not name:
        raise UsageError(
            f"{shown(text)} is not NAME=VALUE (jobs have our environment as it is: only what is "
            "to be otherwise needs this)"
        )
    return text
