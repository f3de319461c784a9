"""--timeout P%: a part of the median of the jobs that succeeded."""

import random
import statistics
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession.cli.control.ranking import FEWEST, SHORTEST, WINDOW, TimeoutRule


def test_there_is_no_limit_before_some_jobs_have_succeeded():
    rule = TimeoutRule(200)
    for _ in range(FEWEST - 1):
        rule.add(5.0)
        assert rule.limit is None
    rule.add(5.0)

    assert rule.limit == 10.0


@given(st.lists(st.floats(0, 1e6), min_size=FEWEST), st.floats(100, 1000))
def test_the_limit_is_that_part_of_the_median(durations, percent):
    rule = TimeoutRule(percent)
    for seconds in durations:
        rule.add(seconds)

    expected = percent / 100 * statistics.median(durations)
    assert rule.limit == pytest.approx(max(SHORTEST, expected))


def test_jobs_that_take_no_time_have_a_limit_that_is_more_than_chance():
    rule = TimeoutRule(150)
    for _ in range(10):
        rule.add(0.001)

    assert rule.limit == SHORTEST


@pytest.mark.slow
def test_of_many_jobs_the_last_ones_count_and_memory_stays_the_same():
    rule = TimeoutRule(100)
    order = random.Random(7)
    durations = [order.lognormvariate(0, 1) for _ in range(3 * WINDOW)]
    tracemalloc.start()
    try:
        for seconds in durations[: 2 * WINDOW]:
            rule.add(seconds)
        before, _ = tracemalloc.get_traced_memory()
        for seconds in durations[2 * WINDOW :]:
            rule.add(seconds)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert rule.limit == statistics.median(durations[-WINDOW:])
    assert after - before < 50_000
