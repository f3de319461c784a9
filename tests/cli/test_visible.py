"""Text that nothing can hide in, of a width that is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.cli.progress.visible import cells, duration, rate, shorten, size, visible, whole


@pytest.mark.parametrize(
    "text, seen",
    [
        ("a b", "a b"),
        ("a\nb\t\x1b[31m\x7f", r"a\nb\t\x1b[31m\x7f"),
        ("\udcff\udc80", r"\xff\x80"),
        ("\ud800", r"\ud800"),
        ("‮cba", r"\u202ecba"),
        ("日本", "日本"),
        ("", ""),
    ],
)
def test_what_is_not_printable_is_spelt_out(text, seen):
    assert visible(text) == seen


@pytest.mark.parametrize(
    "text, room, cut",
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("a\nb", 4, r"a\nb"),
        ("abc", 1, "…"),
        ("abc", 0, ""),
        ("abc", -3, ""),
        ("", 0, ""),
    ],
)
def test_what_is_too_long_ends_with_an_ellipsis(text, room, cut):
    assert shorten(text, room) == cut


@given(st.text(st.characters()), st.integers(-5, 100))
def test_any_text_fits_and_is_printable(text, room):
    cut = shorten(text, room)

    assert cells(cut) <= max(room, 0)
    assert cut.isprintable()


def test_a_long_text_costs_no_more_than_its_start():
    class Text(str):
        def __getitem__(self, index):
            assert index.stop <= 400
            return str.__getitem__(self, index)

    assert len(shorten(Text("x" * 2**21), 100)) == 100


def test_a_mark_on_a_letter_takes_no_room():
    assert cells("e\N{COMBINING ACUTE ACCENT}") == 1


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0 us"),
        (0.000_123, "123 us"),
        (0.001_26, "1.3 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (7325, "2 h 02 min"),
        (90_000, "1 d 01 h"),
    ],
)
def test_times_have_the_digits_that_count(seconds, text):
    assert duration(seconds) == text


def test_whole_seconds_have_no_point():
    assert whole(16) == "16 s"


@pytest.mark.parametrize(
    "per_second, text",
    [(1640.4, "1640/s"), (240, "240/s"), (2.44, "2.4/s"), (0.05, "3.0/min"), (0.001, "3.6/h")],
)
def test_what_is_seldom_is_counted_by_the_minute_or_the_hour(per_second, text):
    assert rate(per_second) == text


@pytest.mark.parametrize(
    "count, text",
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KiB"), (14 << 20, "14.0 MiB"), (3 << 50, "3072 TiB")],
)
def test_sizes_have_units(count, text):
    assert size(count) == text
