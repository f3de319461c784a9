"""Percentiles in little memory, compared with those of all values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.cli.summary.digest import ERROR, Digest

VALUES = st.one_of(
    st.just(0.0),
    st.floats(1e-9, 1e15),
    st.integers(0, 5).map(float),
    st.floats(0, 1e300, allow_subnormal=True),
)


def exact(values, percent):
    """Return the value of the nearest rank."""
    return sorted(values)[max(math.ceil(percent * len(values) / 100), 1) - 1]


def digest_of(values):
    digest = Digest()
    for value in values:
        digest.add(value)
    return digest


@given(st.lists(VALUES, min_size=1), st.floats(0, 100))
def test_a_percentile_is_within_one_percent_of_the_exact_one(values, percent):
    true = exact(values, percent)

    assert digest_of(values).percentile(percent) == pytest.approx(true, rel=ERROR + 1e-9, abs=0)


@given(st.lists(VALUES, min_size=1))
def test_count_least_and_largest_are_exact_and_the_sum_is_that_of_floats(values):
    digest = digest_of(values)

    assert (digest.least, digest.largest) == (min(values), max(values))
    assert (digest.percentile(0), digest.percentile(100)) == (min(values), max(values))
    assert digest.sum == pytest.approx(math.fsum(values))
    assert digest.count == len(values)


@given(VALUES, st.integers(1, 50), st.floats(0, 100))
def test_equal_values_have_exact_percentiles(value, count, percent):
    assert digest_of([value] * count).percentile(percent) == value


@given(st.lists(VALUES, min_size=1))
def test_percentiles_grow_with_their_percents(values):
    digest = digest_of(values)
    percentiles = [digest.percentile(percent) for percent in range(0, 101, 5)]

    assert percentiles == sorted(percentiles)


def test_memory_is_that_of_the_range_of_the_values():
    digest = Digest()
    microsecond, week = 1e-6, 7 * 86400
    for step in range(20_000):
        digest.add(microsecond * (week / microsecond) ** (step / 20_000))

    assert len(digest._buckets) < 1400


def test_no_values_have_no_percentiles():
    with pytest.raises(ValueError, match="no values"):
        Digest().percentile(50)
