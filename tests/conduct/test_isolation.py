"""What a spawn leaves alone: terminal, descriptors, ids and signals of whoever spawns."""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import termios
import threading

from helpers.own_interpreter import own_interpreter, skip
from helpers.turns import turn

PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4
NOBODY = 65534


async def output_of(sp, *argv, **options):
    child = await sp.create_subprocess_exec(*argv, stdout=sp.PIPE, **options)
    output, _ = await child.communicate()
    assert child.returncode == 0
    return output


def place_of(stat):
    """Return process group, session, terminal and its foreground group of a stat file."""
    return [int(field) for field in stat.rpartition(b")")[2].split()[2:6]]


def place_of_this_process():
    with open("/proc/self/stat", "rb") as stat:
        return place_of(stat.read())


@contextlib.contextmanager
def controlling_terminal():
    """Give this session, whose leader this process is, a terminal."""
    master, slave = os.openpty()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    try:
        yield slave
    finally:
        os.close(slave)
        os.close(master)


@own_interpreter()
async def test_terminal_and_process_group_stay_as_they_are(sp):
    with controlling_terminal() as slave:
        before = (termios.tcgetattr(slave), os.tcgetpgrp(slave), place_of_this_process())
        assert before[2][2] != 0 and before[2][3] == os.getpgid(0)
        streams = [{"stdin": sp.PIPE}, {"stdin": slave}, {"stdin": slave, "stderr": slave}]

        for options in streams:
            stat = await output_of(sp, "cat", "/proc/self/stat", **options)
            assert place_of(stat) == before[2]
        killed = await sp.create_subprocess_exec("cat", stdin=slave)
        killed.kill()
        await killed.wait()

        after = (termios.tcgetattr(slave), os.tcgetpgrp(slave), place_of_this_process())
        assert after == before


@own_interpreter()
async def test_a_new_session_has_no_terminal_and_takes_none(sp):
    with controlling_terminal() as slave:
        before = os.tcgetpgrp(slave)

        stat = await output_of(
            sp, "cat", "/proc/self/stat", stdin=slave, stderr=slave, start_new_session=True
        )

        _, session, terminal, foreground = place_of(stat)
        assert session != os.getsid(0) and (terminal, foreground) == (0, -1)
        assert os.tcgetpgrp(slave) == before


def open_one_of_each(stack):
    """Return descriptors of all kinds that are passed as streams."""
    file = os.memfd_create("file")
    fds = [
        file,
        os.open(f"/proc/self/fd/{file}", os.O_RDWR | os.O_APPEND),
        os.open("/dev/null", os.O_RDWR),
        *os.pipe(),
        *os.openpty(),
        *(end.detach() for end in socket.socketpair()),
    ]
    for fd in fds:
        stack.callback(os.close, fd)
    return fds


def flags_of(fds):
    return [(fcntl.fcntl(fd, fcntl.F_GETFL), fcntl.fcntl(fd, fcntl.F_GETFD)) for fd in fds]


@own_interpreter()
async def test_descriptors_that_are_passed_keep_their_flags(sp):
    with contextlib.ExitStack() as stack:
        fds = open_one_of_each(stack)
        for blocking in (True, False):
            for fd in fds:
                os.set_blocking(fd, blocking)
            before = flags_of(fds)
            for fd in fds:
                for stream in ("stdin", "stdout", "stderr", "pass_fds"):
                    passed = [fd] if stream == "pass_fds" else fd
                    options = {"stdin": sp.PIPE, "stdout": sp.DEVNULL, stream: passed}
                    child = await sp.create_subprocess_exec("sleep", "100", **options)
                    assert flags_of(fds) == before
                    child.kill()
                    await child.communicate()
                    assert flags_of(fds) == before


