"""What the function for `prepare` can do with an attempt, and what ends a map() in between."""

import asyncio
import errno
import os
import signal

import pytest

import procession
from children import CAT, TRUE, exit_with, flood, sh, until
from conftest import children_left
from procession import PIPE, Command, Pool

DEAF = sh("trap '' TERM; echo deaf; while :; do sleep 0.05; done")


async def all_of(results):
    async with results:
        return [result async for result in results]


async def test_an_attempt_is_prepared_in_its_slot_and_given_its_arguments():
    seen = []

    def prepare(attempt):
        seen.append((attempt.item, attempt.index, attempt.attempts, attempt.slot))
        attempt.args = exit_with(attempt.item)

    results = await all_of(procession.map([5, 6, 7], concurrency=2, prepare=prepare))

    assert [item for item, *_ in seen] == [5, 6, 7]
    assert [numbers[:2] for _, *numbers in seen] == [[0, 1], [1, 1], [2, 1]]
    assert {slot for *_, slot in seen} == {0, 1}
    assert {result.index: result.returncode for result in results} == {0: 5, 1: 6, 2: 7}
    assert all(list(result.args) == list(exit_with(result.returncode)) for result in results)


async def test_each_attempt_is_prepared_from_the_command_as_it_was_given():
    def prepare(attempt):
        assert attempt.item == "given"
        attempt.args = exit_with(0 if attempt.attempts == 3 else 1)

    (result,) = await all_of(procession.map(["given"], prepare=prepare, retries=5, backoff=0))

    assert result.ok
    assert result.attempts == 3


async def test_what_prepare_raises_is_wrong_with_that_command_only():
    def prepare(attempt):
        if attempt.index == 1:
            raise OSError(errno.ENOSPC, "no room")

    results = await all_of(
        procession.map([TRUE, TRUE, TRUE], concurrency=1, prepare=prepare, ordered=True)
    )

    assert [result.ok for result in results] == [True, False, True]
    assert results[1].reason == "spawn error"
    assert results[1].error.errno == errno.ENOSPC
    assert results[1].pid is None


async def test_a_command_with_wrong_options_is_not_prepared():
    seen = []

    results = await all_of(procession.map([Command(TRUE, no_such=1)], prepare=seen.append))

    assert [result.reason for result in results] == ["spawn error"]
    assert not seen


async def test_an_interruption_of_prepare_reaches_the_consumer_and_costs_no_command():
    calls = []

    def prepare(attempt):
        calls.append(attempt.index)
        if len(calls) == 1:
            raise KeyboardInterrupt

    results = procession.map([TRUE, TRUE], concurrency=1, prepare=prepare)
    with pytest.raises(KeyboardInterrupt):
        await anext(results)

    assert len(await all_of(results)) == 2
    assert calls == [0, 0, 1]


async def test_a_pool_prepares_as_well():
    def prepare(attempt):
        attempt.args = exit_with(attempt.item)

    async with Pool(2, prepare=prepare) as pool:
        results = await asyncio.gather(*[pool.submit(i) for i in (3, 4)])

    assert [result.returncode for result in results] == [3, 4]


# Output as it comes


async def test_outputs_go_to_functions_byte_for_byte():
    out, err = bytearray(), bytearray()

    results = await all_of(
        procession.map(
            [sh("seq 50000; seq 20000 >&2")],
            stdout=PIPE,
            stderr=PIPE,
            prepare=lambda attempt: attempt.relay(out.extend, err.extend),
        )
    )

    assert bytes(out) == b"".join(b"%d\n" % i for i in range(1, 50001))
    assert bytes(err) == b"".join(b"%d\n" % i for i in range(1, 20001))
    assert (results[0].stdout, results[0].stderr, results[0].truncated) == (None, None, 0)


async def test_one_output_may_be_gathered_while_the_other_goes_to_a_function():
    out = []

    (result,) = await all_of(
        procession.map(
            [sh("echo out; echo err >&2")],
            stdout=PIPE,
            stderr=PIPE,
            prepare=lambda attempt: attempt.relay(out.append, None),
        )
    )

    assert out == [b"out\n"]
    assert (result.stdout, result.stderr) == (None, b"err\n")


async def test_output_comes_while_the_command_runs():
    fed = asyncio.Event()

    def prepare(attempt):
        attempt.relay(lambda piece: (fed.set(), attempt.end()), None)

    results = await all_of(
        procession.map([sh("echo here; exec sleep 3600")], stdout=PIPE, prepare=prepare)
    )

    assert fed.is_set()
    assert results[0].reason == "cancelled"


async def test_what_a_function_for_output_raises_ends_the_command_and_is_its_error():
    def full(piece):
        raise OSError(errno.ENOSPC, "no room")

    (result,) = await all_of(
        procession.map(
            [flood(1 << 30)], stdout=PIPE, prepare=lambda attempt: attempt.relay(full, None)
        )
    )

    assert result.error.errno == errno.ENOSPC
    assert result.reason == "cancelled"


async def test_what_is_raised_for_the_last_output_of_a_tree_is_the_error_too(tmp_path):
    # It is taken when the tree is being ended, and not when it came.
    written = tmp_path / "written"

    def prepare(attempt):
        attempt.relay(lambda piece: 1 / 0, None)
        attempt.pause()

    command = sh("echo here; : >$1; exec sleep 3600", str(written))
    results = procession.map([command], stdout=PIPE, prepare=prepare)
    task = asyncio.ensure_future(all_of(results))
    await until(written.exists)
    results.cancel(0)

    (result,) = await task
    assert result.reason == "cancelled"
    assert isinstance(result.error, ZeroDivisionError)


