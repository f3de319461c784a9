"""map(): however it comes to its end, nothing is lost that somebody wants, nothing is left."""

import asyncio
import gc
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

import procession
from children import CAT, SLEEP, TRUE, exit_with, sh, state, turns, until
from conduct.test_uvloop import run
from conftest import children_left
from helpers.leftovers import assert_nothing_left, assert_settles, descriptors
from helpers.own_interpreter import UNWARNED, not_run, own_interpreter
from procession import Command

NOT_OURS = not_run("asyncio has no map()")


def endless(command=SLEEP):
    while True:
        yield command


async def running(results, count):
    """Wait until that many children run, and the loop has heard of them: one that is only
    being started is ended in the back."""
    await until(lambda: sum(shot.pid > 0 for shot in results._batch.running) == count)


class Generator:
    """An asynchronous generator of commands that knows whether it was closed."""

    def __init__(self, *commands, error=None):
        self.commands = commands
        self.error = error
        self.closed = False

    async def __call__(self):
        try:
            for command in self.commands:
                yield command
            if self.error is not None:
                raise self.error
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.closed = True


# By whoever takes the results


async def test_break_ends_what_runs_in_the_back():
    async for result in procession.map([TRUE, *[SLEEP] * 10], concurrency=4):
        assert result.ok
        break

    await until(lambda: not children_left())


async def test_break_out_of_async_with_waits_for_the_end():
    async with procession.map([TRUE, *[SLEEP] * 10], concurrency=4) as results:
        async for _ in results:
            break
        await running(results, 4)

    assert not children_left()


async def test_async_with_ends_by_an_exception_of_the_body():
    with pytest.raises(ZeroDivisionError):
        async with procession.map([TRUE, *[SLEEP] * 5], concurrency=3) as results:
            async for _ in results:
                await running(results, 3)
                raise ZeroDivisionError

    assert not children_left()


async def test_an_exception_of_the_body_alone_ends_it_in_the_back():
    with pytest.raises(ZeroDivisionError):
        async for _ in procession.map([TRUE, *[SLEEP] * 5], concurrency=3):
            raise ZeroDivisionError

    await until(lambda: not children_left())


async def test_a_cancelled_anext_ends_all_and_waits():
    results = procession.map(endless(), concurrency=3)
    task = asyncio.ensure_future(anext(results))
    await running(results, 3)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not children_left()


async def test_cancelled_twice_it_waits_no_longer(pipe, tmp_path):
    stubborn = sh(f"trap '' TERM; echo > {tmp_path}/ready; read line")
    results = procession.map([stubborn], stdin=pipe[0], grace=3600)
    task = asyncio.ensure_future(anext(results))
    await until((tmp_path / "ready").exists)

    task.cancel()
    await turns()
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert children_left()
    os.close(pipe[1])
    await until(lambda: not children_left())


async def test_aclose_ends_all_and_waits():
    results = procession.map([TRUE, *[SLEEP] * 5], concurrency=3)
    await anext(results)
    await running(results, 3)

    await results.aclose()
    await results.aclose()

    assert not children_left()
    with pytest.raises(StopAsyncIteration):
        await anext(results)


async def test_aclose_ends_an_anext_that_waits():
    results = procession.map([SLEEP] * 5, concurrency=3)
    task = asyncio.ensure_future(results.__anext__())
    await running(results, 3)

    await results.aclose()

    with pytest.raises(StopAsyncIteration):
        await task


async def test_aclose_of_what_was_never_begun():
    results = procession.map(endless())

    await results.aclose()

    assert [result async for result in results] == []


async def test_a_map_that_nobody_iterates_over_does_nothing():
    procession.map(endless())
    procession.map(Generator(TRUE)())

    await asyncio.sleep(0)

    assert not children_left()


async def test_a_map_that_is_dropped_while_children_are_being_started_leaves_nothing():
    results = procession.map([SLEEP] * 10, concurrency=10)
    assert results._batch.take() is None
    assert len(results._batch.running) == 10

    del results

    await until(lambda: not children_left())


async def test_a_coroutine_that_is_closed_while_it_waits_ends_it_in_the_back():
    results = procession.map([SLEEP] * 10, concurrency=10)
    waiting = results.__anext__()
    waiting.send(None)

    waiting.close()

    assert [result async for result in results] == []
    await until(lambda: not children_left())


async def test_a_coroutine_that_is_closed_in_its_block_ends_it_in_the_back():
    async def main():
        async with procession.map([SLEEP] * 10, concurrency=10) as results:
            results._batch.take()
            await asyncio.Event().wait()

    inside = main()
    inside.send(None)

    inside.close()

    await until(lambda: not children_left())


