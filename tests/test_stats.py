"""The counters, where they are added to and where they must not be."""

import asyncio
import contextlib
import dataclasses
import itertools
import math
import os
import resource
import subprocess
import sys
import threading

import pytest

import procession
from children import CAT, SLEEP, TIMEOUT, TRUE, flood, until
from procession import PIPE, create_subprocess_exec, stats
from procession.waiting import wait_pid


def difference(before):
    """Return what has been counted since, of what is not 0."""
    after = dataclasses.asdict(stats())
    counted = {
        name: after[name] - value
        for name, value in dataclasses.asdict(before).items()
        if name != "spawn_times"
    }
    return {name: value for name, value in counted.items() if value}


async def run_true():
    await (await create_subprocess_exec(*TRUE)).wait()


def attempts(snapshot):
    return sum(count for _, count in snapshot.spawn_times)


async def test_a_child_is_alive_from_its_start_to_its_end():
    before = stats()

    process = await create_subprocess_exec(*SLEEP)
    assert difference(before) == {"spawned": 1, "alive": 1}
    process.kill()
    await process.wait()

    assert difference(before) == {"spawned": 1, "ended": 1}


async def test_an_attempt_is_queued_until_its_outcome_is_known():
    before = stats()

    tasks = [asyncio.create_task(create_subprocess_exec(*TRUE)) for _ in range(3)]
    await asyncio.sleep(0)
    assert difference(before) == {"queued": 3}
    for process in await asyncio.gather(*tasks):
        await process.wait()

    assert difference(before) == {"spawned": 3, "ended": 3}


async def test_a_program_that_does_not_exist_is_a_failure():
    before = stats()

    with pytest.raises(FileNotFoundError):
        await create_subprocess_exec("/no/such/program")

    assert difference(before) == {"failed": 1}
    assert attempts(stats()) == attempts(before) + 1


