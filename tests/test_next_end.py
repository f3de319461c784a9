"""next_end(): woken when any child of the loop has ended, to try again then."""

import asyncio
import errno
import gc
import os

import pytest

import procession
from children import TIMEOUT, TRUE, end, start_cat, turns
from helpers.limits import become_unprivileged, few_processes
from helpers.own_interpreter import not_run, own_interpreter
from procession._waiter import Waiter
from procession.waiting import count_ends, next_end

NOT_OURS = not_run("asyncio has no next_end()")


def begin():
    return asyncio.ensure_future(next_end(asyncio.get_running_loop()))


async def result_of(waiting):
    return await asyncio.wait_for(waiting, TIMEOUT)


async def test_without_a_child_there_is_nothing_to_wait_for():
    assert await next_end(asyncio.get_running_loop()) is False

    await (await procession.create_subprocess_exec(*TRUE)).wait()

    assert await next_end(asyncio.get_running_loop()) is False


async def test_the_end_of_any_child_wakes_all_who_wait():
    first, second = [await start_cat(procession) for _ in range(2)]
    waiting = [begin() for _ in range(3)]
    await turns()
    assert not any(each.done() for each in waiting)

    second.stdin.close()

    assert await result_of(asyncio.gather(*waiting)) == [True] * 3
    assert first.returncode is None
    await end(first)
    await end(second)


async def test_a_child_has_ended_by_then():
    child = await start_cat(procession)
    waiting = begin()
    await turns()

    child.stdin.close()

    await result_of(waiting)
    assert child.returncode == 0
    await end(child)


async def test_each_wait_is_for_the_next_end():
    children = [await start_cat(procession) for _ in range(3)]

    for child in children:
        waiting = begin()
        await turns()
        assert not waiting.done()
        child.stdin.close()
        assert await result_of(waiting) is True
        await end(child)

    assert await next_end(asyncio.get_running_loop()) is False


async def test_an_end_since_the_attempt_counts():
    loop = asyncio.get_running_loop()
    stays = await start_cat(procession)
    before = count_ends(loop)
    await (await procession.create_subprocess_exec(*TRUE)).wait()

    assert await next_end(loop, since=before) is True

    waiting = asyncio.ensure_future(next_end(loop, since=count_ends(loop)))
    await turns()
    assert not waiting.done()
    await end(stays)
    assert await result_of(waiting) is True


async def test_a_child_that_is_being_started_is_waited_for():
    spawn = asyncio.ensure_future(procession.create_subprocess_exec(*TRUE))
    await asyncio.sleep(0)
    waiting = begin()

    child = await spawn

    assert await result_of(waiting) is True
    await child.wait()


async def test_the_last_child_that_cannot_be_started_ends_the_wait():
    spawns = [
        asyncio.ensure_future(procession.create_subprocess_exec(f"/nonexistent/{n}"))
        for n in range(3)
    ]
    await asyncio.sleep(0)
    waiting = begin()

    outcomes = await asyncio.gather(*spawns, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {FileNotFoundError}
    assert await result_of(waiting) is True


async def test_one_that_cannot_be_started_wakes_nobody_while_others_run():
    child = await start_cat(procession)
    waiting = begin()
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            await procession.create_subprocess_exec("/nonexistent")
    await turns()

    assert not waiting.done()
    await end(child)
    assert await result_of(waiting) is True


async def test_a_cancelled_wait_leaves_the_others_alone():
    child = await start_cat(procession)
    cancelled, waiting = begin(), begin()
    await turns()

    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled

    assert not waiting.done()
    await end(child)
    assert await result_of(waiting) is True


def waiters_alive():
    gc.collect()
    return sum(type(thing) is Waiter for thing in gc.get_objects())


async def test_waits_that_time_out_leave_nothing_behind():
    child = await start_cat(procession)
    before = waiters_alive()

    for _ in range(20):
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(next_end(asyncio.get_running_loop()), 0.001)

    assert waiters_alive() <= before
    await end(child)


async def test_a_spawn_that_is_cancelled_ends_the_wait():
    spawn = asyncio.ensure_future(procession.create_subprocess_exec(*TRUE))
    await asyncio.sleep(0)
    waiting = begin()
    await asyncio.sleep(0)

    spawn.cancel()
    await asyncio.gather(spawn, return_exceptions=True)

    assert await result_of(waiting) is True


async def test_a_child_of_the_program_itself_counts_while_it_is_waited_for():
    go_on, let_go = os.pipe()
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", "read line"],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, go_on, 0)],
    )
    os.close(go_on)
    adopted = asyncio.ensure_future(procession.wait_pid(pid))
    await turns()
    waiting = begin()
    await turns()
    assert not waiting.done()

    os.close(let_go)

    assert await result_of(waiting) is True
    await adopted


@pytest.mark.filterwarnings("ignore:child process:ResourceWarning")
def test_a_loop_that_closes_lets_go_of_who_waits():
    loop = asyncio.new_event_loop()

    async def start():
        child = await start_cat(procession)
        task = loop.create_task(next_end(loop))
        await turns()
        return child, task

    child, task = loop.run_until_complete(start())
    task._log_destroy_pending = False

    loop.close()

    assert child.returncode is not None
    assert not task.done()
    closed = next_end(loop)
    with pytest.raises(StopIteration) as ended:
        closed.send(None)
    assert ended.value.value is False


@own_interpreter(NOT_OURS)
def test_whoever_tries_again_at_each_end_gets_all_children_started(sp):
    most = []

    async def patient(n):
        while True:
            loop = asyncio.get_running_loop()
            before = count_ends(loop)
            try:
                child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
            except OSError as error:
                assert error.errno == errno.EAGAIN
                most.append(n)
                if not await next_end(loop, before):
                    raise
                continue
            return await child.communicate(b"%d" % n)

    async def main():
        held = [await sp.create_subprocess_exec("cat", stdin=sp.PIPE) for _ in range(3)]
        with few_processes():
            tasks = [asyncio.ensure_future(patient(n)) for n in range(10)]
            while len(most) < 10:
                await asyncio.sleep(0)
        assert not any(task.done() for task in tasks)
        for child in held:
            await child.communicate()
        assert await asyncio.gather(*tasks) == [(b"%d" % n, None) for n in range(10)]

    become_unprivileged()
    asyncio.run(main())
