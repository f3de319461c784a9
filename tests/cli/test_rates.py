"""Rates: of late, for quick jobs and for slow ones."""

import pytest

from procession.cli.progress.rates import Rate


def test_there_is_none_before_the_first_job_is_done():
    rate = Rate(0.0)
    rate.note(5.0, 0)

    assert rate.per_second(5.0) is None


def test_it_is_that_of_the_last_ten_seconds():
    rate = Rate(0.0)
    for tenth in range(1, 301):
        # 100/s for twenty seconds, then 10/s.
        rate.note(tenth / 10, 10 * tenth if tenth <= 200 else 2000 + tenth - 200)

    assert rate.per_second(30.0) == pytest.approx(10, rel=0.02)


def test_slow_jobs_have_the_rate_of_the_last_ten():
    rate = Rate(0.0)
    for done in range(1, 30):
        rate.note(60.0 * done, done)

    assert rate.per_second(60.0 * 29) == pytest.approx(1 / 60)


def test_it_falls_while_nothing_is_done():
    rate = Rate(0.0)
    rate.note(1.0, 100)

    assert rate.per_second(1.0) == 100
    assert rate.per_second(100.0) == 1


def test_it_keeps_the_marks_of_the_time_that_counts_only():
    rate = Rate(0.0)
    for tenth in range(1, 10_000):
        rate.note(tenth / 10, tenth * 100)

    assert len(rate._marks) < 110
