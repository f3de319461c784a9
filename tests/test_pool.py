"""Pool: what runs when, what is told of it, and one result for whatever is submitted."""

import asyncio
import gc
import os

import pytest

import procession
from children import CAT, SLEEP, TRUE, exit_with, turns, until
from conftest import children_left
from helpers.limits import few_descriptors
from helpers.own_interpreter import not_run, own_interpreter
from procession import Command, Pool
from procession.trace import Trace

NOT_OURS = not_run("asyncio has no Pool")


@pytest.fixture
def gate(pipe):
    """Return a command that runs until open() is called."""

    class Gate(Command):
        def open(self):
            os.close(pipe[1])

    return Gate(["cat"], stdin=pipe[0])


async def running(pool, count):
    """Wait until that many children run, and the loop has heard of them."""
    await until(lambda: sum(shot.pid > 0 for shot in pool._batch.running) == count)
    assert len(children_left()) == count


# Results


async def test_each_command_has_one_result():
    async with Pool(4) as pool:
        futures = [pool.submit(exit_with(i)) for i in range(20)]
        results = await asyncio.gather(*futures)

    assert [result.returncode for result in results] == list(range(20))
    assert [result.index for result in results] == list(range(20))


async def test_leaving_the_block_waits_for_all():
    async with Pool(2) as pool:
        futures = [pool.submit(TRUE) for _ in range(10)]

    assert all(future.done() and future.result().ok for future in futures)


async def test_what_goes_wrong_is_in_the_result():
    async with Pool(2) as pool:
        missing = await pool.submit(["/no/such/program"])
        nothing = await pool.submit(None)

    assert (missing.reason, missing.returncode) == ("spawn error", 127)
    assert isinstance(nothing.error, TypeError)


async def test_options_are_the_pools_or_the_commands_own():
    async with Pool(2, stdout=procession.PIPE, text=True) as pool:
        shared = await pool.submit(["echo", "hello"])
        own = await pool.submit(Command("echo $HOME", shell=True), env={"HOME": "here"})
        tried = await pool.submit(exit_with(1), retries=2, backoff=0)

    assert (shared.stdout, own.stdout, tried.attempts) == ("hello\n", "here\n", 3)


async def test_a_wrong_option_is_refused_at_once():
    async with Pool() as pool:
        for options in ({"weight": 0}, {"priority": "x"}, {"no_such": 1}, {"check": True}):
            with pytest.raises((TypeError, ValueError)):
                pool.submit(TRUE, **options)
        for concurrency in (0, -1, 1.5):
            with pytest.raises((TypeError, ValueError)):
                pool.concurrency = concurrency

    assert pool.stats().done == 0


async def test_a_command_may_be_submitted_from_a_callback():
    async with Pool(1) as pool:
        later = []
        first = pool.submit(TRUE)
        first.add_done_callback(lambda _: later.append(pool.submit(exit_with(5))))

    assert later[0].result().returncode == 5


async def test_an_error_in_a_callback_costs_nobody_a_result(monkeypatch):
    contexts = []
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_exception_handler", contexts.append, raising=False)
    async with Pool(2) as pool:
        futures = [pool.submit(exit_with(i)) for i in range(6)]
        futures[2].add_done_callback(lambda _: 1 / 0)
        results = await asyncio.gather(*futures)

    assert [result.returncode for result in results] == list(range(6))
    assert [type(context["exception"]) for context in contexts] == [ZeroDivisionError]


# What runs when


async def test_the_larger_priority_is_first(gate):
    begun = []
    async with Pool(1) as pool:
        pool.submit(gate)
        await running(pool, 1)
        for priority in (0, 5, -1, 5, 9):
            future = pool.submit(TRUE, priority=priority)
            future.add_done_callback(lambda done: begun.append(done.result().index))
        pool.submit(Command(["true"], priority=7)).add_done_callback(
            lambda done: begun.append(done.result().index)
        )
        gate.open()

    assert begun == [5, 6, 2, 4, 1, 3]


