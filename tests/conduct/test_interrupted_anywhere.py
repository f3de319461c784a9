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


class Interruption:
    """Raises an exception in whatever the main thread is at."""

    def __init__(self, kind, after):
        self.kind = kind
        self.after = after
        self.is_wanted = False

    def strike(self, *_):
        if self.is_wanted:
            raise self.kind

    def of(self, call):
        """Interrupt a call that has no end."""
        signal.signal(signal.SIGALRM, self.strike)
        try:
            try:
                self.is_wanted = True
                # More than once: what is raised in a destructor is reported and forgotten.
                signal.setitimer(signal.ITIMER_REAL, self.after, LATEST)
                call()
            finally:
                self.is_wanted = False
        except (KeyboardInterrupt, SystemExit):
            self.is_wanted = False
        signal.setitimer(signal.ITIMER_REAL, 0)


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
    Interruption(kind, after).of(lambda: loop.run_until_complete(busy(sp)))
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