async def test_a_paused_command_waits_when_its_pipe_is_full():
    size = 1 << 20
    attempts, got = [], bytearray()

    def prepare(attempt):
        attempts.append(attempt)
        attempt.relay(got.extend, None)
        attempt.pause()

    results = procession.map([flood(size)], stdout=PIPE, prepare=prepare)
    task = asyncio.ensure_future(all_of(results))
    await until(lambda: attempts and attempts[0].pid)
    # Another one runs from its start to its end meanwhile.
    assert (await procession.run(CAT, input=b"x" * size, stdout=PIPE)).stdout == b"x" * size
    assert not got
    assert not task.done()
    attempts[0].resume()

    (result,) = await task
    assert result.ok
    assert len(got) == size


async def test_a_running_command_can_be_paused_and_resumed_many_times():
    attempts, got = [], bytearray()

    def take(piece):
        got.extend(piece)
        attempts[0].pause()
        asyncio.get_running_loop().call_soon(attempts[0].resume)

    def prepare(attempt):
        attempts.append(attempt)
        attempt.relay(take, None)

    (result,) = await all_of(procession.map([flood(3 << 20)], stdout=PIPE, prepare=prepare))

    assert result.ok
    assert len(got) == 3 << 20


async def test_an_attempt_that_is_over_can_be_resumed_and_ended_without_effect():
    attempts = []

    await all_of(procession.map([TRUE], prepare=attempts.append))
    attempts[0].pause()
    attempts[0].resume()
    attempts[0].end()

    assert children_left() == []


async def test_an_attempt_that_is_ended_for_its_time_is_tried_again():
    def prepare(attempt):
        if attempt.attempts == 1:
            asyncio.get_running_loop().call_soon(attempt.end, "timeout", 0)
        else:
            attempt.args = TRUE

    (result,) = await all_of(
        procession.map([["sleep", "3600"]], prepare=prepare, retries=1, backoff=0)
    )

    assert result.ok
    assert result.attempts == 2


async def test_a_signal_reaches_all_that_an_attempt_has_started():
    heard, attempts = bytearray(), []

    def prepare(attempt):
        attempts.append(attempt)
        attempt.relay(heard.extend, None)

    trap = "trap 'echo $1; exit 0' USR1; echo ready; while :; do sleep 0.01; done"
    command = sh(f"({trap}) & {trap.replace('exit 0', 'wait; exit 0')}", "heard")
    results = procession.map([command], stdout=PIPE, prepare=prepare)
    task = asyncio.ensure_future(all_of(results))
    await until(lambda: heard.count(b"ready") == 2)
    attempts[0].send_signal(signal.SIGUSR1)

    (result,) = await task
    assert result.ok
    assert heard.count(b"heard") == 2
    attempts[0].send_signal(signal.SIGUSR1)


async def test_a_signal_to_one_that_is_being_started_reaches_it_then():
    # Sent in the turn of the loop in which it is begun.
    loop = asyncio.get_running_loop()
    results = procession.map(
        [["sleep", "3600"]],
        prepare=lambda attempt: loop.call_soon(attempt.send_signal, signal.SIGTERM),
    )

    (result,) = await all_of(results)
    assert (result.reason, result.returncode) == ("signal", -signal.SIGTERM)


# Ends in between


async def test_giving_up_lets_run_what_runs_and_begins_nothing_more(pipe):
    begun = []
    commands = [Command(sh("read x; exit 3"), stdin=pipe[0])] * 5
    results = procession.map(commands, concurrency=2, prepare=begun.append)
    task = asyncio.ensure_future(all_of(results))
    await until(lambda: len(begun) == 2 and all(attempt.pid for attempt in begun))
    results.give_up()
    os.write(pipe[1], b"\n\n")

    assert [result.returncode for result in await task] == [3, 3]
    assert len(begun) == 2


async def test_giving_up_is_the_result_of_what_was_to_be_tried_again():
    begun = []
    results = procession.map([exit_with(3)], prepare=begun.append, retries=9, backoff=3600)
    task = asyncio.ensure_future(all_of(results))
    await until(lambda: begun and results._batch.delayed)
    results.give_up()

    (result,) = await task
    assert result.reason == "cancelled"
    assert len(begun) == 1


async def test_giving_up_ends_an_asynchronous_generator_of_commands():
    closed = asyncio.Event()

    async def commands():
        try:
            yield exit_with(4)
            await asyncio.sleep(3600)
        finally:
            closed.set()

    results = procession.map(commands())
    first = await anext(results)
    asyncio.get_running_loop().call_soon(results.give_up)

    assert first.returncode == 4
    assert await all_of(results) == []
    assert closed.is_set()


async def test_cancelling_ends_what_runs_and_gives_its_results():
    begun = []
    results = procession.map([["sleep", "3600"]] * 5, concurrency=2, prepare=begun.append)
    task = asyncio.ensure_future(all_of(results))
    await until(lambda: len(begun) == 2 and all(attempt.pid for attempt in begun))
    results.cancel()

    assert [result.reason for result in await task] == ["cancelled"] * 2


async def test_cancelling_again_with_less_grace_kills():
    heard = []
    results = procession.map(
        [DEAF],
        stdout=PIPE,
        grace=3600,
        prepare=lambda attempt: attempt.relay(heard.append, None),
    )
    task = asyncio.ensure_future(all_of(results))
    await until(lambda: heard)
    results.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    results.cancel(0)

    (result,) = await task
    assert (result.reason, result.returncode) == ("cancelled", -9)


@pytest.mark.parametrize("grace", [-1, float("nan")])
async def test_a_grace_that_is_no_time_is_an_error(grace):
    async with procession.map([TRUE]) as results:
        with pytest.raises(ValueError, match="grace must be 0 or more seconds"):
            results.cancel(grace)
