"""How a child ends with a block, is left to itself, and what it has used."""

import asyncio
import os
import resource
import signal
import time

import pytest

from children import (
    CAT,
    SLEEP,
    end,
    exit_with,
    flood,
    is_gone,
    is_stopped,
    python,
    sh,
    state,
    until,
)
from procession import subprocess as sp

DEAF = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True)"


async def start(*command, **options):
    pipes = {"stdin": sp.PIPE, "stdout": sp.PIPE, "stderr": sp.PIPE, **options}
    return await sp.create_subprocess_exec(*command, **pipes)


async def deaf(then):
    """Start a child that ignores SIGTERM, and has said so."""
    child = await start(*python(f"{DEAF}; {then}"))
    await child.stdout.readline()
    return child


def is_closed(child):
    return all(stream._pipe_fileno() < 0 for stream in child._streams if stream)


# async with


async def test_a_block_ends_its_child():
    async with await start(*SLEEP) as child:
        assert child.returncode is None

    assert child.returncode == -signal.SIGTERM
    assert is_gone(child.pid)
    assert is_closed(child)


async def test_a_child_that_has_ended_keeps_its_status_and_output():
    async with await start(*sh("echo out; exit 5")) as child:
        await child.wait()

    assert child.returncode == 5
    assert await child.stdout.read() == b"out\n"


async def test_a_child_has_time_to_end_by_itself():
    script = "trap 'echo bye; exit 7' TERM; echo ready; while :; do read line || sleep 0.01; done"
    async with await start(*sh(script)) as child:
        await child.stdout.readline()

    assert child.returncode == 7
    assert await child.stdout.read() == b"bye\n"


async def test_a_child_that_waits_for_input_sees_its_end():
    async with await deaf("sys.stdin.read(); sys.exit(6)") as child:
        pass

    assert child.returncode == 6


async def test_a_deaf_child_is_killed_after_the_grace():
    async with await deaf("import time; time.sleep(3600)") as child:
        child.grace = 0.05

    assert child.returncode == -signal.SIGKILL
    assert is_gone(child.pid)


async def test_a_stopped_child_is_ended():
    async with await start(*SLEEP) as child:
        child.grace = 0.05
        child.send_signal(signal.SIGSTOP)
        await until(lambda: is_stopped(child.pid))

    assert child.returncode == -signal.SIGKILL


async def test_the_error_of_a_block_goes_on():
    with pytest.raises(ZeroDivisionError):
        async with await start(*SLEEP) as child:
            1 / 0  # noqa: B018

    assert child.returncode == -signal.SIGTERM


async def test_a_cancelled_block_ends_its_child():
    async def block():
        async with await start(*SLEEP) as child:
            started.set_result(child)
            await child.wait()

    started = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(block())
    child = await started

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert child.returncode == -signal.SIGTERM
    assert is_closed(child)


async def test_cancelled_on_leaving_it_kills_at_once():
    child = await deaf("import time; time.sleep(3600)")
    child.grace = 3600
    task = asyncio.ensure_future(child.aclose())
    await asyncio.sleep(0.01)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert is_closed(child)
    assert await child.wait() == -signal.SIGKILL


async def test_leaving_twice_is_fine():
    async with await start(*CAT) as child:
        await child.aclose()

    await child.aclose()
    assert child.returncode in (0, -signal.SIGTERM)


async def test_a_flood_is_ended_although_nobody_reads():
    async with await start(*flood(1 << 30)) as child:
        await child.stdout.readexactly(1)

    assert child.returncode == -signal.SIGTERM
    assert is_closed(child)


async def test_a_hundred_blocks_leave_nothing():
    async def block(i):
        async with await start(*(CAT if i % 2 else SLEEP)) as child:
            if i % 3:
                child.stdin.write(bytes(1 << 17))
        return is_gone(child.pid) and is_closed(child)

    assert all(await asyncio.gather(*map(block, range(100))))


# detach()


def test_a_detached_child_outlives_its_loop_and_is_reaped(recwarn):
    async def leave():
        child = await sp.create_subprocess_exec(*SLEEP)
        child.detach()
        return child

    child = asyncio.run(leave())
    assert state(child.pid) not in ("", "Z")
    assert not recwarn.list

    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    asyncio.run(run_true())
    assert is_gone(child.pid)


async def run_true():
    await (await sp.create_subprocess_exec(*exit_with(0))).wait()


async def test_a_detached_child_is_waited_for_as_before():
    child = await start(*sh("read line; exit 5"))
    child.detach()

    async with child:
        child.stdin.write(b"\n")
        await child.stdin.drain()
        assert await child.wait() == 5


async def test_a_block_does_not_end_a_detached_child():
    async with await start(*SLEEP) as child:
        child.detach()

    assert child.returncode is None
    assert is_closed(child)
    await end(child)


# rusage


async def test_usage_is_known_after_the_end():
    code = "import time; data = bytearray(50 << 20)\nwhile time.process_time() < 0.05: pass"
    child = await start(*python(code))
    assert child.rusage is None

    await child.communicate()

    assert isinstance(child.rusage, resource.struct_rusage)
    assert child.rusage.ru_utime + child.rusage.ru_stime >= 0.05
    assert child.rusage.ru_maxrss >= 50 << 10
    assert child.rusage.ru_minflt > 0


async def test_usage_is_the_childs_own():
    busy = python("import time\nwhile time.process_time() < 0.1: pass")
    first, second = await start(*busy), await start(*exit_with(0))

    await asyncio.gather(first.communicate(), second.communicate())

    assert second.rusage.ru_utime + second.rusage.ru_stime < 0.1
    assert first.rusage.ru_utime + first.rusage.ru_stime >= 0.1


async def test_usage_that_somebody_else_has_taken_is_none():
    child = await sp.create_subprocess_exec(*CAT, stdin=sp.PIPE)
    child.stdin.close()
    os.waitpid(child.pid, 0)

    await child.wait()

    assert child.rusage is None


async def test_poll_publishes_the_usage():
    child = await sp.create_subprocess_exec(*exit_with(0))
    deadline = time.monotonic() + 20
    while child.poll() is None:
        assert time.monotonic() < deadline

    assert child.rusage.ru_maxrss > 0


# A loop that is closed


@pytest.mark.parametrize("cancelled", [False, True], ids=["wanted", "cancelled"])
def test_a_loop_may_be_closed_while_preexec_fn_runs(cancelled):
    loop = asyncio.new_event_loop()
    spawn = loop.create_task(sp.create_subprocess_exec(*SLEEP, preexec_fn=lambda: time.sleep(3600)))
    loop.run_until_complete(asyncio.sleep(0))
    loop.run_until_complete(asyncio.sleep(0))
    if cancelled:
        spawn.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(spawn)

    loop.close()

    # The leak guard looks for the child and for what stood for it. That the program has
    # lost a task is its own affair.
    spawn._log_destroy_pending = False
    del spawn
