"""No descriptor of the parent is in a child, whatever its threads do in the meantime."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading

from helpers.leftovers import assert_nothing_left, descriptors
from helpers.own_interpreter import not_run, own_interpreter, skip

SPAWNS = 300
MANY_SPAWNS = 20_000
SPAWNING, OPENING, ACCEPTING = 4, 3, 3
AT_ONCE = 8

NOISY = not_run("its threads and transports warn by chance")

# What the shell has to open for that is among them, and the same each time.
REPORT = ("/bin/sh", "-c", "echo /proc/self/fd/*")
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def open_and_close(end):
    while not end.is_set():
        fds = [*os.pipe2(0), os.open("/", os.O_RDONLY), os.open("/dev/null", os.O_RDWR)]
        for fd in fds:
            os.set_inheritable(fd, True)
        for fd in fds:
            os.close(fd)


def connect_and_accept(end):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("")
        server.listen()
        while not end.is_set():
            with socket.socket(socket.AF_UNIX) as client:
                client.set_inheritable(True)
                client.connect(server.getsockname())
                connection, _ = server.accept()
                connection.set_inheritable(True)
                connection.close()


@contextlib.contextmanager
def busy_threads():
    """Have threads open and close what can be inherited."""
    end = threading.Event()
    calls = [open_and_close] * OPENING + [connect_and_accept] * ACCEPTING
    threads = [threading.Thread(target=call, args=(end,)) for call in calls]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)


async def reports(sp, count):
    """Spawn in turn, several at once; return the different reports."""
    found = set()

    async def spawn_in_turn():
        for _ in range(count // AT_ONCE):
            child = await sp.create_subprocess_exec(*REPORT, **PIPES)
            found.add(await child.communicate())

    await asyncio.gather(*[spawn_in_turn() for _ in range(AT_ONCE)])
    return found


def assert_nothing_inherited(sp, count):
    found = []

    def spawn():
        found.append(asyncio.run(reports(sp, count // SPAWNING)))

    expected = subprocess.run(REPORT, capture_output=True)
    before = descriptors()
    with busy_threads():
        threads = [threading.Thread(target=spawn) for _ in range(SPAWNING)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert found == [{(expected.stdout, expected.stderr)}] * SPAWNING
    assert_nothing_left(before)


@own_interpreter(NOISY)
def test_children_inherit_nothing_while_threads_open_and_accept(sp):
    assert_nothing_inherited(sp, SPAWNS)


@own_interpreter(not_run("this is about uvloop"))
def test_the_same_finds_what_uvloops_children_inherit(sp):
    try:
        import uvloop
    except ImportError:
        skip("uvloop is not installed")
    expected = subprocess.run(REPORT, capture_output=True)

    loop = uvloop.new_event_loop()
    with busy_threads():
        found = loop.run_until_complete(reports(asyncio.subprocess, 2 * AT_ONCE))
    loop.close()

    assert found != {(expected.stdout, expected.stderr)}


@own_interpreter(NOISY, seconds=600, deep=True)
def test_20000_children_inherit_nothing_while_threads_open_and_accept(sp):
    assert_nothing_inherited(sp, MANY_SPAWNS)