async def test_anext_goes_on_where_it_was():
    results = procession.map([exit_with(i) for i in range(5)], ordered=True)

    assert [(await anext(results)).returncode for _ in range(2)] == [0, 1]
    assert [result.returncode async for result in results] == [2, 3, 4]
    assert await anext(results, None) is None


async def test_of_two_anexts_at_a_time_the_second_is_an_error(pipe):
    results = procession.map([CAT], stdin=pipe[0])
    first = asyncio.ensure_future(anext(results))
    await running(results, 1)

    with pytest.raises(RuntimeError, match="another task"):
        await anext(results)

    os.close(pipe[1])
    assert (await first).ok


async def test_a_wait_for_a_result_that_is_given_up_ends_the_map():
    results = procession.map(endless(), concurrency=2)

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(anext(results), 0.02)

    await until(lambda: not children_left())
    assert [result async for result in results] == []


async def test_two_maps_at_once_do_not_mix():
    async def codes(first):
        results = procession.map([exit_with(first + i) for i in range(20)], concurrency=3)
        return sorted([result.returncode async for result in results])

    assert await asyncio.gather(codes(0), codes(100)) == [
        list(range(20)),
        list(range(100, 120)),
    ]


async def test_a_map_in_a_map():
    found = []
    async for outer in procession.map([exit_with(i) for i in (1, 2)], concurrency=2):
        commands = [exit_with(10 * outer.returncode + i) for i in range(3)]
        async for inner in procession.map(commands, concurrency=2):
            found.append(inner.returncode)

    assert sorted(found) == [10, 11, 12, 20, 21, 22]


async def test_a_generator_may_take_results_of_another_map():
    async def commands():
        async for result in procession.map([exit_with(i) for i in (3, 4)]):
            yield exit_with(result.returncode + 10)

    found = [result.returncode async for result in procession.map(commands())]

    assert sorted(found) == [13, 14]


async def test_a_generator_that_takes_results_of_its_own_map_ends_it(pipe):
    async def commands():
        yield Command(["cat"], stdin=pipe[0])
        yield await anext(results)

    results = procession.map(commands(), concurrency=2)
    first = asyncio.ensure_future(anext(results))
    await running(results, 1)
    os.close(pipe[1])

    assert (await first).ok
    with pytest.raises(RuntimeError, match="another task"):
        await anext(results)


# By whoever gives the commands


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyError, asyncio.CancelledError])
@pytest.mark.parametrize("before", [0, 3])
async def test_what_an_iterable_raises_comes_after_the_results(before, error):
    def commands():
        yield from [TRUE] * before
        raise error

    await assert_raised(commands(), before, error)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyError, asyncio.CancelledError])
@pytest.mark.parametrize("before", [0, 3])
async def test_what_an_asynchronous_generator_raises_comes_after_the_results(before, error):
    generator = Generator(*[TRUE] * before, error=error)

    await assert_raised(generator(), before, error)

    assert generator.closed


async def assert_raised(commands, before, error):
    results = procession.map(commands, concurrency=1)
    found = []
    with pytest.raises(error):
        async for result in results:
            found.append(result)
    assert len(found) == before
    with pytest.raises(StopAsyncIteration):
        await anext(results)


async def test_what_has_no_iterator_is_an_error():
    class Broken:
        def __aiter__(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await anext(procession.map(Broken()))
    with pytest.raises(TypeError):
        procession.map(5)


async def test_an_error_while_a_generator_is_closed_is_raised():
    async def commands():
        try:
            yield exit_with(1)
            await asyncio.Event().wait()
        finally:
            raise ZeroDivisionError

    results = procession.map(commands(), stop_on_error=True)

    assert (await anext(results)).returncode == 1
    with pytest.raises(ZeroDivisionError):
        await anext(results)


@pytest.mark.parametrize("way", ["break", "aclose", "cancel", "with"])
async def test_an_asynchronous_generator_is_closed(way):
    generator = Generator(TRUE, SLEEP)
    results = procession.map(generator(), concurrency=2)
    await anext(results)

    if way == "break":
        del results
    elif way == "aclose":
        await results.aclose()
    elif way == "with":
        async with results:
            pass
    else:
        task = asyncio.ensure_future(anext(results))
        await turns()
        task.cancel()
        await asyncio.wait([task])

    await until(lambda: generator.closed and not children_left())


async def test_an_iterable_that_ends_its_own_map_begins_no_more():
    taken = []

    def commands():
        for i in range(10):
            taken.append(i)
            if i == 3:
                with pytest.raises(StopIteration):
                    results.aclose().send(None)
            yield TRUE

    results = procession.map(commands(), concurrency=1)
    with pytest.raises(StopAsyncIteration):
        while True:
            await anext(results)

    assert taken[-1] == 3


# By the loop, the interpreter, other threads


@own_interpreter(NOT_OURS, seconds=60, slow=True)
async def test_the_collector_may_end_a_map_at_any_moment(sp):
    """Its destructor then runs in the middle of whatever the engine is doing."""
    before = descriptors()
    for threshold in range(1, 250, 3):
        gc.disable()
        results = procession.map([SLEEP] * 6, concurrency=3, stdout=sp.PIPE)
        results.itself = results
        results._batch.fill()
        del results
        gc.set_threshold(threshold)
        gc.enable()
        for _ in range(20):
            await asyncio.sleep(0.0005)
        gc.collect()
        await assert_settles(before)


@own_interpreter(NOT_OURS)
def test_what_is_left_of_a_tree_that_is_being_ended_is_killed_with_the_loop(sp):
    loop = asyncio.new_event_loop()
    there, mine = os.pipe()
    assert mine < 10

    async def main():
        ignoring = f"(trap '' TERM; echo >&{mine}; exec sleep 3600) & exec sleep 3600"
        results = procession.map([TRUE, sh(ignoring)], concurrency=2, grace=3600, pass_fds=[mine])
        await anext(results)
        await asyncio.to_thread(os.read, there, 1)
        # Ended in the back: the shell has gone at once, and the other one hears nothing.
        del results
        await until(lambda: procession.stats().ended == 2)

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())
    os.close(mine)
    loop.close()

    # Held open by whoever is left, so this waits for the end of all.
    assert os.read(there, 1) == b""
    os.close(there)


