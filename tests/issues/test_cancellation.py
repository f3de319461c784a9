"""Statements about timeouts, cancellation and Ctrl-C."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import tempfile

from helpers.lease import LeasedProgram, leases_work
from helpers.leash import Leash
from helpers.leftovers import assert_nothing_left, assert_settles, descriptors
from helpers.own_interpreter import UNWARNED, fails, not_run, own_interpreter, skip
from helpers.turns import turn


@own_interpreter(fails("what was read goes with the cancelled call (gh-139373)"))
async def test_08_communicate_returns_what_a_cancelled_one_had_read(sp):
    told, tell = os.pipe()
    child = await sp.create_subprocess_shell(
        f"echo first; echo >/proc/$$/fd/{tell}; exec sleep 100", stdout=sp.PIPE, pass_fds=[tell]
    )
    call = asyncio.ensure_future(child.communicate())
    await asyncio.get_running_loop().run_in_executor(None, os.read, told, 1)
    await turn(20)

    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    child.kill()

    assert await child.communicate() == (b"first\n", None)


@own_interpreter(not_run("fails at some steps on some versions (gh-103847)"))
async def test_09_a_spawn_cancelled_at_any_step_leaves_nothing(sp):
    pipes = {"stdin": sp.PIPE, "stdout": sp.PIPE, "stderr": sp.PIPE}
    await (await sp.create_subprocess_exec("true")).wait()
    before = descriptors()

    for steps in range(20):
        spawn = asyncio.ensure_future(sp.create_subprocess_exec("cat", **pipes))
        for _ in range(steps):
            await asyncio.sleep(0)
        spawn.cancel()
        (outcome,) = await asyncio.gather(spawn, return_exceptions=True)
        if not isinstance(outcome, asyncio.CancelledError):
            outcome.kill()
            await outcome.communicate()
        del outcome, spawn

    await assert_settles(before)


if sys.version_info >= (3, 11):
    HANGS = fails("a cancelled spawn leaves a future pending (gh-103847)")
else:
    HANGS = not_run("it hangs at times")


@own_interpreter(
    HANGS,
    seconds=10,
    options=UNWARNED,
)
def test_10_asyncio_run_ends_although_a_spawn_was_cancelled(sp):
    async def spawn():
        pipes = {"stdin": sp.PIPE, "stdout": sp.PIPE, "stderr": sp.PIPE}
        await sp.create_subprocess_shell("exec cat", **pipes)

    async def fail():
        raise ZeroDivisionError

    async def main():
        await asyncio.gather(spawn(), fail())

    before = descriptors()
    for _ in range(25):
        with contextlib.suppress(ZeroDivisionError):
            asyncio.run(main())

    gc.collect()
    assert_nothing_left(before)


@own_interpreter(fails("the child lives on"), options=UNWARNED)
def test_41_ctrl_c_during_communicate_leaves_no_child(sp):
    async def main(leash):
        child = await sp.create_subprocess_exec(
            "cat", stdin=leash.collar, stdout=sp.PIPE, start_new_session=True
        )
        loop = asyncio.get_running_loop()
        loop.call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
        await child.communicate()

    with Leash() as leash:
        interrupted = False
        try:
            asyncio.run(main(leash))
        except KeyboardInterrupt:
            interrupted = True

        assert interrupted
        leash.assert_child_gone()


@own_interpreter(fails("the spawn holds the loop until the execve() is over"))
async def test_62_a_spawn_that_hangs_before_exec_can_be_timed_out(sp):
    await (await sp.create_subprocess_exec("true")).wait()
    with tempfile.TemporaryDirectory() as directory:
        if not leases_work(directory):
            skip("no leases on this file system")
        with LeasedProgram(directory) as program:
            before = descriptors()
            wanted = asyncio.ensure_future(program.wanted())
            spawn = sp.create_subprocess_exec(program.path, stdin=sp.PIPE)
            try:
                await asyncio.wait_for(spawn, 0.3)
            except asyncio.TimeoutError:
                timed_out = True
            else:
                timed_out = False
            await wanted

            assert timed_out
            assert program.let_go()
        await assert_settles(before)


@own_interpreter(not_run("some versions log a lost status, but not every time"))
async def test_63_a_cancelled_spawn_makes_no_noise(sp):
    for steps in (0, 1, 2, 3, 5, 8, 13) * 3:
        spawn = asyncio.ensure_future(
            sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
        )
        for _ in range(steps):
            await asyncio.sleep(0)
        spawn.cancel()
        (outcome,) = await asyncio.gather(spawn, return_exceptions=True)
        if not isinstance(outcome, asyncio.CancelledError):
            await outcome.communicate()
        del outcome, spawn
        await turn(3)
    gc.collect()
