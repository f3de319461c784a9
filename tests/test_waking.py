"""How the engine lets a task go on: at once, in the task's own surroundings."""

import asyncio
import contextvars
import gc
import signal
import sys

import pytest

from children import CAT, SLEEP, TIMEOUT, TRUE, exit_with
from procession import subprocess as sp
from procession._waiter import Waiter

WORD = contextvars.ContextVar("WORD", default="")


class Watched(asyncio.SelectorEventLoop):
    """Notes what is put off to a later turn on behalf of waiters."""

    def __init__(self):
        super().__init__()
        self.put_off = []

    def call_soon(self, callback, *args, context=None):
        if args and isinstance(args[0], Waiter):
            self.put_off.append(callback)
        return super().call_soon(callback, *args, context=context)


def run_watched(main, debug=False):
    loop = Watched()
    try:
        loop.set_debug(debug)
        loop.run_until_complete(asyncio.wait_for(main(), TIMEOUT))
        return loop.put_off
    finally:
        loop.close()


async def talk():
    process = await sp.create_subprocess_exec(*CAT, stdin=sp.PIPE, stdout=sp.PIPE)
    for word in (b"one\n", b"two\n"):
        process.stdin.write(word)
        assert await process.stdout.readline() == word
    process.stdin.close()
    assert await process.wait() == 0


def test_no_turn_of_the_loop_lies_between_an_event_and_the_task_that_waits_for_it():
    assert run_watched(talk) == []


def test_in_debug_mode_the_loop_steps_each_task_itself():
    assert run_watched(talk, debug=True) != []


async def test_a_task_that_is_woken_is_the_current_one_in_its_own_context():
    async def wait(word):
        WORD.set(word)
        process = await sp.create_subprocess_exec(*TRUE)
        await process.wait()
        return WORD.get(), asyncio.current_task().get_name()

    tasks = [asyncio.ensure_future(wait(f"word {i}")) for i in range(20)]
    for i, task in enumerate(tasks):
        task.set_name(f"task {i}")

    assert await asyncio.gather(*tasks) == [(f"word {i}", f"task {i}") for i in range(20)]
    assert WORD.get() == ""


async def test_a_task_that_is_woken_may_start_signal_and_read_other_children():
    other = await sp.create_subprocess_exec(*CAT, stdin=sp.PIPE, stdout=sp.PIPE)
    process = await sp.create_subprocess_exec(*TRUE)

    await process.wait()
    third = await sp.create_subprocess_exec(*exit_with(3))
    other.stdin.write(b"x\n")
    assert await other.stdout.readline() == b"x\n"
    other.kill()

    assert await asyncio.gather(third.wait(), other.wait()) == [3, -signal.SIGKILL]


async def test_of_two_tasks_woken_by_one_event_the_first_may_cancel_the_second():
    process = await sp.create_subprocess_exec(*SLEEP)

    async def first():
        await process.wait()
        second_task.cancel()
        return process.returncode

    first_task = asyncio.ensure_future(first())
    await asyncio.sleep(0)
    second_task = asyncio.ensure_future(process.wait())
    await asyncio.sleep(0)
    process.kill()

    assert await first_task == -signal.SIGKILL
    with pytest.raises(asyncio.CancelledError):
        await second_task
    assert await process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_task_that_ends_the_program_keeps_no_other_from_going_on(error):
    loop = asyncio.new_event_loop()

    async def wait(process, raises):
        status = await process.wait()
        if raises:
            raise error
        return status

    async def begin():
        process = await sp.create_subprocess_exec(*SLEEP)
        tasks = [asyncio.ensure_future(wait(process, raises)) for raises in (True, False)]
        await asyncio.sleep(0)
        return process, *tasks

    try:
        process, ends, goes_on = loop.run_until_complete(begin())
        process.kill()
        with pytest.raises(error):
            loop.run_until_complete(goes_on)
        assert loop.run_until_complete(asyncio.wait_for(goes_on, TIMEOUT)) == -signal.SIGKILL
        assert isinstance(ends.exception(), error)
    finally:
        loop.close()
        del ends, process
        gc.collect()


