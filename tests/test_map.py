"""map(): what each keyword promises, and from where commands may come."""

import asyncio
import json
import os
import sys

import pytest

import procession
from children import CAT, TRUE, exit_with, flood, sh, turns, until
from conftest import children_left
from procession import Command
from procession.command import waits_of
from procession.cpus import usable_cpus
from procession.trace import Trace

MISSING = ("/no/such/program",)


async def all_of(commands, **options):
    return [result async for result in procession.map(commands, **options)]


class Pulled:
    """An iterator of commands that counts how many were taken."""

    def __init__(self, commands):
        self.commands = iter(commands)
        self.count = 0

    def __iter__(self):
        return self

    def __next__(self):
        command = next(self.commands)
        self.count += 1
        return command


async def asynchronous(commands):
    for command in commands:
        await asyncio.sleep(0)
        yield command


# What comes in, and what comes out


async def test_each_command_has_one_result():
    results = await all_of([exit_with(i) for i in range(20)], concurrency=4)

    assert sorted(result.returncode for result in results) == list(range(20))
    assert all(result.index == result.returncode for result in results)
    assert {result.attempts for result in results} == {1}


@pytest.mark.parametrize("kind", [list, tuple, iter, asynchronous])
async def test_commands_come_from_any_iterable(kind):
    results = await all_of(kind([exit_with(1), exit_with(2)]), concurrency=2)

    assert sorted(result.returncode for result in results) == [1, 2]


@pytest.mark.parametrize("kind", [list, asynchronous])
async def test_no_commands_have_no_results(kind):
    assert await all_of(kind([])) == []


async def test_an_asynchronous_iterable_need_not_be_a_generator():
    class Commands:
        def __aiter__(self):
            return asynchronous([TRUE, TRUE])

    assert len(await all_of(Commands())) == 2


@pytest.mark.parametrize("commands", ["true", b"true", Command(["true"])])
async def test_one_command_is_not_many(commands):
    with pytest.raises(TypeError, match="not one command"):
        procession.map(commands)


async def test_strings_go_to_a_shell():
    results = await all_of(["exit 3", "echo $((1 + 1))"], shell=True, capture_output=True)

    assert sorted((r.returncode, r.stdout) for r in results) == [(0, b"2\n"), (3, b"")]


async def test_a_command_has_options_of_its_own():
    commands = [
        Command("exit 3", shell=True),
        Command(["cat"], input="text", text=True),
        Command(["cat"], input=b"other"),
        ["cat"],
    ]
    results = await all_of(commands, stdout=procession.PIPE, input=b"shared", ordered=True)

    assert [result.stdout for result in results] == [b"", "text", b"other", b"shared"]
    assert results[0].returncode == 3


async def test_without_input_there_is_nothing_to_read():
    (result,) = await all_of([CAT], stdout=procession.PIPE)

    assert result.stdout == b""


async def test_every_command_gets_the_input():
    results = await all_of([CAT] * 5, input=b"x" * 300_000, stdout=procession.PIPE)

    assert [result.stdout for result in results] == [b"x" * 300_000] * 5


async def test_an_option_that_run_would_not_take_is_refused_at_once():
    for options in (
        {"no_such_option": 1},
        {"concurrency": 0},
        {"ahead": -1},
        {"retries": -1},
        {"backoff": -1},
        {"check": True},
    ):
        with pytest.raises((TypeError, ValueError)):
            procession.map([TRUE], **options)


async def test_what_cannot_be_started_is_a_result():
    odd = [MISSING, [], None, 5, ["nul\0"], Command(["true"], no_such=1), ["/"], [None]]
    results = await all_of([*odd, TRUE], concurrency=3, ordered=True)

    assert [result.ok for result in results] == [False] * len(odd) + [True]
    assert [result.reason for result in results[:-1]] == ["spawn error"] * len(odd)
    assert [type(result.error) for result in results[:-1]] == [
        FileNotFoundError,
        ValueError,
        TypeError,
        TypeError,
        ValueError,
        TypeError,
        PermissionError,
        TypeError,
    ]
    assert results[0].returncode == 127
    assert {result.pid for result in results[:-1]} == {None}


async def test_output_that_cannot_be_decoded_is_a_result_with_bytes():
    command = sh("printf '\\377'")
    (result,) = await all_of([command], stdout=procession.PIPE, encoding="ascii")

    assert result.stdout == b"\xff"
    assert isinstance(result.error, UnicodeDecodeError)


async def test_an_encoding_that_does_not_exist_is_told_at_once():
    with pytest.raises(LookupError):
        procession.map([["true"]], encoding="no-such-encoding")


async def test_outputs_are_bounded_by_default():
    most = 16 << 20
    (result,) = await all_of([flood(most + 1000)], stdout=procession.PIPE)

    assert result.truncated >= 1000
    assert len(result.stdout) <= most + 100


