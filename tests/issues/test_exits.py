"""Statements about exits: when wait() ends, and with which status."""

import asyncio
import contextlib
import gc
import os
import platform
import signal
import sys
import time

from helpers import patience
from helpers.leftovers import assert_settles, descriptors, threads
from helpers.own_interpreter import HOLDS, fails, fixed_in, not_run, own_interpreter
from helpers.turns import turn

# From Linux 6.15 on a pidfd tells the status of a child that somebody else has reaped.
KERNEL = tuple(map(int, platform.release().split("-")[0].split(".")[:2]))
TRUE_STATUS = 3 if KERNEL >= (6, 15) else 255


@own_interpreter(fails("wait() also waits for the pipes (gh-119710)", since=(3, 11)))
async def test_06_wait_ends_at_exit_although_a_grandchild_holds_stdout(sp):
    go_on, let_go = os.pipe()
    child = await sp.create_subprocess_shell(
        "sleep 100 & read line; exit 7", stdin=go_on, stdout=sp.PIPE
    )
    wait = asyncio.ensure_future(child.wait())
    await turn(1)

    os.write(let_go, b"\n")
    status = await asyncio.wait_for(wait, patience.seconds)

    assert status == 7


@own_interpreter(fails("wait() also waits for the pipes (gh-119710)", since=(3, 11)))
async def test_07_wait_ends_after_kill_although_output_is_unread(sp):
    child = await sp.create_subprocess_exec("cat", "/dev/zero", stdout=sp.PIPE, limit=1)
    await child.stdout.readexactly(1)
    await turn(20)

    child.kill()

    assert await asyncio.wait_for(child.wait(), patience.seconds) == -signal.SIGKILL


@own_interpreter(fails("the pid is freed a turn before returncode is set (gh-127049)"))
async def test_11_a_pid_is_not_free_while_returncode_is_none(sp):
    for _ in range(20):
        child = await sp.create_subprocess_exec("true")
        while child.returncode is None:
            assert is_taken(child.pid)
            await asyncio.sleep(0)
        await child.wait()


@own_interpreter(fixed_in((3, 12), "a thread reaps while the loop is busy (gh-127049)"))
async def test_12_a_pid_is_not_free_until_the_loop_has_learnt_of_the_exit(sp):
    go_on, let_go = os.pipe()
    child = await sp.create_subprocess_exec("head", "-n1", stdin=go_on, stdout=sp.DEVNULL)
    os.write(let_go, b"\n")
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    for _ in range(100):
        assert is_taken(child.pid)
        time.sleep(0.001)

    assert await child.wait() == 0


def is_taken(pid):
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


if TRUE_STATUS == 255:
    LOST = not_run("nobody can know the status on this kernel")
else:
    LOST = fails("255 is reported for a status that the kernel still knows")
REAPED = LOST if sys.version_info >= (3, 12) else not_run("a thread reaps, or does not")


@own_interpreter(REAPED, needs_pidfd=True)
async def test_13_the_status_is_right_although_somebody_else_reaps(sp):
    go_on, let_go = os.pipe()
    child = await sp.create_subprocess_shell("read line; exit 3", stdin=go_on)
    os.write(let_go, b"\n")
    os.waitpid(child.pid, 0)

    assert await asyncio.wait_for(child.wait(), patience.seconds) == TRUE_STATUS


@own_interpreter(fails("there is no poll(), and returncode waits for the event loop"))
async def test_37_the_status_can_be_had_without_awaiting(sp):
    go_on, let_go = os.pipe()
    child = await sp.create_subprocess_shell("read line; exit 7", stdin=go_on)
    waiting = asyncio.ensure_future(child.wait())
    await asyncio.sleep(0)
    assert hasattr(child, "poll")
    os.write(let_go, b"\n")
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert child.poll() == 7
    assert child.returncode == 7
    assert not is_taken(child.pid)
    assert child.poll() == 7
    assert await waiting == 7


@own_interpreter(not_run("there is no poll()"))
async def test_37_polling_a_child_that_runs_says_none(sp):
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE)

    assert child.poll() is None
    child.stdin.close()
    while child.poll() is None:
        pass
    assert child.returncode == 0


@own_interpreter(LOST, needs_pidfd=True)
async def test_14_the_status_is_right_although_sigchld_is_ignored(sp):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    go_on, let_go = os.pipe()
    child = await sp.create_subprocess_shell("read line; exit 3", stdin=go_on)
    os.write(let_go, b"\n")

    assert await asyncio.wait_for(child.wait(), patience.seconds) == TRUE_STATUS


@own_interpreter(fixed_in((3, 12), "a thread for each child"))
async def test_15_the_number_of_threads_does_not_grow_with_the_children(sp):
    async def start():
        return await sp.create_subprocess_exec("cat", stdin=sp.PIPE)

    children = await asyncio.gather(*[start() for _ in range(50)])

    count = threads()

    for child in children:
        child.stdin.close()
        await child.wait()
    assert count < 20


@own_interpreter()
async def test_35_nothing_complains_after_kill_and_wait_without_reading(sp):
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE, stderr=sp.PIPE)

    child.kill()
    await child.wait()

    del child
    await asyncio.sleep(0)
    gc.collect()


@own_interpreter(HOLDS if sys.version_info >= (3, 11) else not_run("it warns at times"))
async def test_36_children_that_nobody_waits_for_are_reaped(sp):
    async def start_and_drop():
        await sp.create_subprocess_exec("true")

    await start_and_drop()
    before = descriptors()
    for _ in range(20):
        await start_and_drop()

    gc.collect()

    await assert_settles(before)


@own_interpreter()
async def test_46_waiters_may_be_many_and_be_cancelled(sp):
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE)
    waiters = [asyncio.ensure_future(child.wait()) for _ in range(10)]
    await asyncio.sleep(0)

    for waiter in waiters[::2]:
        waiter.cancel()
    child.stdin.close()
    ends = await asyncio.gather(*waiters, return_exceptions=True)

    assert all(isinstance(end, asyncio.CancelledError) for end in ends[::2])
    assert ends[1::2] == [0] * 5


@own_interpreter(fixed_in((3, 13), "Popen.send_signal reaps the child (gh-87744)"))
async def test_51_signalling_a_child_that_exits_does_not_spoil_its_status(sp):
    for _ in range(50):
        child = await sp.create_subprocess_exec("sh", "-c", "exit 3")
        while child.returncode is None:
            try:
                child.send_signal(0)
            except ProcessLookupError:
                break
            await asyncio.sleep(0)

        assert await child.wait() == 3


@own_interpreter()
async def test_60_output_can_be_read_after_wait(sp):
    child = await sp.create_subprocess_exec("echo", "late", stdout=sp.PIPE)

    await child.wait()

    assert await child.stdout.read() == b"late\n"
