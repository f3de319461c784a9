"""The interpreter's own cases for subprocesses, run on procession.

Those of test_subprocess under install(), with every child watcher that asyncio has; then
those, and the ones of test_events for children, pipes and terminals, on EventLoop and on a
uvloop loop with SubprocessMixin.

Left out is where nothing of procession would run: SubprocessTransportTests, and all of
test_unix_events on pipes and child watchers, which build asyncio's own transports and
watchers around mocks of a loop, of os.read() and of os.waitpid(); and LEFT_OUT.
"""

import asyncio
import gc
import re
import sys
import unittest
import warnings

import pytest

import procession
from cpython_expected import UNTIDY, difference_of, is_left_out

WITHOUT = "this Python comes without its own tests"
suite = pytest.importorskip("test.test_asyncio.test_subprocess", reason=WITHOUT)
events = pytest.importorskip("test.test_asyncio.test_events", reason=WITHOUT)

# Every class runs the same cases, under another child watcher of asyncio; one of them
# reaps every child of the process.
QUICK = "SubprocessThreadedWatcherTests"


try:
    import uvloop
except ImportError:
    uvloop = None
else:

    class UvLoop(procession.SubprocessMixin, uvloop.Loop):
        # The suite's tearDown wants to see it.
        _default_executor = None


def on_loop(make_loop):
    """Return the suite's classes for a kind of loop."""

    class Streams(suite.SubprocessMixin, suite.test_utils.TestCase):
        def setUp(self):
            super().setUp()
            self.loop = make_loop()
            self.set_event_loop(self.loop)

    class Events(
        events.SubprocessTestsMixin, events.EventLoopTestsMixin, suite.test_utils.TestCase
    ):
        def create_event_loop(self):
            return make_loop()

    return Streams, Events


LOOPS = {"EventLoop": on_loop(procession.EventLoop)}
if uvloop is not None:
    LOOPS["uvloop"] = on_loop(UvLoop)

# Of what else a loop can do, procession has no part.
OURS = re.compile("test_(subprocess|.*_pipe|.*pty)")


def loop_cases():
    """Return a parameter for each case that concerns children, pipes or terminals."""
    found = []
    for loop, classes in LOOPS.items():
        for candidate in classes:
            for case in unittest.defaultTestLoader.getTestCaseNames(candidate):
                if candidate.__name__ == "Streams" or OURS.match(case):
                    found.append(
                        pytest.param(
                            candidate,
                            case,
                            id=f"{loop}-{candidate.__name__}-{case}",
                            marks=marks_of(case, loop),
                        )
                    )
    return found


def marks_of(case, loop=""):
    reason = difference_of(case, loop)
    return [] if reason is None else [pytest.mark.xfail(strict=True, reason=reason)]


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
    marks = marks_of(case)
    if "Fast" in name:
        # The watcher reaps every child of the process.
        marks.append(pytest.mark.needs_pidfd)
    if name != QUICK:
        marks.append(pytest.mark.slow)
    return pytest.param(name, case, id=f"{name}-{case}", marks=marks)


@pytest.fixture(scope="module", autouse=True)
def module_of_the_suite():
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        suite.tearDownModule()


@pytest.fixture(autouse=True)
def policy():
    # Some cases count on a program that has had a loop before, as the whole suite has.
    asyncio.set_event_loop(None)
    yield
    # The suite leaves a child watcher behind that is attached to a closed loop.
    if sys.version_info < (3, 14):
        asyncio.set_event_loop_policy(None)


@pytest.fixture
def installed():
    procession.install()
    yield
    procession.uninstall()


def ignore(loop, context):
    pass


def run_case(case, monkeypatch):
    result = unittest.TestResult()

    # Child watchers and policies, which the suite sets, are deprecated.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        case.run(result)
        if case._testMethodName in UNTIDY:
            warnings.simplefilter("ignore", ResourceWarning)
            monkeypatch.setattr(asyncio.BaseEventLoop, "call_exception_handler", ignore)
            gc.collect()

    for _, reason in result.skipped:
        pytest.skip(reason)
    for _, report in result.errors + result.failures:
        pytest.fail(report, pytrace=False)
    assert result.testsRun == 1


@pytest.mark.parametrize("name, case", cases())
def test_case(name, case, installed, monkeypatch):
    run_case(getattr(suite, name)(case), monkeypatch)


@pytest.mark.parametrize("candidate, case", loop_cases())
def test_case_on_a_loop(candidate, case, monkeypatch):
    run_case(candidate(case), monkeypatch)