async def test_a_spawn_that_meets_a_limit_before_it_is_under_way_is_a_failure():
    before = stats()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    fd = os.dup(0)

    resource.setrlimit(resource.RLIMIT_NOFILE, (fd + 1, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            await create_subprocess_exec(*TRUE, stdin=PIPE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        os.close(fd)

    assert difference(before) == {"failed": 1}


async def test_an_engine_that_cannot_be_made_is_a_failure_of_the_spawn():
    before = stats()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    fd = os.dup(0)

    resource.setrlimit(resource.RLIMIT_NOFILE, (fd + 1, limits[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            await create_subprocess_exec(*TRUE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        os.close(fd)

    assert difference(before) == {"failed": 1}


async def test_a_call_that_is_wrong_is_no_attempt():
    before = stats()

    with pytest.raises(ValueError, match="null byte"):
        await create_subprocess_exec("true", "\0")
    with pytest.raises(TypeError):
        await create_subprocess_exec(7)

    assert difference(before) == {}


async def test_a_cancelled_attempt_leaves_the_queue():
    before = stats()

    task = asyncio.create_task(create_subprocess_exec(*TRUE))
    await asyncio.sleep(0)
    assert difference(before) == {"queued": 1}
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    assert difference(before) == {}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_children_by_the_slow_road_are_counted():
    before = stats()

    process = await create_subprocess_exec(*TRUE, preexec_fn=os.getpid)
    await process.wait()
    with pytest.raises(subprocess.SubprocessError):
        await create_subprocess_exec(*TRUE, preexec_fn=lambda: 1 / 0)

    assert difference(before) == {"spawned": 1, "ended": 1, "failed": 1}


async def test_children_of_protocols_are_counted():
    before = stats()

    transport, _ = await procession.subprocess_exec(
        asyncio.SubprocessProtocol, *TRUE, stdin=None, stdout=None, stderr=None
    )
    await transport._wait()
    transport.close()

    assert difference(before) == {"spawned": 1, "ended": 1}


async def test_commands_of_run_and_map_are_counted_with_their_bytes():
    before = stats()

    await procession.run(CAT, input=bytes(200_000), capture_output=True)
    async for _ in procession.map([flood(1000), ["/no/such/program"], TRUE], stdout=PIPE):
        pass

    assert difference(before) == {
        "spawned": 3,
        "ended": 3,
        "failed": 1,
        "bytes_read": 201_000,
        "bytes_written": 200_000,
    }
    assert attempts(stats()) == attempts(before) + 4


async def test_a_command_that_is_ended_is_not_alive():
    before = stats()

    with pytest.raises(subprocess.TimeoutExpired):
        await procession.run(SLEEP, timeout=0.01)
    async for result in procession.map([SLEEP, TRUE, SLEEP, SLEEP], concurrency=3):
        assert result.ok
        break

    await until(lambda: (stats().alive, stats().queued) == (before.alive, before.queued))


async def test_children_of_the_programs_own_are_not_counted():
    before = stats()

    assert await wait_pid(os.posix_spawnp("true", ["true"], os.environ)) == 0

    assert difference(before) == {}


async def test_every_byte_is_counted_once_on_its_way_there_and_back():
    size = 3_000_000
    before = stats()

    process = await create_subprocess_exec(*CAT, stdin=PIPE, stdout=PIPE)
    output, _ = await process.communicate(bytes(size))

    assert len(output) == size
    assert difference(before) == {
        "spawned": 1,
        "ended": 1,
        "bytes_read": size,
        "bytes_written": size,
    }


@pytest.mark.parametrize("how", ["read", "readexactly", "readline", "readinto", "lines"])
async def test_every_way_of_reading_is_counted(how):
    size = 100_000
    before = stats()
    process = await create_subprocess_exec(*flood(size), stdout=PIPE)
    reader = process.stdout

    if how == "read":
        while await reader.read(1000):
            pass
    elif how == "readexactly":
        await reader.readexactly(size)
    elif how == "readline":
        with contextlib.suppress(ValueError):
            await reader.readline()
        await reader.read()
    elif how == "readinto":
        while await reader.readinto(bytearray(5000)):
            pass
    else:
        async for _ in reader.lines():
            pass
    await process.wait()

    assert difference(before)["bytes_read"] == size


async def test_what_a_transport_reads_and_writes_is_counted(pipe):
    class Protocol(asyncio.SubprocessProtocol):
        def pipe_connection_lost(self, fd, exc):
            if fd == 1:
                ended.set_result(None)

    ended = asyncio.get_running_loop().create_future()
    before = stats()

    transport, _ = await procession.subprocess_exec(Protocol, *CAT, stderr=None)
    stdin = transport.get_pipe_transport(0)
    stdin.write(bytes(200_000))
    stdin.write_eof()
    await asyncio.wait_for(ended, TIMEOUT)
    await transport._wait()
    transport.close()

    counted = difference(before)
    assert (counted["bytes_read"], counted["bytes_written"]) == (200_000, 200_000)


async def test_the_histogram_has_each_attempt_once_in_bounds_that_double():
    before = stats()

    for process in await asyncio.gather(*(create_subprocess_exec(*TRUE) for _ in range(20))):
        await process.wait()

    bounds = [bound for bound, _ in before.spawn_times]
    assert bounds == [bound for bound, _ in stats().spawn_times]
    assert bounds[0] == 1e-6
    assert all(b == pytest.approx(2 * a) for a, b in itertools.pairwise(bounds[:-1]))
    assert bounds[-1] == math.inf
    assert attempts(stats()) == attempts(before) + 20


def test_loops_in_several_threads_count_together():
    async def main():
        for _ in range(10):
            await run_true()

    before = stats()

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)

    assert difference(before) == {"spawned": 40, "ended": 40}


@pytest.mark.filterwarnings("ignore:.*still running when its event loop was closed")
def test_what_a_loop_leaves_behind_is_not_alive():
    async def main():
        killed = await create_subprocess_exec(*SLEEP)
        detached = await create_subprocess_exec(*CAT, stdin=PIPE)
        detached.detach()
        assert killed.returncode is None
        return detached.pid

    before = stats()

    pid = asyncio.run(main())
    assert difference(before) == {"spawned": 2, "ended": 2}

    os.waitpid(pid, 0)
    asyncio.run(run_true())


@pytest.mark.slow
def test_a_forked_process_begins_at_zero_and_leaves_its_parents_counters_alone():
    code = """
import asyncio, dataclasses, os, warnings
import procession
warnings.simplefilter("ignore")

async def child():
    process = await procession.create_subprocess_exec("true")
    await process.wait()

async def main():
    process = await procession.create_subprocess_exec("cat", stdin=procession.PIPE)
    before = procession.stats()
    pid = os.fork()
    if pid == 0:
        try:
            del process
            counted = procession.stats()
            assert not any(dataclasses.astuple(counted)[:7]), counted
            assert not sum(count for _, count in counted.spawn_times)
            asyncio.events._set_running_loop(None)
            asyncio.run(child())
            counted = procession.stats()
            assert (counted.spawned, counted.ended, counted.alive) == (1, 1, 0), counted
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    assert await procession.wait_pid(pid) == 0
    assert procession.stats() == before
    await process.communicate()
    print("done")

asyncio.run(main())
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=TIMEOUT)

    assert (done.returncode, done.stdout) == (0, b"done\n")


def test_stats_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        stats().spawned = 0