@own_interpreter(NOT_OURS, options=UNWARNED)
def test_a_loop_that_closes_while_a_map_runs_leaves_nothing(sp):
    before = descriptors()
    loop = asyncio.new_event_loop()
    kept = []

    async def main():
        results = procession.map([TRUE, *[SLEEP] * 10], concurrency=4)
        await anext(results)
        kept.append(results)

    loop.run_until_complete(main())
    loop.close()
    assert_nothing_left(before)

    async def other():
        try:
            await anext(kept[0])
        except RuntimeError as error:
            assert "another event loop" in str(error)
        else:
            raise AssertionError("no error")

    asyncio.run(other())
    kept.clear()


@own_interpreter(NOT_OURS)
def test_ctrl_c_in_an_iterable_leaves_nothing(sp):
    def commands():
        yield TRUE
        yield SLEEP
        raise KeyboardInterrupt

    async def main():
        async for _ in procession.map(commands(), concurrency=2):
            pass

    before = descriptors()
    for _ in range(3):
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError("no interruption")
    gc.collect()
    assert_nothing_left(before)


@own_interpreter(NOT_OURS)
def test_a_forked_process_that_drops_a_map_leaves_its_children_alone(sp):
    async def main():
        results = procession.map([TRUE, SLEEP], concurrency=2)
        await anext(results)
        await running(results, 1)
        ((pid, _, _),) = children_left()
        fork = os.fork()
        if fork == 0:
            del results
            gc.collect()
            os._exit(0)
        os.waitpid(fork, 0)
        await asyncio.sleep(0)
        assert state(pid) in "SRD"
        await results.aclose()
        assert not children_left()

    asyncio.run(main())


@own_interpreter(NOT_OURS)
def test_each_thread_may_have_a_map(sp):
    async def main(first):
        results = procession.map(
            [("echo", str(first + i)) for i in range(50)],
            concurrency=4,
            stdout=procession.PIPE,
            ordered=True,
        )
        return [int(result.stdout) async for result in results]

    with ThreadPoolExecutor(4) as threads:
        for first, found in zip(
            (0, 100, 200, 300),
            threads.map(lambda first: asyncio.run(main(first)), (0, 100, 200, 300)),
            strict=True,
        ):
            assert found == list(range(first, first + 50))


@own_interpreter(NOT_OURS, options=("-X", "dev"))
async def test_debug_mode_complains_of_nothing(sp):
    async def commands():
        for i in range(20):
            yield exit_with(i % 2)

    found = [result async for result in procession.map(commands(), retries=1, backoff=0)]
    assert len(found) == 20
    async for _ in procession.map([TRUE, SLEEP, SLEEP], concurrency=3):
        break
    await until(lambda: not children_left())


@own_interpreter(NOT_OURS)
def test_it_runs_on_uvloop(sp):
    async def main():
        async def commands():
            for i in range(40):
                yield exit_with(i)

        options = {"concurrency": 4, "retries": 1, "backoff": 0.001, "ordered": True}
        found = [result.returncode async for result in procession.map(commands(), **options)]
        async with procession.map([TRUE, SLEEP], concurrency=2) as results:
            await anext(results)
            await running(results, 1)
        assert not children_left()
        return found

    assert run(main()) == list(range(40))
