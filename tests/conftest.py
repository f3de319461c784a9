"""Runs drop-in tests on asyncio and on procession; finds what a test leaves behind."""

import asyncio
import contextlib
import gc
import importlib
import os
import signal
import sys
import threading
import time
import warnings

import pytest

from children import TIMEOUT
from expected import difference_of
from helpers import often, own_interpreter
from helpers.refusal import refuse_pidfds

REAPING_GRACE = 5.0
EXPECTED_HANG = 0.7
HAS_PASSED = pytest.StashKey[bool]()


def pytest_addoption(parser):
    group = parser.getgroup("procession", "kernels that have less than this one")
    group.addoption(
        "--backend",
        choices=["pidfd", "thread", "sigchld"],
        default="pidfd",
        help="how procession learns of exits (default: by pidfd)",
    )
    group.addoption(
        "--table",
        choices=["auto", "own"],
        default="auto",
        help="whose descriptor table is copied for a child: that of a thread with a table of "
        "its own, or what costs less (default)",
    )
    group.addoption(
        "--refuse",
        choices=["ENOSYS", "EPERM"],
        help="have the kernel refuse pidfds, clone3 and close_range with this error",
    )

    group.addoption(
        "--strict-asyncio",
        action="store_true",
        help="fail where asyncio passes a test that it is expected to fail",
    )
    group.addoption(
        "--without-asyncio",
        action="store_true",
        help="do not ask what asyncio does",
    )
    group.addoption(
        "--deep",
        action="store_true",
        help="take minutes more: every single call fails in every plausible way, and what a "
        "few hundred children show is shown with 20,000",
    )


def pytest_configure(config):
    refusal = config.getoption("refuse")
    if refusal is not None:
        refuse_pidfds(refusal)
    often.is_deep = config.getoption("deep")
    own_interpreter.backend = config.getoption("backend")
    own_interpreter.table = config.getoption("table")
    own_interpreter.strict = config.getoption("strict_asyncio")
    own_interpreter.choose_ways(own_interpreter.backend, own_interpreter.table)


@pytest.fixture(params=["asyncio", "procession"])
def implementation(request):
    """Name the package under test."""
    return request.param


@pytest.fixture
def impl(implementation):
    """Return asyncio.subprocess or procession.subprocess."""
    return importlib.import_module(f"{implementation}.subprocess")


@pytest.fixture
def streams(implementation):
    """Return asyncio or procession, for StreamReader and StreamWriter."""
    return importlib.import_module(implementation)


@pytest.fixture
def patience(request):
    """Return how long to wait for what a test is about, in seconds."""
    return EXPECTED_HANG if request.node.get_closest_marker("xfail") else TIMEOUT


@pytest.fixture
def pipe():
    """Return the two ends of a pipe; the test may close them."""
    ends = os.pipe()
    names = [os.readlink(f"/proc/self/fd/{fd}") for fd in ends]
    yield ends
    for end, name in zip(ends, names, strict=True):
        if (end, name) in open_descriptors():
            os.close(end)


def implementation_of(item):
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("implementation") if callspec else None


def has_pidfds(config):
    return config.getoption("backend") == "pidfd" and not config.getoption("refuse")


def has_usual_ways(config):
    return has_pidfds(config) and config.getoption("table") == "auto"


def pytest_collection_modifyitems(config, items):
    if not config.getoption("deep"):
        items[:] = [item for item in items if not item.get_closest_marker("deep")]
    if config.getoption("without_asyncio") or not has_usual_ways(config):
        items[:] = [item for item in items if implementation_of(item) != "asyncio"]
    for item in items:
        if item.get_closest_marker("needs_pidfd") and not has_pidfds(item.config):
            item.add_marker(pytest.mark.skip(reason="without pidfds nobody could"))
        implementation = implementation_of(item)
        if implementation is None:
            continue
        file = item.path.stem
        names = (f"{file}::{item.originalname}", f"{file}::{item.name}")
        difference = difference_of(implementation, names)
        if difference is not None:
            strict = difference.strict
            if implementation == "asyncio":
                # Many of its faults are races, which it wins now and then.
                strict = strict and item.config.getoption("strict_asyncio")
            item.add_marker(pytest.mark.xfail(strict=strict, reason=difference.reason))


