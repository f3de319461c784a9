"""Limits where the kernel refuses, and children that die with their parent."""

import asyncio
import os
import signal
import subprocess
import sys
import time

from helpers import own_interpreter as ways
from helpers import patience
from helpers.leash import Leash
from helpers.leftovers import own_threads
from helpers.own_interpreter import TESTS, not_run, own_interpreter, skip
from helpers.refusal import NUMBERS, is_possible, refuse_call
from procession import Limits

ROADS = {"clone": {}, "fork": {"preexec_fn": int}}
HAS_NONE = not_run("it has no limits")


@own_interpreter(HAS_NONE)
async def test_a_limit_that_the_kernel_refuses_is_named(sp):
    if not is_possible():
        skip("no filter for this machine")
    for name in ("prlimit64", "setpriority", "sched_setaffinity", "ioprio_set"):
        refuse_call(NUMBERS[os.uname().machine][name], "EPERM")
    amounts = ("cpu_seconds", "memory", "open_files", "processes", "file_size", "core", "stack")
    refused = {**dict.fromkeys(amounts, 1 << 30), "nice": 19, "cpus": [0], "io_priority": "idle"}

    for options in ROADS.values():
        for name, value in refused.items():
            try:
                await sp.create_subprocess_exec("true", limits=Limits(**{name: value}), **options)
            except PermissionError as error:
                assert error.limit_name == name
                assert error.strerror == f"cannot set limit {name}: Operation not permitted"
            else:
                raise AssertionError(name)


# A program with a child that dies with it. When a thread of procession that had something
# to do later has ended for want of work, it asks the child for an answer.
PARENT = """
import asyncio, sys, threading
sys.path[0] = sys.argv[1]
import procession
from children import sh, until
from helpers.leftovers import own_threads
from helpers.own_interpreter import choose_ways
choose_ways(*sys.argv[2:4])

async def outlast_a_thread():
    # An engine that has no child sends its threads away.
    child = await procession.create_subprocess_exec("cat", stdin=procession.PIPE)
    await until(lambda: own_threads() <= 1)
    await child.communicate()

async def main():
    child = await procession.create_subprocess_exec(
        *sh("read line; echo $line; exec sleep 3600"),
        stdin=procession.PIPE,
        stdout=procession.PIPE,
        pass_fds=[int(sys.argv[4])],
        limits=procession.Limits(die_with_parent=True),
    )
    other = threading.Thread(target=asyncio.run, args=[outlast_a_thread()])
    other.start()
    await asyncio.to_thread(other.join)
    child.stdin.write(b"alive\\n")
    print(await child.stdout.readline(), flush=True)
    await child.wait()

asyncio.run(main())
"""


def test_a_child_dies_with_its_parent_but_not_with_the_thread_that_made_it():
    with Leash() as leash:
        fd = leash.collar.fileno()
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, TESTS, ways.backend, ways.table, str(fd)],
            stdout=subprocess.PIPE,
            pass_fds=[fd],
        )
        leash.collar.close()
        with parent:
            said = parent.stdout.readline()
            parent.kill()

        assert said == b"b'alive\\n'\n"
        leash.assert_child_gone()


@own_interpreter(HAS_NONE)
def test_a_detached_child_keeps_the_thread_that_made_it_and_no_longer(sp):
    async def start(collar):
        child = await sp.create_subprocess_exec(
            "cat", stdin=collar, limits=Limits(die_with_parent=True)
        )
        child.detach()
        return child.pid

    with Leash() as leash:
        pid = asyncio.run(start(leash.collar))
        leash.collar.close()
        asyncio.run(start_true(sp))
        wait_for(lambda: own_threads() <= 1)
        leash.assert_child_alive()
        os.kill(pid, signal.SIGKILL)
        leash.assert_child_gone()
    # It is reaped by some later spawn.
    wait_for(lambda: asyncio.run(start_true(sp)) or own_threads() == 0)


async def start_true(sp):
    await (await sp.create_subprocess_exec("true")).wait()


def wait_for(condition):
    """What is left to the background has no event to wait for."""
    end = time.monotonic() + patience.seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)
