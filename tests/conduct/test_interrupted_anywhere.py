"""Ctrl-C and sys.exit() at any moment: the loop can be closed, and nothing is left."""

import asyncio
import contextlib
import logging
import signal
import sys
import warnings

from helpers.leftovers import assert_nothing_left, descriptors
from helpers.own_interpreter import UNWARNED, not_run, own_interpreter

ROUNDS = 400
LATEST = 0.012


class Interrupted:
    """Raises an exception in whatever the main thread is at."""

    def __init__(self, kind, after):
        self.kind = kind
        self.after = after

    def strike(self, *_):
        raise self.kind

    def __enter__(self):
        signal.signal(signal.SIGALRM, self.strike)
        # More than once: what is raised in a destructor is reported and forgotten.
        signal.setitimer(signal.ITIMER_REAL, self.after, LATEST)

    def __exit__(self, kind, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        return kind in (KeyboardInterrupt, SystemExit)


async def busy(sp):
    """Be at everything at once."""
    pipes = {"stdin": sp.PIPE, "stdout": sp.PIPE, "stderr": sp.PIPE}

    async def converse():
        async with await sp.create_subprocess_exec("cat", **pipes) as child:
            for i in range(1000):
                child.stdin.write(b"%d\n" % i)
                await child.stdin.drain()
                assert await child.stdout.readline() == b"%d\n" % i

    async def collect():
        while True:
            child = await sp.create_subprocess_exec("cat", **pipes)
            assert await child.communicate(bytes(200000), timeout=20) == (bytes(200000), b"")

    async def fail():
        while True:
            with contextlib.suppress(FileNotFoundError):
                await sp.create_subprocess_exec("/no/such/program", **pipes)
            await asyncio.sleep(0)

    await asyncio.gather(converse(), collect(), fail())


def close(loop):
    """End all tasks and the loop, as asyncio.run() does. Not for ever: a task whose turn
    the loop was about to call when it was interrupted has none any more."""

    async def end(tasks):
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=0.2)

    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        loop.run_until_complete(end(asyncio.all_tasks(loop)))
    loop.close()


def one_round(sp, kind, after):
    loop = asyncio.new_event_loop()
    with Interrupted(kind, after):
        loop.run_until_complete(busy(sp))
    close(loop)


@own_interpreter(not_run("what it leaves depends on chance"), options=UNWARNED, slow=True)
def test_whatever_is_interrupted_leaves_nothing(sp):
    # Where an exception cannot be raised, as in a destructor, the interpreter reports it.
    sys.unraisablehook = lambda unraisable: None
    logging.disable()
    warnings.simplefilter("ignore")
    before = descriptors()
    for i in range(ROUNDS):
        one_round(sp, (KeyboardInterrupt, SystemExit)[i % 2], LATEST * (i + 1) / ROUNDS)

    assert_nothing_left(before)
