"""The stream API on uvloop's loop."""

import asyncio
import contextlib
import gc

from helpers import patience
from helpers.leftovers import assert_nothing_left, assert_settles, descriptors
from helpers.own_interpreter import not_run, own_interpreter, skip

NOT_OURS = not_run("uvloop's own children are not ours to test")


def run(main):
    """Run a coroutine as asyncio.run() does, on uvloop's loop."""
    try:
        import uvloop
    except ImportError:
        skip("uvloop is not installed")
    with contextlib.closing(uvloop.new_event_loop()) as loop:
        try:
            return loop.run_until_complete(main)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())


@own_interpreter(NOT_OURS)
def test_input_output_and_status(sp):
    async def main():
        child = await sp.create_subprocess_shell(
            "cat; echo error >&2; exit 7",
            stdin=sp.PIPE,
            stdout=sp.PIPE,
            stderr=sp.PIPE,
        )
        result = await child.communicate(b"x" * (1 << 20))
        return result, child.returncode

    assert run(main()) == ((b"x" * (1 << 20), b"error\n"), 7)


@own_interpreter(NOT_OURS)
def test_lines_both_ways(sp):
    async def main():
        child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
        for i in range(100):
            child.stdin.write(b"%d\n" % i)
            await child.stdin.drain()
            assert await child.stdout.readline() == b"%d\n" % i
        child.stdin.close()
        await child.wait()
        return child.returncode

    assert run(main()) == 0


@own_interpreter(NOT_OURS)
def test_many_children_leave_nothing(sp):
    async def spawn(i):
        child = await sp.create_subprocess_exec("echo", str(i), stdout=sp.PIPE)
        return await child.communicate()

    async def main():
        await spawn(0)
        before = descriptors()
        results = await asyncio.gather(*[spawn(i) for i in range(200)])
        await assert_settles(before)
        return results

    assert run(main()) == [(b"%d\n" % i, None) for i in range(200)]


@own_interpreter(NOT_OURS)
def test_errors_of_spawning(sp):
    async def main():
        with contextlib.suppress(FileNotFoundError):
            await sp.create_subprocess_exec("no-such-program", stdout=sp.PIPE)
            raise AssertionError("no error")
        with contextlib.suppress(NotADirectoryError, FileNotFoundError):
            await sp.create_subprocess_exec("true", cwd="/no/such/directory")
            raise AssertionError("no error")

    run(main())
    before = descriptors()
    run(main())
    assert_nothing_left(before)


@own_interpreter(NOT_OURS)
def test_wait_ends_at_the_exit(sp):
    async def main():
        child = await sp.create_subprocess_shell("sleep 100 & exit 7", stdout=sp.PIPE)
        return await asyncio.wait_for(child.wait(), patience.seconds)

    assert run(main()) == 7


@own_interpreter(NOT_OURS)
def test_kill_cancel_and_time_out(sp):
    async def main():
        child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
        try:
            await asyncio.wait_for(child.wait(), 0.01)
        except asyncio.TimeoutError:
            child.kill()
        return await child.wait()

    assert run(main()) == -9


@own_interpreter(NOT_OURS)
def test_a_loop_that_closes_leaves_nothing(sp):
    async def main():
        child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
        child.kill()
        await child.wait()

    run(main())
    before = descriptors()
    for _ in range(10):
        run(main())
    gc.collect()
    assert_nothing_left(before)