# When what is taken


async def test_commands_are_taken_no_further_ahead_than_asked():
    pulled = Pulled([TRUE] * 50)
    results = procession.map(pulled, concurrency=2, ahead=3)
    assert pulled.count == 0

    taken = 0
    async for _ in results:
        taken += 1
        assert pulled.count <= taken + 5
    assert taken == pulled.count == 50


@pytest.mark.parametrize("ahead", [0, 1, None])
@pytest.mark.parametrize("kind", [Pulled, asynchronous])
async def test_while_the_consumer_pauses_no_more_is_taken(kind, ahead):
    pulled = Pulled([TRUE] * 50)
    commands = pulled if kind is Pulled else kind(pulled)
    results = procession.map(commands, concurrency=2, ahead=ahead)
    bound = 2 + (2 if ahead is None else ahead)

    await anext(results)
    await until(lambda: not children_left() and pulled.count == bound + 1)
    await turns(50)

    assert pulled.count == bound + 1
    assert len([result async for result in results]) == 49


async def test_with_nothing_ahead_all_places_are_used_all_the_same(pipe):
    results = procession.map([CAT] * 3, concurrency=3, ahead=0, stdin=pipe[0])
    first = asyncio.ensure_future(anext(results))
    await until(lambda: len(children_left()) == 3)

    os.close(pipe[1])

    await first
    assert len([result async for result in results]) == 2


@pytest.mark.parametrize("kind", [list, asynchronous])
async def test_never_more_run_at_once(kind, pipe):
    results = procession.map(kind([CAT] * 7), concurrency=3, stdin=pipe[0])
    first = asyncio.ensure_future(anext(results))
    await until(lambda: len(children_left()) == 3)
    await turns(50)
    assert len(children_left()) == 3

    os.close(pipe[1])

    await first
    slots = {result.slot async for result in results}
    assert slots <= {0, 1, 2}


async def test_as_many_run_as_there_are_processors_unless_said(pipe):
    most = usable_cpus()
    results = procession.map([CAT] * (most + 3), stdin=pipe[0])
    first = asyncio.ensure_future(anext(results))
    await until(lambda: len(children_left()) == most)
    await turns(50)
    assert len(children_left()) == most

    os.close(pipe[1])

    await first
    assert len([result async for result in results]) == most + 2


@pytest.mark.parametrize("most", [2**31 - 1, sys.maxsize])
async def test_there_may_be_no_bound_at_all(most):
    results = await all_of([TRUE] * 30, concurrency=most, ahead=most)

    assert len(results) == 30
    async with procession.Pool(most) as pool:
        assert (await pool.submit(TRUE, weight=2**31 - 1)).ok


async def test_results_come_as_they_end(pipe):
    commands = [Command(["cat"], stdin=pipe[0]), TRUE, TRUE]
    results = procession.map(commands, concurrency=2)

    assert [(await anext(results)).index for _ in range(2)] == [1, 2]
    os.close(pipe[1])
    assert [result.index async for result in results] == [0]


@pytest.mark.parametrize("kind", [list, asynchronous])
async def test_ordered_results_come_as_the_commands_do(kind):
    commands = [sh(f"exec true {'x' * (i % 3)}") for i in range(40)]
    results = await all_of(kind(commands), concurrency=8, ordered=True)

    assert [result.index for result in results] == list(range(40))


async def test_while_an_ordered_result_is_awaited_others_run(pipe):
    pulled = Pulled([Command(["cat"], stdin=pipe[0]), *[TRUE] * 50])
    results = procession.map(pulled, concurrency=2, ahead=8, ordered=True)
    first = asyncio.ensure_future(anext(results))

    await until(lambda: pulled.count == 10)
    os.close(pipe[1])

    assert (await first).index == 0
    assert [result.index async for result in results] == list(range(1, 51))


# Failures


async def test_a_command_that_takes_too_long_is_ended():
    (result,) = await all_of([["sleep", "3600"]], timeout=0.02)

    assert (result.reason, result.returncode) == ("timeout", -15)


async def test_a_timeout_of_one_command_leaves_the_others(pipe):
    commands = [Command(["sleep", "3600"], timeout=0.02), TRUE, Command(["cat"], stdin=pipe[0])]
    results = procession.map(commands, concurrency=3)

    found = {result.index: result.reason async for result in closing(results, 2, pipe[1])}

    assert found == {0: "timeout", 1: "exit", 2: "exit"}


async def closing(results, count, fd):
    """Iterate; close a descriptor after so many results."""
    async for result in results:
        count -= 1
        if count == 0:
            os.close(fd)
        yield result


def failing(path, times):
    """Return a command that fails that often and then works."""
    return sh(f"echo >> {path}; [ $(wc -l < {path}) -gt {times} ]")


