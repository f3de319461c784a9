"""wait() and communicate() that give up: after a time, at a limit, or past the exit."""

import asyncio
import os
import signal
import subprocess

import pytest

from children import CAT, SLEEP, end, exit_with, flood, sh, until
from procession import subprocess as sp

SOON = 0.02
LONG = 20.0
MIB = 1 << 20

# Says what it has to say, leaves somebody in the background who holds its output, ends.
HAUNTED = "echo out; echo err >&2; sleep 3600 & echo $! >&0; exit 5"


async def start(*command, **options):
    return await sp.create_subprocess_exec(*command, stdout=sp.PIPE, stderr=sp.PIPE, **options)


# wait()


async def test_wait_in_time_returns_the_status():
    child = await sp.create_subprocess_exec(*exit_with(5))

    assert await child.wait(LONG) == 5
    assert await child.wait(timeout=0) == 5


@pytest.mark.parametrize("timeout", [SOON, 0, -1])
async def test_wait_gives_up_as_popen_does(timeout):
    child = await sp.create_subprocess_exec(*SLEEP)

    with pytest.raises(subprocess.TimeoutExpired) as expired:
        await child.wait(timeout)

    assert expired.value.cmd == list(SLEEP)
    assert expired.value.timeout == timeout
    assert child.returncode is None
    await end(child)


async def test_a_wait_that_gave_up_disturbs_no_other_and_can_be_repeated():
    child = await sp.create_subprocess_exec(*SLEEP)
    other = asyncio.ensure_future(child.wait())

    for _ in range(3):
        with pytest.raises(subprocess.TimeoutExpired):
            await child.wait(SOON)

    child.kill()
    assert await child.wait(LONG) == await other == -9


async def test_a_shell_command_is_named_as_it_was_given():
    child = await sp.create_subprocess_shell("exec sleep 3600")

    with pytest.raises(subprocess.TimeoutExpired, match="'exec sleep 3600' timed out"):
        await child.wait(SOON)

    await end(child)


async def test_wait_takes_a_last_look_before_it_gives_up():
    child = await sp.create_subprocess_exec(*CAT, stdin=sp.PIPE)
    child.kill()
    child._child.wait_blocking(LONG)

    assert await child.wait(0) == -9
    await child.communicate()


@pytest.mark.parametrize("timeout", ["soon", object()])
async def test_a_timeout_is_a_number(timeout):
    child = await start(*CAT, stdin=sp.PIPE)

    with pytest.raises(TypeError):
        await child.wait(timeout)
    for wrong in ({"timeout": timeout}, {"eof_grace": timeout}):
        with pytest.raises(TypeError):
            await child.communicate(b"lost?", **wrong)

    assert await child.communicate(b"input") == (b"input", b"")


async def test_cancelled_a_timed_wait_leaves_the_child_as_it_is():
    child = await sp.create_subprocess_exec(*SLEEP)
    task = asyncio.ensure_future(child.wait(LONG))
    await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert child.returncode is None
    await end(child)


# communicate(timeout=)


async def test_communicate_in_time_returns_all():
    child = await start(*sh("cat; echo err >&2"), stdin=sp.PIPE)

    assert await child.communicate(b"in", timeout=LONG) == (b"in", b"err\n")
    assert child.returncode == 0


async def test_communicate_gives_up_with_what_has_come_and_loses_nothing():
    child = await start(*sh("echo early; echo oops >&2; read line; echo late"), stdin=sp.PIPE)
    stdin, child._streams = child.stdin, (None, *child._streams[1:])
    child.stdin = None

    async def has_come():
        try:
            await child.communicate(timeout=SOON)
        except subprocess.TimeoutExpired as expired:
            return expired
        raise AssertionError("it did not give up")

    expired = await has_come()
    while expired.output is None or expired.stderr is None:
        expired = await has_come()

    assert (expired.output, expired.stdout, expired.stderr) == (b"early\n", b"early\n", b"oops\n")
    assert (expired.cmd, expired.timeout) == (list(sh(child._args[2])), SOON)
    stdin.write(b"go on\n")
    assert await child.communicate() == (b"early\nlate\n", b"oops\n")
    stdin.close()


async def test_nothing_has_come_is_told_as_by_popen():
    child = await sp.create_subprocess_exec(*SLEEP, stdout=sp.PIPE)
    popen = subprocess.Popen(SLEEP, stdout=subprocess.PIPE)

    with pytest.raises(subprocess.TimeoutExpired) as ours:
        await child.communicate(timeout=SOON)
    with popen, pytest.raises(subprocess.TimeoutExpired) as popens:
        try:
            popen.communicate(timeout=SOON)
        finally:
            popen.kill()

    assert str(ours.value) == str(popens.value).replace("('sleep', '3600')", "['sleep', '3600']")
    assert ours.value.output is popens.value.output is None
    assert ours.value.stderr is popens.value.stderr is None
    await end(child)


async def test_input_goes_on_after_communicate_gave_up():
    size = 4 * MIB
    child = await start(*sh("sleep 0.2; cat"), stdin=sp.PIPE)

    with pytest.raises(subprocess.TimeoutExpired):
        await child.communicate(bytes(size), timeout=SOON)

    output, _ = await child.communicate()
    assert output == bytes(size)