async def test_callbacks_behind_the_tasks_own_are_called_as_well():
    called = []
    process = await sp.create_subprocess_exec(*CAT, stdin=sp.PIPE, stdout=sp.PIPE)
    line = asyncio.ensure_future(process.stdout.readline())
    await asyncio.sleep(0)
    waiter = process.stdout._waiter
    waiter.add_done_callback(called.append)

    process.stdin.write(b"x\n")

    assert await line == b"x\n"
    await asyncio.sleep(0)
    assert called == [waiter]
    process.stdin.close()
    await process.wait()


async def test_a_woken_task_may_run_the_loop_from_within():
    """As nest_asyncio has it: the current task steps aside, and the loop turns."""
    loop = asyncio.get_running_loop()
    loop._nest_patched = True
    process = await sp.create_subprocess_exec(*TRUE)
    await process.wait()
    task = asyncio.current_task()
    inner = asyncio.ensure_future(exit_status(*exit_with(5)))

    asyncio.tasks._leave_task(loop, task)
    try:
        while not inner.done():
            loop._run_once()
    finally:
        asyncio.tasks._enter_task(loop, task)

    assert inner.result() == 5


async def exit_status(*command):
    return await (await sp.create_subprocess_exec(*command)).wait()


# A waiter among asyncio's own


@pytest.fixture
async def waiter():
    return Waiter(asyncio.get_running_loop())


async def test_asyncio_takes_a_waiter_for_a_future(waiter):
    assert asyncio.isfuture(waiter)
    assert asyncio.ensure_future(waiter) is waiter
    assert waiter.get_loop() is asyncio.get_running_loop()
    assert repr(waiter) == "<Waiter pending>"


async def test_a_pending_waiter_has_neither_result_nor_exception(waiter):
    assert not waiter.done()
    with pytest.raises(asyncio.InvalidStateError):
        waiter.result()
    with pytest.raises(asyncio.InvalidStateError):
        waiter.exception()


async def test_cancelling_a_task_cancels_what_it_waits_for_with_its_message(waiter):
    async def wait():
        await waiter

    task = asyncio.ensure_future(wait())
    await asyncio.sleep(0)
    task.cancel("enough")

    with pytest.raises(asyncio.CancelledError):
        await task
    assert waiter.cancelled()
    assert not waiter.cancel()
    with pytest.raises(asyncio.CancelledError) as raised:
        waiter.result()
    assert raised.value.args == ("enough",)
    with pytest.raises(asyncio.CancelledError):
        waiter.exception()


async def test_callbacks_run_in_order_in_their_contexts_each_once(waiter):
    calls = []
    context = contextvars.copy_context()
    context.run(WORD.set, "given")

    def note(name):
        return lambda done: calls.append((name, done is waiter, WORD.get()))

    unwanted = note("unwanted")
    waiter.add_done_callback(unwanted)
    waiter.add_done_callback(note("a"))
    waiter.add_done_callback(note("b"), context=context)
    waiter.add_done_callback(unwanted)
    assert waiter.remove_done_callback(unwanted) == 2
    assert waiter.remove_done_callback(unwanted) == 0
    waiter.cancel()
    waiter.add_done_callback(note("late"))
    await asyncio.sleep(0)

    assert calls == [("a", True, ""), ("b", True, "given"), ("late", True, "")]


async def test_a_waiter_can_be_shielded_waited_for_and_timed_out(waiter):
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiter), 0)
    assert not waiter.done()
    _, pending = await asyncio.wait([waiter], timeout=0)
    assert pending == {waiter}
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(waiter, 0)
    assert waiter.cancelled()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_eager_tasks_are_woken():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)

    statuses = await asyncio.gather(*(exit_status(*exit_with(i)) for i in range(5)))

    assert statuses == list(range(5))