def pytest_collection_finish():
    # The first of uvloop's loops opens descriptors that stay for all, and are no leak.
    with contextlib.suppress(ImportError):
        importlib.import_module("uvloop").new_event_loop().close()
    # What lives on is set aside, so that the guard's collections are quick.
    gc.collect()
    gc.freeze()


def pytest_sessionfinish():
    gc.unfreeze()


def pytest_terminal_summary(terminalreporter):
    passed = terminalreporter.getreports("passed")
    cases = sum(n for report in passed for name, n in report.user_properties if name == "faults")
    if cases:
        terminalreporter.write_line(f"{cases} faults, each with its outcome")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        item.stash[HAS_PASSED] = report.passed
    return report


@pytest.fixture(autouse=True)
def leak_guard(request):
    """Fail a test that leaves a descriptor, a child, an object or a complaint.

    asyncio leaks by itself, and the exception of a failed test keeps its objects alive:
    after these what is left is only cleared away.
    """
    clear_after_earlier_tests()
    complaints = []
    report = asyncio.BaseEventLoop.call_exception_handler

    def note_context(loop, context):
        complaints.append(f"loop's exception handler: {context}")
        report(loop, context)

    def note_unraisable(unraisable):
        # The interpreter says so of a signal whose handler is taken away as it arrives:
        # asyncio's child watchers do that.
        if "ignored due to race condition" in str(unraisable.exc_value):
            return
        complaints.append(f"unraisable: {unraisable.exc_value!r}")

    descriptors = open_descriptors()
    objects = live_objects()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.BaseEventLoop, "call_exception_handler", note_context)
        patch.setattr(sys, "unraisablehook", note_unraisable)
        yield
        collect_garbage()
        strict = implementation_of(request.node) != "asyncio"
        if not strict or not request.node.stash.get(HAS_PASSED, False):
            kill_children()
            return
        wait_for_the_background(descriptors)
        left = children_left() if has_children() else []
        kill_children()

    complaints += [f"child left: {child}" for child in left]
    complaints += [
        f"descriptor left: {descriptor}" for descriptor in sorted(open_descriptors() - descriptors)
    ]
    complaints += [
        f"live objects: {count} x {name}"
        for name, count in live_objects().items()
        if count > objects.get(name, 0)
    ]
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)


def clear_after_earlier_tests():
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        if hasattr(sys, name):
            delattr(sys, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "unraisablehook", lambda unraisable: None)
        gc.collect()


def collect_garbage():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()


def open_descriptors():
    """Return the open descriptors, each with what it stands for."""
    descriptors = set()
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            descriptors.add((int(fd), os.readlink(f"/proc/self/fd/{fd}")))
    return descriptors


def children_left():
    """Return (pid, name, state) of each child, dead or alive."""
    children = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/stat") as stat:
                head, _, tail = stat.read().rpartition(")")
            state, parent = tail.split()[:2]
            if int(parent) == os.getpid():
                children.append((int(pid), head.partition("(")[2], state))
    return children


def has_children():
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def wait_for_the_background(descriptors):
    """Give a reaper in another thread a moment: a child goes first, its pidfd then."""
    deadline = time.monotonic() + REAPING_GRACE
    while has_children() or open_descriptors() - descriptors:
        if time.monotonic() > deadline:
            return
        time.sleep(0.001)


def kill_children():
    while has_children():
        for pid, _, _ in children_left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
    # Up to 3.11 asyncio has a thread per child, which keeps the transport alive.
    for thread in threading.enumerate():
        if "waitpid" in thread.name:
            thread.join(REAPING_GRACE)


def live_objects():
    """Return how many objects there are, and of how many children they are thought to be."""
    engine = sys.modules.get("procession._engine")
    if engine is None:
        return {}
    counts = sys.modules["procession._counts"].read_counts()
    children = {f"children {name}": counts[name] for name in ("alive", "queued")}
    return {**engine.live_objects(), **children}