async def test_a_heavy_command_is_not_overtaken(gate):
    order = []

    def note(done):
        order.append(done.result().index)

    async with Pool(3) as pool:
        pool.submit(gate, weight=1)
        await running(pool, 1)
        pool.submit(TRUE, weight=3).add_done_callback(note)
        for _ in range(5):
            pool.submit(TRUE).add_done_callback(note)
        await turns(50)

        assert (pool.stats().used, pool.stats().running, pool.stats().queued) == (1, 1, 6)
        gate.open()

    assert order[0] == 1


async def test_what_is_heavier_than_all_runs_by_itself(gate):
    async with Pool(2) as pool:
        light = pool.submit(TRUE)
        pool.submit(gate, weight=9)
        other = pool.submit(TRUE)
        await light
        await running(pool, 1)
        await turns(50)
        assert (pool.stats().running, pool.stats().queued, other.done()) == (1, 1, False)

        gate.open()
        assert (await other).ok


async def test_the_concurrency_may_be_raised(gate):
    async with Pool(1) as pool:
        for _ in range(5):
            pool.submit(gate)
        await running(pool, 1)

        pool.concurrency = 4
        await running(pool, 4)

        assert pool.concurrency == pool.stats().concurrency == 4
        gate.open()


async def test_a_lower_concurrency_ends_nothing_and_begins_less(gate):
    async with Pool(3) as pool:
        first = [pool.submit(gate) for _ in range(3)]
        rest = [pool.submit(gate) for _ in range(3)]
        await running(pool, 3)

        pool.concurrency = 1
        await turns(50)

        assert pool.stats().running == 3
        assert pool.why_waiting() == "all 1 places are in use"
        gate.open()
        await asyncio.gather(*first, *rest)
        assert {future.result().slot for future in rest} == {0}


# What is told


async def test_stats_count_everything(gate, tmp_path):
    async with Pool(2) as pool:
        assert vars_of(pool) == {"concurrency": 2}
        held = pool.submit(gate)
        await pool.submit(exit_with(1))
        again = pool.submit(exit_with(1), retries=1, backoff=lambda attempts: 3600)
        await until(lambda: pool.stats().delayed == 1)
        heavy = pool.submit(TRUE, weight=2)
        await turns()

        assert vars_of(pool) == {
            "concurrency": 2,
            "used": 1,
            "running": 1,
            "queued": 1,
            "delayed": 1,
            "done": 1,
            "failed": 1,
            "retried": 1,
        }
        again.cancel()
        gate.open()
        await asyncio.gather(held, heavy)

    assert vars_of(pool) == {"concurrency": 2, "done": 4, "failed": 2, "retried": 1}


def vars_of(pool):
    stats = pool.stats()
    values = {name: getattr(stats, name) for name in stats.__dataclass_fields__}
    return {name: value for name, value in values.items() if value}


async def test_why_waiting_says_what_is_so(gate):
    async with Pool(2) as pool:
        assert pool.why_waiting() is None
        pool.submit(gate)
        assert pool.why_waiting() == "the next command is about to be begun"
        await running(pool, 1)
        assert pool.why_waiting() is None
        heavy = pool.submit(TRUE, weight=5)
        await turns()
        assert pool.why_waiting() == "the next command takes 2 places, and 1 are free"
        heavy.cancel()
        await turns()
        pool.submit(gate)
        await running(pool, 2)
        pool.submit(TRUE)
        assert pool.why_waiting() == "all 2 places are in use"
        gate.open()
        await pool.drain()
        again = pool.submit(exit_with(1), retries=1, backoff=lambda attempts: 3600)
        await until(lambda: pool.stats().delayed)
        assert pool.why_waiting() == "1 commands are to be tried again after a while"
        again.cancel()
        await turns()
        assert pool.why_waiting() is None


@own_interpreter(NOT_OURS)
async def test_why_waiting_names_the_limit_that_was_met(sp):
    read, write = os.pipe()
    async with Pool(3) as pool:
        held = pool.submit(CAT, stdin=read)
        await running(pool, 1)
        with few_descriptors(0):
            other = pool.submit(TRUE)
            await until(lambda: "Too many open files" in (pool.why_waiting() or ""))
            assert pool.why_waiting().endswith("waiting for a child to end")
            assert pool.stats().queued == 1
        os.close(write)
        assert (await held).ok and (await other).ok
        assert other.result().attempts == 1
    os.close(read)


