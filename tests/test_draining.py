"""The exit of a child and the ends of its outputs, each for itself."""

import asyncio
import gc
import logging
import os
import signal

import pytest

from children import CAT, SLEEP, TRUE, exit_with, flood, sh, until
from procession import subprocess as sp
from procession.trees import Descendant

SOON = 0.02
LONG = 20.0
MIB = 1 << 20

# Tells its number; what holds the output is called sleep.
HAUNTED = "sleep 3600 & echo $!; exit 5"


async def start(*command, **options):
    return await sp.create_subprocess_exec(*command, stdout=sp.PIPE, **options)


async def start_haunted(**options):
    child = await start(*sh(HAUNTED), **options)
    ghost = int(await child.stdout.readline())
    await until(lambda: child.descendants() in ([], [(ghost, "sleep")]))
    return child, ghost


async def give_turns():
    for _ in range(10):
        await asyncio.sleep(0)


# exited, drained


async def test_the_exit_comes_without_the_end_of_the_output():
    child, ghost = await start_haunted()

    assert await child.exited == 5

    draining = asyncio.ensure_future(child.drained)
    await give_turns()
    assert not draining.done()
    os.kill(ghost, signal.SIGKILL)
    assert await draining is None


async def test_the_end_of_the_output_comes_without_the_exit():
    child = await start(*sh("echo last; exec sleep 3600 >&-"))

    await child.drained

    assert child.returncode is None
    assert await child.stdout.read() == b"last\n"
    child.kill()
    assert await child.exited == -signal.SIGKILL


async def test_both_outputs_have_to_come_to_their_end():
    child = await start(*sh("exec 1>&-; read line"), stdin=sp.PIPE, stderr=sp.PIPE)
    draining = asyncio.ensure_future(child.drained)
    await until(child.stdout.at_eof)
    await give_turns()
    assert not draining.done()

    child.stdin.write(b"\n")
    await draining

    await child.communicate()


async def test_without_pipes_the_end_is_there_at_once():
    child = await sp.create_subprocess_exec(*SLEEP)

    await asyncio.wait_for(child.drained, LONG)

    child.kill()
    await child.exited


async def test_a_child_that_writes_more_than_is_read_ahead_is_drained_by_reading():
    child = await start(*flood(MIB))
    draining = asyncio.ensure_future(child.drained)
    await give_turns()
    assert not draining.done()

    assert len(await child.stdout.read()) == MIB

    await draining
    assert await child.exited == 0


async def test_any_number_may_wait_and_one_that_is_cancelled_disturbs_none():
    child = await start(*CAT, stdin=sp.PIPE)
    waits = [asyncio.ensure_future(event) for event in 2 * (child.exited, child.drained)]
    await give_turns()

    for wait in waits[:2]:
        wait.cancel()
    child.stdin.close()

    assert await asyncio.gather(*waits[2:]) == [0, None]
    assert all(wait.cancelled() for wait in waits[:2])


async def test_they_can_be_awaited_again_and_afterwards():
    child = await start(*exit_with(3))
    exited, drained = child.exited, child.drained

    for _ in range(2):
        assert (await exited, await drained) == (3, None)
    assert (await child.exited, await child.drained) == (3, None)


async def test_one_that_is_never_awaited_is_dropped_in_silence():
    child = await start(*TRUE)

    child.exited, child.drained  # noqa: B018

    gc.collect()
    await child.communicate()


async def test_pipes_that_are_closed_here_have_come_to_their_end():
    child, ghost = await start_haunted()
    draining = asyncio.ensure_future(child.drained)
    await give_turns()

    await child.aclose()

    await draining
    os.kill(ghost, signal.SIGKILL)


# lingering()


async def test_who_holds_an_output_is_named():
    child, ghost = await start_haunted()
    await child.exited

    assert child.lingering() == [Descendant(ghost, "sleep")]

    child.kill_tree()
    await child.drained
    assert child.lingering() == []


async def test_the_child_itself_is_not_told_of_while_it_lives():
    child = await start(*sh("echo; sleep 3600 & wait"))
    await child.stdout.readline()

    assert child.pid not in {pid for pid, _ in child.lingering()}

    child.kill_tree()
    await child.communicate()


async def test_who_holds_our_end_is_not_who_keeps_it_open():
    child = await start(*SLEEP)
    reader = child.stdout._pipe_fileno()
    other = await sp.create_subprocess_exec(*SLEEP, pass_fds=[reader])

    assert child.lingering() == []

    for process in (child, other):
        process.kill()
        await process.communicate()


async def test_who_may_still_read_the_input_is_named():
    child = await sp.create_subprocess_exec(
        *sh("exec 3<&0; (exec sleep 3600 <&3) >&2 & exit"), stdin=sp.PIPE
    )
    await child.exited

    await until(lambda: [name for _, name in child.lingering()] == ["sleep"])

    child.kill_tree()
    await until(lambda: child.lingering() == [])
    child.stdin.close()


async def test_without_pipes_nobody_lingers():
    child = await sp.create_subprocess_exec(*SLEEP)

    assert child.lingering() == []

    child.kill()
    await child.exited


# The warning of communicate(eof_grace=)


async def test_who_holds_the_output_when_the_grace_is_over_is_logged(caplog):
    child, ghost = await start_haunted()

    with caplog.at_level(logging.WARNING, "procession"):
        assert await child.communicate(eof_grace=SOON) == (b"", None)

    expected = f"output of process {child.pid} is held open by sleep (pid {ghost})"
    assert caplog.record_tuples == [("procession", logging.WARNING, expected)]
    child.kill_tree()
    await child.drained


@pytest.mark.parametrize("grace", [0, LONG])
async def test_an_output_that_has_ended_is_not_logged(grace, caplog):
    child = await start(*sh("echo all"), stderr=sp.PIPE)

    assert await child.communicate(eof_grace=grace) == (b"all\n", b"")

    assert caplog.records == []