async def test_a_command_that_fails_is_tried_again(tmp_path):
    commands = [failing(tmp_path / str(i), i) for i in range(4)]
    results = await all_of(commands, retries=2, backoff=0, ordered=True)

    assert [(result.ok, result.attempts) for result in results] == [
        (True, 1),
        (True, 2),
        (True, 3),
        (False, 3),
    ]


async def test_retries_wait_as_backoff_says():
    asked = []

    def backoff(attempts):
        asked.append(attempts)
        return 0.001

    (result,) = await all_of([exit_with(9)], retries=3, backoff=backoff)

    assert (result.attempts, result.returncode, asked) == (4, 9, [1, 2, 3])


async def test_a_number_is_doubled_with_each_attempt_up_to_a_minute():
    wait = waits_of(0.5)

    assert [wait(n) for n in (1, 2, 3, 8, 1000)] == [0.5, 1, 2, 60, 60]


async def test_what_waits_to_be_tried_again_holds_no_slot(tmp_path):
    go = asyncio.Event()
    loop = asyncio.get_running_loop()
    path = tmp_path / "tries"

    async def commands():
        yield failing(path, 1)
        for _ in range(5):
            yield TRUE
        go.set()

    results = procession.map(commands(), concurrency=1, retries=1, backoff=lambda n: 3600)
    for _ in range(5):
        assert (await anext(results)).ok
    await go.wait()

    (timer,) = results._batch.delayed.values()
    assert timer.when() > loop.time() + 3000
    await results.aclose()
    assert path.read_text() == "\n"


@pytest.mark.parametrize("wait", [-1, float("nan"), "soon", None])
async def test_a_wait_that_is_none_ends_no_result(wait):
    results = procession.map([exit_with(1), TRUE, exit_with(2)], retries=1, backoff=lambda n: wait)
    found = []

    with pytest.raises((TypeError, ValueError)):
        async for result in results:
            found.append((result.returncode, result.attempts))

    assert sorted(found) == [(0, 1), (1, 1), (2, 1)]


async def test_stop_on_error_begins_no_more_and_ends_what_runs(pipe):
    pulled = Pulled([Command(["cat"], stdin=pipe[0]), exit_with(3), *[TRUE] * 100])
    results = await all_of(pulled, concurrency=2, stop_on_error=True)

    assert pulled.count < 10
    found = {result.index: result.reason for result in results}
    assert len(found) == len(results) == pulled.count
    assert (found[0], found[1]) == ("cancelled", "exit")


@pytest.mark.parametrize("ordered", [False, True])
async def test_stop_on_error_ends_a_generator_that_waits(ordered):
    closed = []

    async def commands():
        try:
            yield exit_with(3)
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    results = await all_of(commands(), stop_on_error=True, ordered=ordered)

    assert [result.returncode for result in results] == [3]
    assert closed == [True]


async def test_stop_on_error_gives_a_result_of_what_was_to_be_tried_again():
    commands = [Command(exit_with(1), retries=1, backoff=3600), exit_with(2)]
    results = await all_of(commands, concurrency=1, stop_on_error=True, ordered=True)

    assert [(result.reason, result.attempts) for result in results] == [
        ("cancelled", 1),
        ("exit", 1),
    ]


# The trace


async def test_bars_of_a_slot_never_overlap(tmp_path):
    path = tmp_path / "run.json"
    results = await all_of(
        [exit_with(i % 2) for i in range(40)], concurrency=4, retries=1, backoff=0, trace=path
    )

    bars = [event for event in json.loads(path.read_text()) if event["ph"] == "X"]
    assert len(results) == 40
    assert len(bars) == 60
    for slot in range(4):
        own = sorted((bar["ts"], bar["dur"]) for bar in bars if bar["tid"] == slot)
        ends = [ts + duration for ts, duration in own]
        assert all(end <= ts for end, (ts, _) in zip(ends, own[1:], strict=False))


async def test_a_trace_that_cannot_be_made_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        procession.map([TRUE], trace=tmp_path / "no" / "such")


async def test_a_trace_that_fails_costs_no_result(monkeypatch):
    def add(self, completed):
        raise OSError("the disk is full")

    monkeypatch.setattr(Trace, "add", add)
    results = procession.map([TRUE] * 10, concurrency=2, trace=os.devnull)
    found = []

    with pytest.raises(OSError, match="the disk is full"):
        async for result in results:
            found.append(result.index)

    assert sorted(found) == list(range(10))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
async def test_a_full_disk_is_told_after_the_last_result():
    results = procession.map([TRUE] * 3, trace="/dev/full")
    found = []

    with pytest.raises(OSError, match="No space left"):
        async for result in results:
            found.append(result)

    assert len(found) == 3


async def test_commands_that_fail_at_once_do_not_nest():
    depth = sys.getrecursionlimit() * 3
    results = await all_of([MISSING] * depth, concurrency=depth)

    assert len(results) == depth
