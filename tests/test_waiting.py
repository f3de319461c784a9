"""wait_pid(): children that the program has started itself."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import subprocess
import warnings

import pytest

import procession
from children import TIMEOUT, until
from helpers.leftovers import own_threads
from procession import _reaper


@pytest.fixture(params=["pidfd", "thread", "sigchld"])
def backend(request):
    _reaper.use_backend(request.param)
    yield request.param
    _reaper.use_backend(request.config.getoption("backend"))


def spawn(script):
    """Start a child that runs a script once a line comes; return its pid and the pipe."""
    ours, theirs = os.pipe(), None
    actions = [(os.POSIX_SPAWN_DUP2, ours[0], 0)]
    theirs = os.posix_spawn(
        "/bin/sh", ["sh", "-c", f"read line; {script}"], os.environ, file_actions=actions
    )
    os.close(ours[0])
    return theirs, os.fdopen(ours[1], "wb", 0)


async def test_the_status_of_a_child_is_returned_and_it_is_reaped(backend):
    pid, pipe = spawn("exit 7")
    with pipe:
        waiting = asyncio.ensure_future(procession.wait_pid(pid))
        await asyncio.sleep(0)
        assert not waiting.done()
        pipe.write(b"\n")

        assert await asyncio.wait_for(waiting, TIMEOUT) == 7

    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)


async def test_a_signal_is_a_negative_number(backend):
    pid, pipe = spawn("exit 0")
    with pipe:
        waiting = asyncio.ensure_future(procession.wait_pid(pid))
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGTERM)

        assert await asyncio.wait_for(waiting, TIMEOUT) == -signal.SIGTERM


async def test_a_child_that_has_ended_already_is_no_special_case(backend):
    pid, pipe = spawn("exit 3")
    pipe.close()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    assert await asyncio.wait_for(procession.wait_pid(pid), TIMEOUT) == 3


async def test_a_forked_child_can_be_awaited(backend):
    # Python warns of a fork in a program with threads, which the test runner may have.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os._exit(5)

    assert await asyncio.wait_for(procession.wait_pid(pid), TIMEOUT) == 5


async def test_a_process_of_multiprocessing_can_be_awaited():
    process = multiprocessing.get_context("spawn").Process(target=os.getpid)
    process.start()

    assert await asyncio.wait_for(procession.wait_pid(process.pid), TIMEOUT) == 0
    # What multiprocessing would learn by itself has been taken.
    process._popen.returncode = 0
    process.close()
    with contextlib.suppress(AttributeError):
        multiprocessing.resource_tracker._resource_tracker._stop()


async def test_many_may_wait_for_one(backend):
    pid, pipe = spawn("exit 4")
    waiting = [asyncio.ensure_future(procession.wait_pid(pid)) for _ in range(5)]
    await asyncio.sleep(0)
    waiting.pop().cancel()
    pipe.close()

    assert await asyncio.wait_for(asyncio.gather(*waiting), TIMEOUT) == [4] * 4


async def test_a_child_that_nobody_waits_for_any_more_is_left_alone(backend):
    pid, pipe = spawn("exit 6")
    waiting = asyncio.ensure_future(procession.wait_pid(pid))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    pipe.close()
    assert os.waitpid(pid, 0)[1] == 6 << 8


async def test_many_children_end_in_any_order(backend):
    children = [spawn(f"exit {number}") for number in range(40)]
    waiting = [asyncio.ensure_future(procession.wait_pid(pid)) for pid, _ in children]
    await asyncio.sleep(0)

    for _, pipe in reversed(children):
        pipe.close()

    assert await asyncio.wait_for(asyncio.gather(*waiting), TIMEOUT) == list(range(40))


async def test_a_child_of_the_package_may_be_awaited_by_its_number(backend):
    process = await procession.create_subprocess_exec("sh", "-c", "exit 8")

    with contextlib.suppress(ChildProcessError):
        assert await procession.wait_pid(process.pid) == 8
    assert await process.wait() == 8


@pytest.mark.parametrize("who", ["init", "self", "parent"])
async def test_who_is_no_child_is_refused(who):
    pid = {"init": 1, "self": os.getpid(), "parent": os.getppid()}[who]

    with pytest.raises(ChildProcessError, match="no child"):
        await procession.wait_pid(pid)


@pytest.mark.parametrize("pid", [0, -1, -(2**31)])
async def test_numbers_that_name_no_process_are_refused(pid):
    with pytest.raises(ValueError, match="positive"):
        await procession.wait_pid(pid)


async def test_what_is_no_number_is_refused():
    with pytest.raises(TypeError):
        await procession.wait_pid("1")


async def test_a_status_that_somebody_else_took_does_not_hang_the_wait(backend):
    pid, pipe = spawn("exit 9")
    waiting = asyncio.ensure_future(procession.wait_pid(pid))
    await asyncio.sleep(0)

    pipe.close()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)

    assert await asyncio.wait_for(waiting, TIMEOUT) in (9, 255)


def test_a_loop_that_is_closed_leaves_the_child_to_the_program(backend):
    pid, pipe = spawn("exit 2")
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(procession.wait_pid(pid))
    loop.run_until_complete(asyncio.sleep(0))
    waiting.cancel()
    loop.run_until_complete(asyncio.gather(waiting, return_exceptions=True))
    loop.close()

    pipe.close()
    assert os.waitpid(pid, 0)[1] == 2 << 8


async def test_a_stopped_child_has_not_ended(backend):
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    waiting = asyncio.ensure_future(procession.wait_pid(child.pid))
    await asyncio.sleep(0)

    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not waiting.done()
    child.send_signal(signal.SIGCONT)
    child.stdin.close()

    assert await asyncio.wait_for(waiting, TIMEOUT) == 0
    child.returncode = 0


async def test_no_thread_is_left_afterwards(backend):
    pid, pipe = spawn("exit 0")
    pipe.close()
    await procession.wait_pid(pid)

    await until(lambda: own_threads() == 0)
