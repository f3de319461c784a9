"""Counts, sizes and durations as they are typed, and what is said of others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.cli.arguments import amounts
from procession.cli.errors import UsageError

READERS = (
    amounts.count,
    amounts.count_or_zero,
    amounts.size,
    amounts.size_or_zero,
    amounts.duration,
    amounts.positive_duration,
    amounts.whole_seconds,
    amounts.adjustment,
)
ODD = ("\udcff", "5KB", "1s1m", "1ms", "1,5")
LONG = "9" * 5000


@pytest.mark.parametrize(
    "text, bytes_",
    [
        ("1", 1),
        ("4096", 4096),
        ("1K", 1024),
        ("1k", 1000),
        ("1Ki", 1024),
        ("1ki", 1024),
        ("2M", 2 * 2**20),
        ("2m", 2_000_000),
        ("3G", 3 * 2**30),
        ("3g", 3 * 10**9),
        ("1T", 2**40),
        ("1t", 10**12),
        ("1P", 2**50),
        ("1E", 2**60),
        ("1.5K", 1536),
        (".5M", 2**19),
        ("1.K", 1024),
        ("1.9999", 1),
        (str(2**63 - 1), 2**63 - 1),
        ("0.1E", 2**60 // 10),
    ],
)
def test_a_size_has_a_unit_of_1024_in_capitals_and_of_1000_in_small_letters(text, bytes_):
    assert amounts.size(text) == bytes_


@given(st.integers(1, 2**63 - 1))
def test_every_digit_of_a_size_counts(number):
    assert amounts.size(str(number)) == number


@pytest.mark.parametrize("text", ["8E", str(2**63), LONG, f"{LONG}K", f"{LONG}.5E"])
def test_a_size_beyond_63_bits_is_too_large(text):
    with pytest.raises(UsageError, match="is more than 9223372036854775807 bytes"):
        amounts.size(text)


@pytest.mark.parametrize("text", ["0", "0K", "0.0G", "0.5"])
def test_less_than_a_byte_is_no_size_unless_none_is_meant(text):
    assert amounts.size_or_zero(text) == 0
    with pytest.raises(UsageError, match="1 byte or more"):
        amounts.size(text)


@pytest.mark.parametrize(
    "text, seconds",
    [
        ("0", 0),
        ("10", 10),
        ("0.25", 0.25),
        (".5", 0.5),
        ("5s", 5),
        ("1m", 60),
        ("1m30", 90),
        ("1m30s", 90),
        ("1.5h", 5400),
        ("2H", 7200),
        ("1d12h", 36 * 3600),
        ("1d2h3m4.5s", 86400 + 7200 + 180 + 4.5),
    ],
)
def test_a_duration_is_in_seconds_or_has_units(text, seconds):
    assert amounts.duration(text) == seconds


def test_a_duration_ends_at_a_hundred_years():
    assert amounts.duration("36500d") == 36500 * 86400
    for text in ("36501d", LONG, f"{LONG}h"):
        with pytest.raises(UsageError, match="a hundred years"):
            amounts.duration(text)


def test_a_duration_that_has_to_last_is_not_0():
    with pytest.raises(UsageError, match="longer than 0 seconds"):
        amounts.positive_duration("0m")


def test_processor_time_is_rounded_up_to_seconds():
    assert amounts.whole_seconds("0.1") == 1
    assert amounts.whole_seconds("1m0.5s") == 61


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize(
    "text",
    [*" -.x٣", "", "-41", "nan", "inf", "-inf", "1e9", "0x10", "1_000", "1 K", "1\n", "3q", *ODD],
)
def test_what_is_no_amount_is_said_to_be_none(read, text):
    with pytest.raises(UsageError) as caught:
        read(text)

    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize("text", [LONG, f"-{LONG}", f"{LONG}x", "x" * 100_000])
def test_a_message_is_short_whatever_the_text(read, text):
    with pytest.raises(UsageError) as caught:
        read(text)

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["0", "00"])
def test_a_count_begins_with_1(text):
    assert amounts.count_or_zero(text) == 0
    with pytest.raises(UsageError, match="1 or more"):
        amounts.count(text)


def test_a_count_has_a_bound():
    assert amounts.count(str(2**63 - 1)) == 2**63 - 1
    with pytest.raises(UsageError, match="too large"):
        amounts.count(str(2**63))


@pytest.mark.parametrize("text, value", [("5", 5), ("+5", 5), ("-5", -5), ("19", 19), ("0", 0)])
def test_an_adjustment_has_a_sign_or_none(text, value):
    assert amounts.adjustment(text) == value


@pytest.mark.parametrize("text", ["A=1", "A=", "A=b=c", "_x= y"])
def test_an_assignment_is_a_name_and_a_value(text):
    assert amounts.assignment(text) == text


@pytest.mark.parametrize("text", ["", "A", "=1"])
def test_a_name_alone_is_no_assignment(text):
    with pytest.raises(UsageError, match="is not NAME=VALUE"):
        amounts.assignment(text)
