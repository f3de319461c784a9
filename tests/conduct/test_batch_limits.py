"""map() and Pool at the limits of the machine: what does not fit waits, and none is lost."""

import asyncio
import contextlib
import os
import resource

import procession
from helpers.leftovers import assert_settles, descriptors
from helpers.limits import few_descriptors
from helpers.own_interpreter import not_run, own_interpreter, skip

NOT_OURS = not_run("asyncio has no map()")
COMMANDS = 200
PIPES = {"stdout": procession.PIPE, "stderr": procession.PIPE}


def become_somebody_else():
    """Become a user who has no other process."""
    if os.getuid():
        skip("only root may change users")
    os.setgroups([])
    os.setgid(65534)
    os.setuid(100_000 + os.getpid())


@contextlib.contextmanager
def processes(most):
    """Let the user have no more processes and threads than that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))


async def all_of(count=COMMANDS, **options):
    commands = [("echo", str(i)) for i in range(count)]
    return [result async for result in procession.map(commands, **PIPES, **options)]


def assert_right(results):
    assert [result.error for result in results if result.error] == []
    assert sorted(int(result.stdout) for result in results) == list(range(COMMANDS))
    assert {(result.returncode, result.attempts) for result in results} == {(0, 1)}


@own_interpreter(NOT_OURS)
def test_with_few_processes_all_have_their_turn(sp):
    async def main():
        await all_of(1)
        before = descriptors()
        for most in (5, 8, 20):
            with processes(most):
                assert_right(await all_of(concurrency=50))
                assert_right(await all_of(concurrency=50, ordered=True))
        await assert_settles(before)

    become_somebody_else()
    asyncio.run(main())


@own_interpreter(NOT_OURS)
async def test_with_few_descriptors_all_have_their_turn(sp):
    await all_of(1)
    for free in (12, 20, 40):
        with few_descriptors(free):
            assert_right(await all_of(concurrency=50))
            assert_right(await all_of(concurrency=50, input=b"", timeout=3600))


@own_interpreter(NOT_OURS)
async def test_two_maps_and_a_pool_share_few_descriptors(sp):
    async def pool():
        async with procession.Pool(50, **PIPES) as pool:
            futures = [pool.submit(["echo", str(i)]) for i in range(COMMANDS)]
            return await asyncio.gather(*futures)

    await all_of(1)
    with few_descriptors(30):
        found = await asyncio.gather(all_of(concurrency=50), pool(), all_of(concurrency=9))

    for results in found:
        assert_right(results)


@own_interpreter(NOT_OURS)
def test_when_no_process_can_be_had_each_result_says_so(sp):
    async def main():
        await all_of(1)
        with processes(1):
            results = await all_of(concurrency=50)
        assert len(results) == COMMANDS
        assert {result.reason for result in results} == {"spawn error"}
        assert {result.error.limit for result in results} == {"processes"}
        assert_right(await all_of(concurrency=50))

    become_somebody_else()
    asyncio.run(main())


@own_interpreter(NOT_OURS)
async def test_when_no_descriptor_can_be_had_each_result_says_so(sp):
    await all_of(1)
    with few_descriptors(0):
        results = await all_of(concurrency=50)

    assert len(results) == COMMANDS
    assert {result.error.limit for result in results} == {"open files"}


@own_interpreter(NOT_OURS)
async def test_what_waits_goes_on_when_others_have_given_back(sp):
    async with procession.Pool(1) as other, procession.Pool(5, **PIPES) as pool:
        other.submit(["sleep", "3600"])
        await pool.submit(["true"])
        with few_descriptors(0):
            future = pool.submit(["echo", "here"])
            while pool.why_waiting() is None or "too many" not in pool.why_waiting().lower():
                await asyncio.sleep(0)
        assert (await future).stdout == b"here\n"
        await other.cancel()


@own_interpreter(NOT_OURS)
async def test_a_map_that_waits_at_a_limit_can_be_ended(sp):
    async with procession.Pool(1) as other:
        other.submit(["sleep", "3600"])
        await all_of(1)
        with few_descriptors(0):
            results = procession.map([["true"]] * 5, **PIPES)
            waiting = asyncio.ensure_future(anext(results))
            while results._batch.stall is None:
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
        await other.cancel()
