"""Spawns that run into RLIMIT_NOFILE or RLIMIT_NPROC fail cleanly."""

import asyncio
import errno

from helpers.leftovers import assert_nothing_left, assert_settles, descriptors
from helpers.limits import (
    assert_out_of_descriptors_is_clean,
    become_unprivileged,
    few_processes,
)
from helpers.own_interpreter import not_run, own_interpreter

FREE = range(21)
NOT_OURS = not_run("what asyncio leaves behind is not ours to test")


async def walk(sp, **options):
    """Return with how many free descriptors a spawn failed."""
    await (await sp.create_subprocess_exec("true", **options)).communicate()
    before = descriptors()
    failed = []
    for free in FREE:
        if await assert_out_of_descriptors_is_clean(sp, free, **options):
            failed.append(free)
        child = await sp.create_subprocess_exec("true", **options)
        await child.communicate()
        assert child.returncode == 0
    await assert_settles(before)
    return failed


@own_interpreter(NOT_OURS)
async def test_a_spawn_with_three_pipes_at_any_number_of_free_descriptors(sp):
    failed = await walk(sp, stdin=sp.PIPE, stdout=sp.PIPE, stderr=sp.PIPE)

    assert failed == list(range(len(failed))) and 6 <= len(failed) < len(FREE)


@own_interpreter(NOT_OURS)
async def test_a_spawn_without_pipes_at_any_number_of_free_descriptors(sp):
    failed = await walk(sp)

    assert failed == list(range(len(failed))) and len(failed) < len(FREE)


@own_interpreter(NOT_OURS)
async def test_a_spawn_on_devnull_at_any_number_of_free_descriptors(sp):
    options = {"stdin": sp.DEVNULL, "stdout": sp.DEVNULL, "stderr": sp.STDOUT}
    failed = await walk(sp, **options)

    assert failed == list(range(len(failed))) and len(failed) < len(FREE)


@own_interpreter(NOT_OURS)
async def test_a_spawn_with_preexec_fn_at_any_number_of_free_descriptors(sp):
    def preexec_fn():
        pass

    failed = await walk(sp, stdin=sp.PIPE, stdout=sp.PIPE, preexec_fn=preexec_fn)

    assert failed == list(range(len(failed))) and 4 <= len(failed) < len(FREE)


@own_interpreter(NOT_OURS)
def test_the_first_spawn_of_a_loop_at_any_number_of_free_descriptors(sp):
    async def first(free):
        await assert_out_of_descriptors_is_clean(sp, free, stdout=sp.PIPE)
        child = await sp.create_subprocess_exec("echo", "hello", stdout=sp.PIPE)
        assert await child.communicate() == (b"hello\n", None)

    before = descriptors()
    for free in FREE:
        asyncio.run(first(free))

    assert_nothing_left(before)


@own_interpreter(NOT_OURS)
def test_no_process_left_to_start(sp):
    become_unprivileged()
    asyncio.run(run_out_of_processes(sp))


async def run_out_of_processes(sp):
    async def spawn():
        child = await sp.create_subprocess_exec(
            "cat", stdin=sp.PIPE, stdout=sp.PIPE, stderr=sp.PIPE
        )
        return await child.communicate(b"hello")

    assert await spawn() == (b"hello", b"")
    before = descriptors()

    with few_processes():
        errors = await asyncio.gather(*[spawn() for _ in range(40)], return_exceptions=True)

    assert {type(error) for error in errors} == {BlockingIOError}
    assert {error.errno for error in errors} == {errno.EAGAIN}
    await assert_settles(before)
    assert await spawn() == (b"hello", b"")


@own_interpreter(NOT_OURS)
def test_no_process_left_for_the_first_spawn(sp):
    async def first():
        with few_processes():
            try:
                await sp.create_subprocess_exec("true")
            except OSError as error:
                assert error.errno == errno.EAGAIN
            else:
                raise AssertionError("no error")
        child = await sp.create_subprocess_exec("echo", "hello", stdout=sp.PIPE)
        assert await child.communicate() == (b"hello\n", None)

    become_unprivileged()
    before = descriptors()
    asyncio.run(first())

    assert_nothing_left(before)