# Ends


async def test_drain_waits_for_what_is_submitted_meanwhile(gate):
    async with Pool(1) as pool:
        first = pool.submit(gate)
        draining = asyncio.ensure_future(pool.drain())
        await running(pool, 1)
        later = pool.submit(TRUE)
        assert not draining.done()
        gate.open()
        await draining

        assert first.done() and later.done()


async def test_waits_that_were_given_up_are_forgotten(gate):
    async with Pool(1) as pool:
        pool.submit(gate)
        for _ in range(10):
            waiting = asyncio.ensure_future(pool.drain())
            await turns(2)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert waiting.cancelled()
        gate.open()


async def test_drain_waits_for_what_is_to_be_tried_again():
    async with Pool(1) as pool:
        future = pool.submit(exit_with(1), retries=2, backoff=0.001)
        await pool.drain()

        assert future.result().attempts == 3


async def test_cancel_ends_all_and_waits():
    async with Pool(2) as pool:
        running_ones = [pool.submit(SLEEP) for _ in range(2)]
        queued = [pool.submit(TRUE) for _ in range(3)]
        await running(pool, 2)

        await pool.cancel()

        assert not children_left()
        results = [future.result() for future in running_ones + queued]
        assert {result.reason for result in results} == {"cancelled"}
        assert [result.returncode for result in results] == [-15] * 2 + [125] * 3
        assert [result.attempts for result in results] == [1] * 2 + [0] * 3
        with pytest.raises(RuntimeError, match="closed"):
            pool.submit(TRUE)


async def test_cancel_takes_a_grace_of_its_own(tmp_path, pipe):
    ready = tmp_path / "ready"
    stubborn = f"trap '' TERM; echo > {ready}; read line"
    async with Pool(1, shell=True, stdin=pipe[0], grace=3600) as pool:
        future = pool.submit(stubborn)
        await until(ready.exists)
        for grace in (-1, float("nan")):
            with pytest.raises(ValueError, match="grace"):
                await pool.cancel(grace)

        await pool.cancel(0)

        assert future.result().returncode == -9


async def test_an_endless_grace_is_none(gate):
    async with Pool(1) as pool:
        future = pool.submit(gate)
        await running(pool, 1)

        await pool.cancel(float("inf"))

        assert future.result().returncode == -15


async def test_nothing_can_be_submitted_to_a_closed_pool():
    async with Pool() as pool:
        pass

    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(TRUE)


async def test_an_exception_in_the_block_ends_all_and_waits():
    with pytest.raises(ZeroDivisionError):
        async with Pool(2) as pool:
            futures = [pool.submit(SLEEP) for _ in range(5)]
            await running(pool, 2)
            raise ZeroDivisionError

    assert not children_left()
    assert {future.result().reason for future in futures} == {"cancelled"}


async def test_a_cancellation_while_the_block_is_left_ends_all_and_waits():
    futures = []

    async def main():
        async with Pool(2) as pool:
            futures.extend(pool.submit(SLEEP) for _ in range(5))
            await running(pool, 2)
            left.set()

    left = asyncio.Event()
    task = asyncio.ensure_future(main())
    await left.wait()
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not children_left()
    assert {future.result().reason for future in futures} == {"cancelled"}


@pytest.mark.parametrize("is_leaving", [False, True])
async def test_a_coroutine_that_is_closed_in_its_block_ends_all_in_the_back(is_leaving):
    futures = []

    async def main():
        async with Pool(2) as pool:
            futures.extend(pool.submit(SLEEP) for _ in range(5))
            if not is_leaving:
                await asyncio.Event().wait()

    inside = main()
    inside.send(None)
    await turns()

    inside.close()

    assert {result.reason for result in await asyncio.gather(*futures)} == {"cancelled"}
    await until(lambda: not children_left())


