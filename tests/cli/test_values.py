"""How many jobs at once, which load, which timeout; what jobs are started with."""

import math
import os
import resource
import types

import pytest

from helpers.sources import options_of
from procession import Limits
from procession.cli.arguments import values
from procession.cli.arguments.values import Jobs, Load, Timeout, environment_of, limits_of
from procession.cli.errors import UsageError
from procession.cpus import usable_cpus


@pytest.fixture
def cpus(monkeypatch):
    """Let there be ten processors."""
    monkeypatch.setattr("procession.cpus.usable_cpus", lambda: 10)
    return 10


@pytest.fixture
def few_descriptors():
    """Let this process open no descriptor from 144 on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (144, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def limits(**given):
    return limits_of(options_of(**given))


@pytest.mark.parametrize(
    "text, count",
    [
        ("1", 1),
        ("8", 8),
        ("1000000", 1_000_000),
        ("+2", 12),
        ("+0", 10),
        ("-3", 7),
        ("-10", 1),
        ("-100", 1),
        ("100%", 10),
        ("50%", 5),
        ("51%", 6),
        ("0.1%", 1),
        ("250.0%", 25),
    ],
)
def test_jobs_are_a_number_or_go_by_the_processors(cpus, text, count):
    assert Jobs.parse(text).count() == count


def test_jobs_go_by_the_processors_that_are_usable():
    assert Jobs.parse("100%").count() == usable_cpus()


def test_no_number_of_jobs_is_as_many_as_there_are_descriptors_for(few_descriptors):
    assert Jobs.parse("0").count() == (144 - 64) // 8


def test_no_number_of_jobs_is_bounded_in_any_case():
    assert 1 <= Jobs.parse("0").count() <= values.MOST_AT_ONCE


@pytest.mark.parametrize(
    "text", ["", "x", "1.5", "--1", "+-1", "%", "1e3", "nan", "+5%", "-5%", "٣"]
)
def test_what_is_no_number_of_jobs_is_shown_with_those_that_are(text):
    with pytest.raises(UsageError, match="is no number of jobs: 8, "):
        Jobs.parse(text)


@pytest.mark.parametrize("text", ["1000001", "-1000001", "9" * 5000, "9" * 400 + "%", "0%"])
def test_too_many_jobs_are_not_asked_for(text):
    with pytest.raises(UsageError):
        Jobs.parse(text)


@pytest.mark.parametrize("text, bound", [("4", 4), ("0.5", 0.5), ("80%", 8), ("100%", 10)])
def test_a_load_is_a_number_or_a_part_of_the_processors(cpus, text, bound):
    assert Load.parse(text).bound() == bound


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "inf", "0", "0%", "9" * 400, "1e2"])
def test_what_is_no_load_is_refused(text):
    with pytest.raises(UsageError):
        Load.parse(text)


def test_a_timeout_is_a_duration_or_a_part_of_the_median():
    assert Timeout.parse("1m30s") == Timeout(seconds=90)
    assert Timeout.parse("250%") == Timeout(percent=250)


@pytest.mark.parametrize("text", ["0", "0%", "100%", "99.5%", "-5", "nan", "nan%", "x%", ""])
def test_a_timeout_that_ends_all_jobs_or_none_is_refused(text):
    with pytest.raises(UsageError):
        Timeout.parse(text)


def test_no_option_is_no_limits():
    assert limits() is None


def test_options_are_limits():
    assert limits(
        limit_memory=2**30,
        limit_cpu=60,
        limit_files=100,
        limit_processes=50,
        limit_file_size=0,
        cgroup="/sys/fs/cgroup/x",
        die_with_parent=True,
    ) == Limits(
        memory=2**30,
        cpu_seconds=60,
        open_files=100,
        processes=50,
        file_size=0,
        cgroup="/sys/fs/cgroup/x",
        die_with_parent=True,
    )


@pytest.mark.parametrize("added", [0, 1, 5, 40])
def test_nice_is_added_to_our_own_as_nice_does_it(added):
    ours = os.getpriority(os.PRIO_PROCESS, 0)

    assert limits(nice=added) == Limits(nice=min(19, ours + added))


def test_nice_ends_at_its_least_value():
    assert limits(nice=-40) == Limits(nice=max(-20, os.getpriority(os.PRIO_PROCESS, 0) - 40))


def test_jobs_have_our_environment_and_what_is_set_for_them(monkeypatch):
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.setenv("CHANGED", "1")

    environment = environment_of(types.SimpleNamespace(env=["CHANGED=2", "NEW=a=b", "NEW=c=d"]))

    assert environment == {**os.environ, "CHANGED": "2", "NEW": "c=d"}
    assert environment["KEPT"] == "1"


def test_an_environment_that_is_not_changed_is_not_copied():
    assert environment_of(types.SimpleNamespace(env=[])) is None


def test_a_part_of_the_processors_is_rounded_up(cpus):
    assert Jobs.parse("33%").count() == math.ceil(3.3)
