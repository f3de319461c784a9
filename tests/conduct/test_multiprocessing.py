"""multiprocessing beside children: by fork and by spawn, from a loop that is at work."""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

from helpers.own_interpreter import not_run, own_interpreter

COUNT = 2
NOT_ASKED = not_run("it has no fault here, and interpreters take long to start")


async def run_cat(text):
    import procession

    child = await procession.create_subprocess_exec(
        "cat", stdin=procession.PIPE, stdout=procession.PIPE
    )
    output, _ = await child.communicate(text)
    return output


def spawn_there(number):
    """Run children in a process that multiprocessing has started."""
    text = b"%d" % number
    assert asyncio.run(run_cat(text)) == text
    return number


async def start_and_talk(sp):
    """Return a child in the middle of a dialogue."""
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
    child.stdin.write(b"before\n")
    assert await child.stdout.readline() == b"before\n"
    return child


async def finish(child):
    output, _ = await child.communicate(b"after\n")
    assert (output, child.returncode) == (b"after\n", 0)


def processes_end_as_they_should(sp, method):
    async def main():
        child = await start_and_talk(sp)
        context = multiprocessing.get_context(method)
        processes = [context.Process(target=spawn_there, args=(i,)) for i in range(COUNT)]
        for process in processes:
            process.start()
        spawned = await asyncio.gather(*(run_cat(b"%d" % i) for i in range(COUNT)))
        for process in processes:
            await asyncio.to_thread(process.join)
        assert [process.exitcode for process in processes] == [0] * COUNT
        assert spawned == [b"%d" % i for i in range(COUNT)]
        await finish(child)

    asyncio.run(main())


def a_pool_works(sp, method):
    async def main():
        loop = asyncio.get_running_loop()
        child = await start_and_talk(sp)
        with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
            calls = [loop.run_in_executor(pool, spawn_there, i) for i in range(COUNT)]
            assert await asyncio.gather(*calls) == list(range(COUNT))
        await finish(child)

    asyncio.run(main())


# The interpreter warns of a fork beside threads, which it is about.
QUIET = ("-W", "ignore::DeprecationWarning")


@own_interpreter(NOT_ASKED, options=QUIET, slow=True)
def test_forked_processes_and_children_do_not_disturb_each_other(sp):
    processes_end_as_they_should(sp, "fork")


@own_interpreter(NOT_ASKED, options=QUIET, slow=True)
def test_spawned_processes_and_children_do_not_disturb_each_other(sp):
    processes_end_as_they_should(sp, "spawn")


@own_interpreter(NOT_ASKED, options=QUIET, slow=True)
def test_a_pool_of_forked_processes_works_beside_children(sp):
    a_pool_works(sp, "fork")


@own_interpreter(NOT_ASKED, options=QUIET, slow=True)
def test_a_pool_of_spawned_processes_works_beside_children(sp):
    a_pool_works(sp, "spawn")