async def test_cancelled_again_every_future_has_its_result_still(tmp_path, pipe):
    ready = tmp_path / "ready"
    futures = []

    async def main():
        async with Pool(1, stdin=pipe[0], shell=True, grace=3600) as pool:
            futures.extend(pool.submit(f"trap '' TERM; echo > {ready}; read x") for _ in "12")
            drains.append(asyncio.ensure_future(pool.drain()))
            await pool.drain()

    drains = []
    task = asyncio.ensure_future(main())
    await until(ready.exists)
    task.cancel()
    await turns()
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    os.close(pipe[1])
    assert {result.reason for result in await asyncio.gather(*futures)} == {"cancelled"}
    await drains[0]


@pytest.mark.parametrize("when", ["queued", "running", "delayed", "done"])
async def test_a_cancelled_future_ends_its_command_only(when, gate):
    async with Pool(1) as pool:
        if when == "queued":
            pool.submit(gate)
            future = pool.submit(SLEEP)
        elif when == "running":
            future = pool.submit(SLEEP)
            await running(pool, 1)
        elif when == "delayed":
            future = pool.submit(exit_with(1), retries=5, backoff=lambda attempts: 3600)
            await until(lambda: pool.stats().delayed == 1)
        else:
            future = pool.submit(TRUE)
            await future
        done = pool.stats().done

        assert future.cancel() is (when != "done")
        await turns()
        gate.open()
        await pool.drain()

        assert pool.stats().done == done + {"queued": 2, "done": 0}.get(when, 1)
        assert pool.stats().delayed == pool.stats().queued == 0
        assert (await pool.submit(exit_with(4))).returncode == 4


async def test_a_cancelled_command_that_was_too_heavy_lets_the_next_go(gate):
    async with Pool(2) as pool:
        pool.submit(gate)
        await running(pool, 1)
        heavy = pool.submit(TRUE, weight=2)
        light = pool.submit(TRUE)
        await turns()

        heavy.cancel()

        assert (await light).ok
        gate.open()


async def test_many_cancelled_futures_leave_the_others_in_order(gate):
    order = []
    async with Pool(1) as pool:
        pool.submit(gate)
        await running(pool, 1)
        futures = [pool.submit(["true"], priority=i % 7) for i in range(300)]
        for i, future in enumerate(futures):
            if i % 10:
                future.cancel()
            else:
                future.add_done_callback(lambda done: order.append(done.result().index - 1))
        await turns()
        assert pool.stats().queued == 30
        gate.open()

    assert order == sorted(range(0, 300, 10), key=lambda i: (-(i % 7), i))
    assert pool.stats().done == 301


async def test_all_futures_may_be_cancelled():
    async with Pool(2) as pool:
        futures = [pool.submit(SLEEP) for _ in range(50)]
        await running(pool, 2)
        for future in futures:
            future.cancel()

    assert all(future.cancelled() for future in futures)
    assert not children_left()
    assert pool.stats().done == 50


async def test_a_dropped_pool_ends_what_runs_and_answers_all():
    pool = Pool(2)
    futures = [pool.submit(SLEEP) for _ in range(5)]
    await running(pool, 2)

    del pool

    results = await asyncio.gather(*futures)
    assert {result.reason for result in results} == {"cancelled"}
    await until(lambda: not children_left())


async def test_a_pool_that_was_never_used_is_dropped_silently(tmp_path):
    Pool()
    Pool(trace=tmp_path / "run.json")
    gc.collect()

    assert (tmp_path / "run.json").read_text().endswith("\n]\n")


async def test_two_pools_know_nothing_of_each_other(gate):
    async with Pool(1) as one, Pool(1) as other:
        one.submit(gate)
        assert (await other.submit(TRUE)).ok
        await other.drain()
        gate.open()


async def test_a_trace_that_fails_is_told_on_leaving(monkeypatch):
    def add(self, completed):
        raise OSError("the disk is full")

    monkeypatch.setattr(Trace, "add", add)
    with pytest.raises(OSError, match="the disk is full"):
        async with Pool(2, trace=os.devnull) as pool:
            results = await asyncio.gather(*[pool.submit(TRUE) for _ in range(5)])

    assert len(results) == 5


async def test_a_wait_that_is_none_is_told_on_leaving():
    with pytest.raises(ValueError, match="backoff"):
        async with Pool(2, retries=3, backoff=lambda attempts: -1) as pool:
            result = await pool.submit(exit_with(3))

    assert (result.returncode, result.attempts) == (3, 1)
