"""The interpreter's own cases for asyncio.subprocess, run on procession.

SubprocessTransportTests are left out: they test asyncio's transport class with mocks,
and nothing of procession runs in them. So are the cases of LEFT_OUT.
"""

import asyncio
import sys
import unittest
import warnings

import pytest

import procession
from cpython_expected import difference_of, is_left_out

suite = pytest.importorskip(
    "test.test_asyncio.test_subprocess",
    reason="this Python comes without its own tests",
)

# Every class runs the same cases, under another child watcher of asyncio; one of them
# reaps every child of the process.
QUICK = "SubprocessThreadedWatcherTests"


def cases():
    """Return a parameter for each case of each class."""
    found = []
    for name, candidate in vars(suite).items():
        if not (isinstance(candidate, type) and issubclass(candidate, unittest.TestCase)):
            continue
        if candidate is suite.SubprocessTransportTests:
            continue
        for case in unittest.defaultTestLoader.getTestCaseNames(candidate):
            if not is_left_out(case):
                found.append(parameter(name, case))
    return found


def parameter(name, case):
    marks = []
    if name != QUICK:
        marks.append(pytest.mark.slow)
    reason = difference_of(case)
    if reason is not None:
        marks.append(pytest.mark.xfail(strict=True, reason=reason))
    return pytest.param(name, case, id=f"{name}-{case}", marks=marks)


@pytest.fixture(scope="module", autouse=True)
def module_of_the_suite():
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        suite.tearDownModule()


@pytest.fixture(autouse=True)
def installed():
    # Some cases count on a program that has had a loop before, as the whole suite has.
    asyncio.set_event_loop(None)
    procession.install()
    yield
    # The suite leaves a child watcher behind that is attached to a closed loop.
    if sys.version_info < (3, 14):
        asyncio.set_event_loop_policy(None)
    procession.uninstall()


@pytest.mark.parametrize("name, case", cases())
def test_case(name, case):
    result = unittest.TestResult()

    # Child watchers and policies, which the suite sets, are deprecated.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        getattr(suite, name)(case).run(result)

    for _, reason in result.skipped:
        pytest.skip(reason)
    for _, report in result.errors + result.failures:
        pytest.fail(report, pytrace=False)
    assert result.testsRun == 1
