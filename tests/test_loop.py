"""EventLoop, SubprocessMixin, new_event_loop() and EventLoopPolicy."""

import asyncio
import os
import subprocess
import sys
import warnings

import pytest

import procession
from children import sh, until

HAS_POLICIES = sys.version_info < (3, 16)


async def status_of_a_child():
    """Run a child by asyncio's call, and one by the loop's."""
    process = await asyncio.create_subprocess_exec(*sh("exit 3"))
    transport, _ = await asyncio.get_running_loop().subprocess_shell(
        asyncio.SubprocessProtocol, "exit 4"
    )
    assert type(transport).__module__.startswith("procession")
    second = await transport._wait()
    transport.close()
    return await process.wait(), second


def test_new_event_loop_makes_a_selector_loop():
    loop = procession.new_event_loop()

    assert isinstance(loop, procession.EventLoop)
    assert isinstance(loop, asyncio.SelectorEventLoop)
    assert loop.run_until_complete(status_of_a_child()) == (3, 4)
    loop.close()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="asyncio.run(loop_factory=) is from 3.12 on")
def test_asyncio_run_takes_the_factory():
    assert asyncio.run(status_of_a_child(), loop_factory=procession.new_event_loop) == (3, 4)


@pytest.mark.skipif(not HAS_POLICIES, reason="policies were removed from asyncio")
def test_the_policy_makes_loops_of_procession():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(procession.EventLoopPolicy())
        try:
            assert asyncio.run(status_of_a_child()) == (3, 4)
            loop = asyncio.new_event_loop()
        finally:
            asyncio.set_event_loop_policy(None)

    assert isinstance(loop, procession.EventLoop)
    loop.close()


def test_importing_the_package_and_naming_the_policy_warns_of_nothing():
    code = "import procession; procession.EventLoopPolicy"

    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = procession.no_such_name


def test_the_mixin_serves_a_loop_of_another_kind():
    class Loop(procession.SubprocessMixin, asyncio.SelectorEventLoop):
        pass

    loop = Loop()
    assert loop.run_until_complete(status_of_a_child()) == (3, 4)
    loop.close()


def test_the_mixin_serves_uvloop():
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not installed")

    class Loop(procession.SubprocessMixin, uvloop.Loop):
        pass

    loop = Loop()
    assert loop.run_until_complete(status_of_a_child()) == (3, 4)
    loop.close()


WATCHERS = (
    "PidfdChildWatcher",
    "ThreadedChildWatcher",
    "SafeChildWatcher",
    "FastChildWatcher",
    "MultiLoopChildWatcher",
)


async def end_seen_by(watcher):
    """Return what a child watcher tells of a child that exits with 6."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()

    def tell(pid, status):
        loop.call_soon_threadsafe(ended.set_result, (pid, status))

    go_on, let_go = os.pipe()
    with watcher:
        actions = [(os.POSIX_SPAWN_DUP2, go_on, 0)]
        argv = ["sh", "-c", "read line; exit 6"]
        pid = os.posix_spawn("/bin/sh", argv, {}, file_actions=actions)
        watcher.add_child_handler(pid, tell)
    assert await status_of_a_child() == (3, 4)
    os.close(go_on)
    os.close(let_go)
    # Again and again, because a signal that another thread of the test runner has got is
    # handled when the main thread goes on.
    await until(ended.done)
    told, status = ended.result()
    assert told == pid
    return status


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="asyncio has no child watchers any more")
@pytest.mark.needs_pidfd  # one of them reaps every child of the process
@pytest.mark.parametrize("name", WATCHERS)
def test_asyncios_child_watchers_work_under_the_policy(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        watcher = getattr(asyncio, name)()
        asyncio.set_event_loop_policy(procession.EventLoopPolicy())
        try:
            asyncio.set_child_watcher(watcher)
            assert asyncio.get_child_watcher() is watcher
            assert asyncio.run(end_seen_by(watcher)) == 6
        finally:
            asyncio.set_child_watcher(None)
            asyncio.set_event_loop_policy(None)