async def test_a_large_partial_output_is_whole_in_the_end():
    size = 3 * MIB
    child = await start(*sh(f"head -c {size} /dev/zero; exec sleep 3600"))

    for _ in range(3):
        with pytest.raises(subprocess.TimeoutExpired) as expired:
            await child.communicate(timeout=0.1)
    child.kill()
    output, _ = await child.communicate()

    assert output == bytes(size)
    assert output.startswith(expired.value.output)


async def test_communicate_waits_for_the_exit_within_its_time_too():
    child = await start(*sh("echo out; exec >&- 2>&-; exec sleep 3600"))

    with pytest.raises(subprocess.TimeoutExpired) as expired:
        await child.communicate(timeout=0.3)

    assert expired.value.output == b"out\n"
    child.kill()
    assert await child.communicate() == (b"out\n", b"")


# communicate(eof_grace=)


async def haunted(pipe):
    _, write = pipe
    return await start(*sh(HAUNTED), stdin=write)


def kill_ghost(pipe):
    read, _ = pipe
    os.kill(int(os.read(read, 100)), signal.SIGKILL)


async def test_grandchildren_are_not_waited_for_longer_than_asked(pipe):
    child = await haunted(pipe)

    assert await child.communicate(eof_grace=SOON) == (b"out\n", b"err\n")

    assert child.returncode == 5
    assert child.stdout._pipe_fileno() >= 0
    kill_ghost(pipe)
    assert await child.communicate() == (b"", b"")


async def test_the_timeout_ends_a_longer_grace(pipe):
    child = await haunted(pipe)

    with pytest.raises(subprocess.TimeoutExpired) as expired:
        await child.communicate(timeout=0.3, eof_grace=LONG)

    assert (expired.value.output, expired.value.stderr) == (b"out\n", b"err\n")
    assert child.returncode == 5
    kill_ghost(pipe)
    assert await child.communicate() == (b"out\n", b"err\n")


async def test_the_grace_starts_with_the_exit():
    child = await start(*sh("sleep 0.2; echo late; echo later >&2"))

    assert await child.communicate(eof_grace=0) == (b"late\n", b"later\n")


async def test_ends_that_come_within_the_grace_are_waited_for():
    child = await start(*sh("(sleep 0.2; echo ghost) & exit 5"))

    assert await child.communicate(eof_grace=LONG) == (b"ghost\n", b"")
    assert child.returncode == 5


async def test_all_that_a_child_wrote_is_there_without_grace():
    size = 2 * MIB
    child = await start(*flood(size))

    output, _ = await child.communicate(eof_grace=0)

    assert len(output) == size


# communicate(limit=)


@pytest.mark.parametrize("size", [0, 1, 1000, MIB])
async def test_an_output_as_long_as_the_limit_is_returned(size):
    child = await start(*flood(size))

    output, errors = await child.communicate(limit=size)

    assert (output, errors) == (bytes(size), b"")


@pytest.mark.parametrize("limit", [0, 999, MIB])
async def test_an_output_longer_than_the_limit_is_refused_and_kept(limit):
    size = 2 * MIB
    child = await start(*flood(size))

    with pytest.raises(asyncio.LimitOverrunError) as overrun:
        await child.communicate(limit=limit)

    assert f"longer than the limit of {limit} bytes" in str(overrun.value)
    assert limit < overrun.value.consumed <= max(limit + 1, 3 * 65536)
    output, _ = await child.communicate()
    assert len(output) == size


@pytest.mark.parametrize("more", [{}, {"eof_grace": LONG}, {"timeout": LONG}])
async def test_the_other_output_is_under_the_limit_too(more):
    child = await start(*sh("exec 1>&2; cat /dev/zero"))

    with pytest.raises(asyncio.LimitOverrunError):
        await child.communicate(limit=MIB, **more)

    assert child.returncode is None
    child.kill()
    await child.wait()


async def test_a_limit_is_not_negative():
    child = await start(*CAT, stdin=sp.PIPE)

    with pytest.raises(ValueError, match="limit must be 0 or more"):
        await child.communicate(b"lost?", limit=-1)

    assert await child.communicate(b"input") == (b"input", b"")


async def test_a_limit_holds_for_one_call_only():
    child = await start(*flood(MIB))

    with pytest.raises(asyncio.LimitOverrunError):
        await child.communicate(limit=10)

    assert len(await child.stdout.read()) == MIB
    await child.communicate()


async def test_one_output_past_the_limit_costs_nothing_of_the_other():
    for _ in range(20):
        async with await start(
            *sh("echo out; head -c 1000 /dev/zero >&2; sleep 0.5 & exit 5")
        ) as child:
            with pytest.raises(asyncio.LimitOverrunError):
                await child.communicate(eof_grace=0, limit=100)

            assert await child.stdout.readline() == b"out\n"


# Streams of the program's own


async def test_replaced_streams_have_the_timeout_only():
    child = await start(*SLEEP)
    child.stdout = None

    with pytest.raises(ValueError, match="streams that the process came with"):
        await child.communicate(limit=1)
    with pytest.raises(subprocess.TimeoutExpired):
        await child.communicate(timeout=SOON)

    child.kill()
    await child.communicate()
    await until(lambda: child.returncode is not None)
