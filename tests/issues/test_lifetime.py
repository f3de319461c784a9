"""Statements about what outlives what: children, processes, loops, interpreters."""

import asyncio
import gc
import os
import subprocess
import sys
import textwrap

from helpers import patience
from helpers.leash import Leash
from helpers.leftovers import assert_nothing_left, assert_settles, descriptors, threads
from helpers.own_interpreter import UNWARNED, fails, not_run, own_interpreter


@own_interpreter()
async def test_23_300_failing_spawns_leave_nothing(sp):
    pipes = {"stdin": sp.PIPE, "stdout": sp.PIPE, "stderr": sp.PIPE}
    before = descriptors()
    failures = 0

    for _ in range(300):
        try:
            await sp.create_subprocess_exec("/no/such/program", **pipes)
        except FileNotFoundError:
            failures += 1

    assert failures == 300
    await assert_settles(before)


@own_interpreter()
async def test_24_300_children_leave_nothing(sp):
    async def spawn():
        child = await sp.create_subprocess_exec("cat", **pipes)
        return await child.communicate(b"hello")

    pipes = {"stdin": sp.PIPE, "stdout": sp.PIPE, "stderr": sp.PIPE}
    await spawn()
    before = descriptors()

    for _ in range(10):
        assert await asyncio.gather(*[spawn() for _ in range(30)])

    await assert_settles(before)


@own_interpreter(fails("the destructor reaches for the closed loop"), options=UNWARNED)
def test_34_a_process_that_outlives_its_loop_goes_quietly_with_its_child(sp):
    async def start(leash):
        return await sp.create_subprocess_exec(
            "cat", stdin=leash.collar, stdout=sp.PIPE, start_new_session=True
        )

    before = descriptors()
    with Leash() as leash:
        child = asyncio.run(start(leash))

        del child
        gc.collect()

        leash.assert_child_gone()
    assert_nothing_left(before)


@own_interpreter()
async def test_49_no_object_is_left_of_many_children(sp):
    async def spawn():
        child = await sp.create_subprocess_exec("echo", "hello", stdout=sp.PIPE)
        assert await child.communicate() == (b"hello\n", None)

    async def count_after(n):
        for _ in range(n):
            await spawn()
        await asyncio.sleep(0.01)
        gc.collect()
        return len(gc.get_objects())

    first = await count_after(20)

    assert await count_after(100) < first + 100


@own_interpreter()
def test_57_spawning_works_in_a_forked_child_of_a_user_of_the_library(sp):
    async def spawn():
        child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
        return await child.communicate(b"hello")

    assert asyncio.run(spawn()) == (b"hello", None)

    pid = os.fork()
    if pid == 0:
        os._exit(0 if asyncio.run(spawn()) == (b"hello", None) else 1)

    assert os.waitpid(pid, 0) == (pid, 0)
    assert asyncio.run(spawn()) == (b"hello", None)


@own_interpreter(not_run("asyncio.run() hangs, as in statement 10"))
def test_58_the_interpreter_ends_cleanly_while_children_run(sp):
    program = f"""
        import asyncio, sys
        import {sp.__name__} as sp

        async def main():
            child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE)
            spawn = asyncio.ensure_future(sp.create_subprocess_exec("true"))
            await asyncio.sleep(0)
            sys.exit(7)

        asyncio.run(main())
    """

    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        timeout=patience.seconds,
        stderr=subprocess.PIPE,
    )

    assert (ended.returncode, ended.stderr) == (7, b"")


@own_interpreter(fails("the children of a closed loop are left"), options=UNWARNED)
def test_59_50_loops_leave_no_thread_descriptor_or_zombie(sp):
    async def main():
        await (await sp.create_subprocess_exec("true")).wait()
        child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE)
        del child

    asyncio.run(main())
    before, thread_count = descriptors(), threads()

    for _ in range(50):
        asyncio.run(main())

    gc.collect()
    assert_nothing_left(before)
    assert threads() <= thread_count
