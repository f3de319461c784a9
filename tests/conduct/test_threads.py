"""Several loops, several threads, forks, SIGCHLD ignored."""

import asyncio
import gc
import os
import platform
import signal
import sys
import threading

from helpers.leftovers import assert_nothing_left, descriptors, threads
from helpers.own_interpreter import not_run, own_interpreter

LOOPS = 50

# From Linux 6.15 on a pidfd tells the status of a child that the kernel has reaped.
KERNEL = tuple(map(int, platform.release().split("-")[0].split(".")[:2]))
TRUE_STATUS = 3 if KERNEL >= (6, 15) else 255
NOISY = not_run("its threads and transports warn by chance")


async def echo(sp, text=b"hello"):
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE, stderr=sp.PIPE)
    assert await child.communicate(text) == (text, b"")
    assert child.returncode == 0


async def echo_together(sp, rounds, at_once):
    for _ in range(rounds):
        await asyncio.gather(*[echo(sp, b"%d" % i) for i in range(at_once)])


def in_threads(n, call):
    """Call in n threads at once; raise what one of them raised."""
    errors = []

    def target():
        try:
            call()
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=target) for _ in range(n)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for error in errors:
        raise error


@own_interpreter(NOISY)
def test_four_threads_with_a_loop_each_spawn_together(sp):
    before = descriptors()

    in_threads(4, lambda: asyncio.run(echo_together(sp, 10, 10)))

    assert_nothing_left(before)


@own_interpreter(NOISY)
def test_children_work_only_off_the_main_thread(sp):
    before = descriptors()

    in_threads(1, lambda: asyncio.run(echo_together(sp, 3, 10)))

    assert_nothing_left(before)


@own_interpreter(NOISY, needs_pidfd=True)
def test_sigchld_may_be_ignored(sp):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    async def status_of(script):
        child = await sp.create_subprocess_shell(script, stdin=sp.PIPE)
        await child.communicate()
        return child.returncode

    async def main():
        scripts = ["exit 3", "read line; exit 3"] * 20
        return await asyncio.gather(*map(status_of, scripts))

    before = descriptors()
    assert set(asyncio.run(main())) == {TRUE_STATUS}
    assert_nothing_left(before)
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN


# Python 3.12 warns of a fork in a process with threads.
FORKS = ("-W", "ignore::DeprecationWarning")


@own_interpreter(NOISY, options=FORKS)
def test_children_work_while_another_thread_forks(sp):
    end = threading.Event()
    forks = []

    def fork():
        while not end.is_set():
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            forks.append(os.waitpid(pid, 0))

    forker = threading.Thread(target=fork)
    forker.start()
    try:
        asyncio.run(echo_together(sp, 10, 10))
    finally:
        end.set()
        forker.join()

    assert forks and all(status == 0 for _, status in forks)


@own_interpreter(NOISY)
def test_successive_loops_leave_no_thread_descriptor_or_zombie(sp):
    asyncio.run(echo_together(sp, 1, 3))
    before, count = descriptors(), threads()

    for _ in range(LOOPS):
        asyncio.run(echo_together(sp, 1, 3))

    gc.collect()
    assert_nothing_left(before)
    assert threads() <= count


@own_interpreter(NOISY, options=FORKS)
def test_a_forked_child_spawns_while_its_parents_children_live(sp):
    async def main():
        child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
        child.stdin.write(b"before\n")
        assert await child.stdout.readline() == b"before\n"

        pid = os.fork()
        if pid == 0:
            end_with(in_forked_child)
        status = await asyncio.get_running_loop().run_in_executor(None, os.waitpid, pid, 0)

        assert status == (pid, 0)
        assert child.returncode is None
        assert await child.communicate(b"after\n") == (b"after\n", None)

    def in_forked_child():
        asyncio.events._set_running_loop(None)
        asyncio.run(echo_together(sp, 2, 5))

    asyncio.run(main())


def end_with(call):
    """Leave a forked process with status 0 if the call returns."""
    try:
        call()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)
