"""Statements about spawning: what it costs, whom it holds up, and how it fails."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from helpers import patience
from helpers.lease import LeasedProgram, leases_work
from helpers.leftovers import assert_settles, descriptors
from helpers.limits import (
    all_descriptors,
    assert_out_of_descriptors_is_clean,
    become_unprivileged,
    few_processes,
)
from helpers.own_interpreter import HOLDS, fails, fixed_in, not_run, own_interpreter, skip
from helpers.turns import Turns, turn

MIB = 1 << 20


@own_interpreter(fails("Popen waits for the execve() on the loop's thread (gh-146181)"))
async def test_01_the_loop_turns_while_a_child_is_stuck_in_execve(sp):
    with tempfile.TemporaryDirectory() as directory:
        if not leases_work(directory):
            skip("no leases on this file system")
        with LeasedProgram(directory) as program:
            wanted = asyncio.ensure_future(program.wanted())
            spawn = asyncio.ensure_future(sp.create_subprocess_exec(program.path))
            await wanted
            await turn(50)

            assert program.let_go()

            child = await spawn
            assert await child.wait() == 0


@own_interpreter(fails("Popen waits for preexec_fn on the loop's thread (gh-146181)"))
async def test_02_the_loop_turns_while_a_slow_preexec_fn_runs(sp):
    go_on, let_go = os.pipe()
    told, tell = os.pipe()
    os.set_blocking(go_on, False)

    def preexec_fn():
        for _ in range(200):
            try:
                os.write(tell, os.read(go_on, 1))
                return
            except BlockingIOError:
                time.sleep(0.01)
        os.write(tell, b"!")

    spawn = asyncio.ensure_future(sp.create_subprocess_exec("true", preexec_fn=preexec_fn))
    await turn(50)
    os.write(let_go, b".")
    child = await spawn
    await child.wait()

    assert os.read(told, 1) == b"."


async def processor_time(sp, **options):
    """Return the least processor time of some spawns, all threads together."""
    best = float("inf")
    for _ in range(15):
        before = time.process_time()
        child = await sp.create_subprocess_exec("true", **options)
        best = min(best, time.process_time() - before)
        await child.wait()
    return best


@own_interpreter(slow=True)
async def test_03_a_spawn_costs_the_same_in_a_big_parent(sp):
    small = await processor_time(sp)

    ballast = b"x" * (512 * MIB)
    big = await processor_time(sp)

    assert len(ballast) and big < 3 * small


@own_interpreter(fails("user= forks"), slow=True)
async def test_55_a_spawn_with_user_costs_the_same_in_a_big_parent(sp):
    if os.getuid():
        skip("user= needs root")
    small = await processor_time(sp, user=65534)

    ballast = b"x" * (512 * MIB)
    big = await processor_time(sp, user=65534)

    assert len(ballast) and big < 3 * small


# What refuses pidfds refuses pidfd_getfd() as well, without which the table is copied.
@own_interpreter(not_run("the cost of 15,000 descriptors depends on the machine"), needs_pidfd=True)
async def test_04_a_spawn_costs_the_same_with_many_descriptors(sp):
    limit = all_descriptors()
    if limit < 10_000:
        skip(f"RLIMIT_NOFILE is {limit}")
    few = await processor_time(sp)

    for _ in range(min(limit, 16_000) - 1_000):
        os.dup(0)
    many = await processor_time(sp)

    assert many < 4 * few


@own_interpreter()
def test_16_loops_of_four_threads_spawn_concurrently(sp):
    outputs = []

    async def spawn(i):
        child = await sp.create_subprocess_exec("echo", str(i), stdout=sp.PIPE)
        return await child.communicate()

    async def main():
        outputs.extend(await asyncio.gather(*[spawn(i) for i in range(20)]))

    run_in_threads(4, lambda: asyncio.run(main()))

    assert sorted(outputs) == sorted([(b"%d\n" % i, None) for i in range(20)] * 4)


def run_in_threads(n, call):
    threads = [threading.Thread(target=call) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@own_interpreter(fixed_in((3, 11), "descriptors stay open"))
async def test_25_a_spawn_that_runs_out_of_descriptors_fails_cleanly(sp):
    pipes = {"stdin": sp.PIPE, "stdout": sp.PIPE, "stderr": sp.PIPE}
    await (await sp.create_subprocess_exec("true", **pipes)).communicate()
    before = descriptors()

    failures = 0
    for free in range(16):
        failures += await assert_out_of_descriptors_is_clean(sp, free, **pipes)

    assert failures >= 6
    await assert_settles(before)


@own_interpreter()
async def test_28_siblings_do_not_hold_each_others_pipes(sp):
    async def spawn():
        return await sp.create_subprocess_exec(
            "cat", stdin=sp.PIPE, stdout=sp.PIPE, close_fds=False
        )

    children = await asyncio.gather(*[spawn() for _ in range(30)])

    for child in children:
        child.stdin.close()
        assert await asyncio.wait_for(child.stdout.read(), patience.seconds) == b""
        await child.wait()


@own_interpreter()
async def test_29_freshly_written_programs_run_while_others_are_spawned(sp):
    async def write_and_run(path):
        for _ in range(10):
            with open(path, "wb") as file:
                file.write(image)
            os.chmod(path, 0o755)
            child = await sp.create_subprocess_exec(path)
            assert await child.wait() == 0
            os.unlink(path)

    with open(shutil.which("true"), "rb") as file:
        image = file.read()
    with tempfile.TemporaryDirectory() as directory:
        names = [os.path.join(directory, str(i)) for i in range(20)]
        await asyncio.gather(*map(write_and_run, names))


@own_interpreter()
async def test_33_errors_are_those_of_popen(sp):
    with tempfile.TemporaryDirectory() as directory:
        plain = os.path.join(directory, "plain")
        with open(plain, "w") as file:
            file.write("echo no shebang\n")
        wrong = [
            (["no-such-program"], {}),
            (["/no/such/program"], {}),
            ([plain], {}),
            ([directory], {}),
            (["true"], {"cwd": "/no/such/directory"}),
            (["true"], {"cwd": plain}),
            (["no-such-program"], {"cwd": "/no/such/directory"}),
            (["true", "x" * (1 << 22)], {}),
        ]
        for argv, options in wrong:
            assert await error_of(sp, argv, options) == popen_error(argv, options)
        os.chmod(plain, 0o755)
        assert await error_of(sp, [plain], {}) == popen_error([plain], {})


async def error_of(sp, argv, options):
    try:
        await sp.create_subprocess_exec(*argv, **options)
    except OSError as error:
        return type(error), error.errno, error.filename
    raise AssertionError(f"no error from {argv[0]}")


def popen_error(argv, options):
    try:
        subprocess.Popen(argv, **options)
    except OSError as error:
        return type(error), error.errno, error.filename
    raise AssertionError(f"Popen has no error from {argv[0]}")


@own_interpreter()
def test_42_children_work_in_a_loop_of_another_thread(sp):
    async def main():
        child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
        outputs.append(await child.communicate(b"hello"))

    outputs = []
    run_in_threads(1, lambda: asyncio.run(main()))

    assert outputs == [(b"hello", None)]


@own_interpreter(not_run("600 spawns make one turn of the loop"), slow=True)
async def test_50_600_children_start_while_the_loop_keeps_turning(sp):
    all_descriptors()

    async def spawn():
        child = await sp.create_subprocess_exec("true", stdout=sp.PIPE)
        output, _ = await child.communicate()
        return child.returncode, output

    async with Turns() as turns:
        ends = await asyncio.gather(*[spawn() for _ in range(600)])

    assert ends == [(0, b"")] * 600
    assert turns.count >= 5


@own_interpreter(HOLDS)
def test_56_eager_tasks_can_spawn(sp):
    if sys.version_info < (3, 12):
        skip("eager tasks came with Python 3.12")

    async def spawn(i):
        child = await sp.create_subprocess_exec("echo", str(i), stdout=sp.PIPE)
        return await child.communicate()

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        return await asyncio.gather(*[spawn(i) for i in range(5)])

    assert asyncio.run(main()) == [(b"%d\n" % i, None) for i in range(5)]


@own_interpreter(HOLDS if sys.version_info >= (3, 12) else not_run("its threads hit the limit too"))
def test_61_too_many_processes_is_reported_as_such_and_passes(sp):
    become_unprivileged()
    asyncio.run(exhaust_processes(sp))


async def exhaust_processes(sp):
    async def spawn():
        child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
        return await child.communicate(b"hello")

    assert await spawn() == (b"hello", None)
    before = descriptors()

    with few_processes():
        for _ in range(10):
            try:
                await spawn()
            except BlockingIOError as error:
                assert error.errno == errno.EAGAIN
            else:
                raise AssertionError("no error")

    await assert_settles(before)
    assert await spawn() == (b"hello", None)


@own_interpreter()
async def test_64_spawning_works_while_0_1_and_2_are_closed(sp):
    saved = os.dup(2)
    os.closerange(0, 3)
    try:
        child = await sp.create_subprocess_shell(
            "cat; echo error >&2", stdin=sp.PIPE, stdout=sp.PIPE, stderr=sp.PIPE
        )
        result = await child.communicate(b"input")
    finally:
        os.dup2(saved, 2)

    assert result == (b"input", b"error\n")
