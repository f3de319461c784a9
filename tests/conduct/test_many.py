"""Thousands of commands that end in every way: each has one result, and nothing is left."""

import asyncio
import gc
import os
import resource
import signal
import subprocess
import sys
import tempfile
import textwrap

import procession
from children import turns
from conduct.test_ctrl_c import EXPECTED, errors_named_in
from helpers import patience
from helpers.fates import OPTIONS, Fates, program
from helpers.leash import Leash
from helpers.leftovers import assert_settles, descriptors, has_children, resident
from helpers.own_interpreter import TESTS, not_run, own_interpreter

NOT_OURS = not_run("asyncio has no map()")
CONCURRENCY = 64
PAUSES = 20

# What the allocator keeps of a moment with many results at once.
GROWTH = 1 << 20


def prepared(folder):
    """Return commands by chance, none of which leaves a core behind."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return Fates(program(folder), seed=6)


def memory():
    gc.collect()
    return resident()


def is_measurable():
    with open("/proc/self/maps") as maps:
        return "libasan" not in maps.read() and "PYTHONMALLOC" not in os.environ


async def take_all(fates, count, **options):
    """Run so many with a consumer that pauses; return by how much memory grew after the
    first tenth."""
    taken = before = 0
    options = {**OPTIONS, "concurrency": CONCURRENCY, **options}
    async for result in procession.map(fates.commands(count), **options):
        fates.check(result)
        taken += 1
        if taken == count // 10:
            before = memory()
        if taken % (count // PAUSES) == 0:
            await turns(500)
            assert fates.taken <= taken + 2 * CONCURRENCY
    assert (taken, fates.expected) == (count, {})
    return memory() - before


async def many(count):
    with tempfile.TemporaryDirectory() as folder:
        fates = prepared(folder)
        before = descriptors()
        growth = await take_all(fates, count)
        await assert_settles(before)
    assert growth <= GROWTH or not is_measurable()


@own_interpreter(NOT_OURS, seconds=120, slow=True)
async def test_each_of_20_000_commands_has_one_result(sp):
    await many(20_000)


@own_interpreter(NOT_OURS, seconds=1200, deep=True)
async def test_each_of_200_000_commands_has_one_result(sp):
    await many(200_000)


@own_interpreter(NOT_OURS, slow=True)
async def test_each_of_thousands_has_one_result_in_order(sp):
    with tempfile.TemporaryDirectory() as folder:
        fates = prepared(folder)
        taken = 0
        options = {**OPTIONS, "concurrency": CONCURRENCY, "ordered": True}
        async for result in procession.map(fates.commands(3000), **options):
            assert result.index == taken
            fates.check(result)
            taken += 1
        assert (taken, fates.expected) == (3000, {})


@own_interpreter(NOT_OURS, slow=True)
async def test_each_of_thousands_in_a_pool_has_one_result(sp):
    with tempfile.TemporaryDirectory() as folder:
        fates = prepared(folder)
        async with procession.Pool(CONCURRENCY, **OPTIONS) as pool:
            futures = [pool.submit(command) for command in fates.commands(3000)]
            for future in futures[:1000:7]:
                future.cancel()
            while pool.stats().done < 1500:
                await asyncio.sleep(0)
            for future in futures[1001::7]:
                future.cancel()
            pool.concurrency = 5
        for future in futures:
            if not future.cancelled():
                fates.check(future.result())
        assert len(fates.expected) == sum(future.cancelled() for future in futures)
        assert pool.stats().done == 3000


@own_interpreter(NOT_OURS, slow=True)
async def test_thousands_that_are_left_in_the_middle_leave_nothing(sp):
    with tempfile.TemporaryDirectory() as folder:
        fates = prepared(folder)
        before = descriptors()
        for way in ("break", "aclose", "cancel", "error") * 3:
            await leave(fates, way, 300)
            await assert_settles(before)


async def leave(fates, way, count):
    """Take so many results and go."""
    fates.expected.clear()
    fates.taken = 0
    results = procession.map(fates.commands(), **OPTIONS, concurrency=CONCURRENCY)

    async def take():
        taken = 0
        async for result in results:
            fates.check(result)
            taken += 1
            if taken == count:
                if way == "cancel":
                    task.cancel()
                elif way == "error":
                    raise ZeroDivisionError
                else:
                    return

    task = asyncio.ensure_future(take())
    await asyncio.wait([task])
    assert task.cancelled() is (way == "cancel")
    if not task.cancelled():
        assert isinstance(task.exception(), ZeroDivisionError if way == "error" else type(None))
    if way == "aclose":
        await results.aclose()


PROGRAM = """
    import asyncio, sys
    sys.path.insert(0, sys.argv[1])
    from conduct.test_many import OPTIONS, prepared
    from procession import map

    async def main():
        fates = prepared(sys.argv[2])
        taken = 0
        async for result in map(
            fates.commands(), **OPTIONS, concurrency=64, stdin=int(sys.argv[3])
        ):
            fates.check(result)
            taken += 1
            if taken == 500:
                print("ready", flush=True)

    asyncio.run(main())
"""


def test_ctrl_c_in_the_middle_of_thousands_leaves_nothing(tmp_path):
    with Leash() as leash:
        collar = leash.collar.fileno()
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), TESTS, tmp_path, str(collar)]
        with subprocess.Popen(
            command,
            pass_fds=[collar],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        ) as running:
            assert running.stdout.readline() == "ready\n"

            running.send_signal(signal.SIGINT)
            _, complaints = running.communicate(timeout=patience.seconds)

        leash.assert_child_gone()
    assert running.returncode == -signal.SIGINT
    assert errors_named_in(complaints) - EXPECTED == set()
    assert not has_children()