@own_interpreter()
async def test_a_child_has_the_flags_of_what_is_passed(sp):
    with contextlib.ExitStack() as stack:
        for fd in open_one_of_each(stack):
            for blocking in (True, False):
                os.set_blocking(fd, blocking)

                output = await output_of(sp, "sh", "-c", "cat /proc/$$/fdinfo/0", stdin=fd)

                (line,) = (line for line in output.splitlines() if line.startswith(b"flags:"))
                flags = int(line.split()[1], 8)
                assert flags & ~os.O_CLOEXEC == fcntl.fcntl(fd, fcntl.F_GETFL)
                assert bool(flags & os.O_NONBLOCK) is not blocking


@own_interpreter()
def test_a_child_has_the_signal_mask_of_the_thread_that_asks_for_it(sp):
    async def blocked():
        status = await output_of(sp, "cat", "/proc/self/status")
        (line,) = (line for line in status.splitlines() if line.startswith(b"SigBlk:"))
        return int(line.split()[1], 16)

    def ask(number):
        signal.pthread_sigmask(signal.SIG_SETMASK, [number])
        masks[number] = asyncio.run(blocked())
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == {number}

    masks = {}
    numbers = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMAX]
    threads = [threading.Thread(target=ask, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert masks == {number: 1 << number - 1 for number in numbers}


@own_interpreter()
async def test_every_signal_that_is_ignored_is_ignored_in_the_child(sp):
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        signal.signal(number, signal.SIG_IGN)
    argv = ("cat", "/proc/self/status")

    for options in ({}, {"restore_signals": False}, {"start_new_session": True}):
        expected = subprocess.check_output(argv, **options)

        assert dispositions(await output_of(sp, *argv, **options)) == dispositions(expected)


def dispositions(status):
    """Return the ignored and the caught signals, but for the two of the C library."""
    libc = 1 << 31 | 1 << 32
    lines = dict(line.split(b":\t", 1) for line in status.splitlines())
    return [int(lines[name], 16) & ~libc for name in (b"SigIgn", b"SigCgt")]


def ids_of_threads(tasks):
    """Return users, groups and capabilities of each."""
    names = ("Uid:", "Gid:", "Groups:", "CapEff:", "CapPrm:", "NoNewPrivs:")
    found = {}
    for task in tasks:
        with open(f"/proc/self/task/{task}/status") as status:
            found[task] = [line for line in status if line.startswith(names)]
    return found


@contextlib.contextmanager
def idle_threads(count):
    """Return the numbers of all threads there are then, which stay."""
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield [threading.main_thread().native_id, *(thread.native_id for thread in threads)]
    finally:
        end.set()
        for thread in threads:
            thread.join()


@own_interpreter()
async def test_ids_of_every_thread_and_dumpable_stay_while_children_change_theirs(sp):
    if os.getuid():
        skip("only root may change users")
    options = {"user": NOBODY, "group": NOBODY - 1, "extra_groups": [7, 8]}
    prctl = ctypes.CDLL(None).prctl

    async def spawn(program):
        with contextlib.suppress(FileNotFoundError):
            await (await sp.create_subprocess_exec(program, **options)).wait()

    with idle_threads(3) as tasks:
        for dumpable in (1, 0):
            prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0)
            before = ids_of_threads(tasks)
            spawns = asyncio.gather(*[spawn(name) for name in ("true", "/nonexistent") * 10])
            while not spawns.done():
                assert ids_of_threads(tasks) == before
                await turn(1)

            await spawns
            assert ids_of_threads(tasks) == before
            assert prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == dumpable


@own_interpreter()
async def test_no_right_of_the_parent_is_left_in_a_child_of_another_user(sp):
    if os.getuid():
        skip("only root may change users")

    status = await output_of(
        sp, "cat", "/proc/self/status", user=NOBODY, group=NOBODY - 1, extra_groups=[7, 8]
    )

    fields = dict(line.split(b":\t", 1) for line in status.splitlines())
    assert fields[b"Uid"].split() == [b"%d" % NOBODY] * 4
    assert fields[b"Gid"].split() == [b"%d" % (NOBODY - 1)] * 4
    assert fields[b"Groups"].split() == [b"7", b"8"]
    for name in (b"CapEff", b"CapPrm", b"CapAmb"):
        assert int(fields[name], 16) == 0
