"""Tests whose body runs in an interpreter of its own, once per implementation.

Such a body may hang, crash, close descriptors 0 to 2 or poison its process without
harm to the other tests. It is called with the module under test (`procession.subprocess`
or `asyncio.subprocess`), and holds if it returns in time and nothing was written to
stderr.
"""

import contextlib
import dataclasses
import importlib
import inspect
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from children import complaints_of

# The exit status of an interpreter whose body raised AssertionError or TimeoutError.
DOES_NOT_HOLD = 3

SECONDS = 40
TESTS = Path(__file__).parents[1]
RUNNER = TESTS / "helpers/run_body.py"

# True in an interpreter that runs a body. It does without pytest, which takes longer to
# import than most bodies take to run.
inside = False

# Whether asyncio must not pass where it is expected to fail.
strict = False

# How procession learns of exits in these interpreters.
backend = "pidfd"

# The same: whose descriptor table is copied for a child.
table = "auto"


def choose_ways(backend, table):
    """Have procession of this interpreter go other ways than it would by itself."""
    if backend != "pidfd":
        importlib.import_module("procession._reaper").use_backend(backend)
    if table != "auto":
        importlib.import_module("procession._spawn").use_table(table)


class Broken(AssertionError):
    """What a body asserts is not so, as opposed to a body that cannot run."""


@dataclasses.dataclass(frozen=True)
class OnAsyncio:
    """What is expected of a body on asyncio."""

    run: bool = True
    fails: bool = False
    reason: str = ""


HOLDS = OnAsyncio()

# A loop that is closed while children run warns of them, as asyncio's transports do.
UNWARNED = ("-W", "ignore::ResourceWarning")


def fails(reason, *, since=(3, 10), before=(3, 13, 1)):
    """On asyncio the body fails from one version on and before another; others are not asked.

    The default of `before` is the first version on which asyncio was not tried.
    """
    return OnAsyncio(run=since <= sys.version_info < before, fails=True, reason=reason)


def fixed_in(version, reason):
    """On asyncio the body fails before this version and holds from there on."""
    return OnAsyncio(fails=sys.version_info < version, reason=reason)


def not_run(reason):
    """Asyncio's result says nothing: it depends on chance, or on the machine."""
    return OnAsyncio(run=False, reason=reason)


def own_interpreter(
    on_asyncio=HOLDS, *, seconds=SECONDS, slow=False, deep=False, needs_pidfd=False, options=()
):
    """Make a test of a function that takes the module under test."""

    def decorate(body):
        if inside:
            return body
        import pytest

        marks = [pytest.mark.timeout(seconds + 20)]
        if slow:
            marks.append(pytest.mark.slow)
        if deep:
            marks.append(pytest.mark.deep)
        if needs_pidfd:
            marks.append(pytest.mark.needs_pidfd)

        @pytest.mark.parametrize("implementation", implementations(on_asyncio))
        def test(implementation):
            expectation = "holds"
            if implementation == "asyncio" and on_asyncio.fails:
                expectation = "fails"
            run_body(body, implementation, expectation, seconds, options)

        for mark in marks:
            test = mark(test)
        test.__name__ = body.__name__
        test.__qualname__ = body.__qualname__
        test.__doc__ = body.__doc__
        test.__module__ = body.__module__
        return test

    return decorate


def implementations(on_asyncio):
    import pytest

    found = [pytest.param("procession", id="procession")]
    if on_asyncio.run:
        marks = []
        if on_asyncio.fails:
            reason = on_asyncio.reason
            marks.append(pytest.mark.xfail(raises=Broken, strict=strict, reason=reason))
        found.append(pytest.param("asyncio", id="asyncio", marks=marks))
    return found


def run_body(body, implementation, expectation, seconds, options):
    import pytest

    command = [sys.executable, "-W", "always::ResourceWarning", *options]
    module = f"{implementation}.subprocess"
    tests = ".".join(Path(inspect.getfile(body)).relative_to(TESTS).with_suffix("").parts)
    command += [RUNNER, tests, body.__name__, module, expectation, backend, table]
    # Files, not pipes: an orphan that holds a pipe would be waited for.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        ended = run_session(command, seconds, stdout=out, stderr=err)
        said, complaints = (file.seek(0) or file.read() for file in (out, err))
    if ended is None:
        raise Broken(f"no end after {seconds} s\n{complaints}")
    if ended == 0 and said.startswith("skip: "):
        pytest.skip(said.removeprefix("skip: ").strip())
    if ended == DOES_NOT_HOLD:
        raise Broken(complaints)
    if ended:
        raise RuntimeError(f"exit status {ended}\n{complaints}")
    if complaints_of(complaints):
        raise Broken(f"not quiet\n{complaints}")


def run_session(command, seconds, **streams):
    """Return the exit status of a command; None if it had to be killed.

    Whatever the command has left in its session is killed.
    """
    leader = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **streams)
    try:
        return leader.wait(seconds)
    except subprocess.TimeoutExpired:
        # The runner answers with a traceback of every thread.
        leader.send_signal(signal.SIGABRT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            leader.wait(1)
        return None
    finally:
        kill_session(leader.pid)
        leader.wait()


def kill_session(leader):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def skip(reason):
    """Called in a body: end it, and have the test reported as skipped."""
    print("skip:", reason, flush=True)
    raise SystemExit(0)
