"""A process with thousands of open descriptors: its children are as those of any other."""

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import itertools
import os
import subprocess
import sys
import tempfile

from helpers.lease import LeasedProgram, leases_work
from helpers.leash import Leash
from helpers.leftovers import assert_settles, descriptors
from helpers.limits import (
    all_descriptors,
    assert_out_of_descriptors_is_clean,
    become_unprivileged,
)
from helpers.own_interpreter import not_run, own_interpreter, skip
from helpers.turns import turn

MANY = 2500
PIDFD_GETFD = 438
NOT_OURS = not_run("what asyncio does with many descriptors is not ours to test")


@contextlib.contextmanager
def many_descriptors():
    """Open many, of which every other one is inheritable."""
    if all_descriptors() < 2 * MANY:
        skip("RLIMIT_NOFILE is too low")
    with contextlib.ExitStack() as stack:
        for n in range(MANY):
            fd = os.open("/", os.O_PATH | os.O_CLOEXEC)
            stack.callback(os.close, fd)
            os.set_inheritable(fd, n % 2 == 0)
        yield


def can_fetch():
    """Say whether the kernel lets a thread fetch from the process's table."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(PIDFD_GETFD, -1, 0, 0)
    return ctypes.get_errno() == errno.EBADF


async def size_of_table(sp, **options):
    child = await sp.create_subprocess_exec(
        "sed", "-n", "s/^FDSize://p", "/proc/self/status", stdout=sp.PIPE, **options
    )
    output, _ = await child.communicate()
    return int(output)


@own_interpreter(NOT_OURS, needs_pidfd=True)
async def test_a_childs_table_has_the_size_of_what_it_was_given(sp):
    if not can_fetch():
        skip("pidfd_getfd() is refused")

    with many_descriptors():
        first = await size_of_table(sp, stdin=sp.PIPE)
        second = await size_of_table(sp)
        whole = await size_of_table(sp, close_fds=False)

    assert first == second == 64
    assert whole >= MANY


@own_interpreter(NOT_OURS, needs_pidfd=True)
def test_no_right_is_needed_for_that(sp):
    async def main():
        with many_descriptors():
            assert await size_of_table(sp) == 64

    if not can_fetch():
        skip("pidfd_getfd() is refused")
    all_descriptors()

    # One that was root and is not any more may not be traced, not even by itself.
    become_unprivileged()

    asyncio.run(main())


def report_to(path):
    script = 'for n in /proc/$$/fd/*; do echo "${n##*/} $(readlink $n)"; done'
    # The last command keeps the shell from running the others in its own process.
    return ["sh", "-c", f"({script}) >{path} 2>/dev/null; exit 0"]


async def names_given_by(spawn, **options):
    with tempfile.NamedTemporaryFile() as report:
        await spawn(report_to(report.name), **options)
        return report.read().decode()


async def popen(argv, **options):
    subprocess.run(argv, **options)


@own_interpreter(NOT_OURS)
async def test_a_child_has_the_descriptors_that_popen_gives(sp):
    async def ours(argv, **options):
        await (await sp.create_subprocess_exec(*argv, **options)).wait()

    low = [os.memfd_create(name) for name in "abcd"]
    streams = [{}, {"stdin": low[0]}, {"stdout": low[1], "stderr": subprocess.STDOUT}]
    saved = [os.dup(fd) for fd in range(3)]
    with many_descriptors():
        high = [os.dup(fd) for fd in low]
        passed = [(), low[:2], high[:2], [low[3], high[0], *range(3, 3 + 20)]]
        for closed, options, pass_fds in itertools.product([(), (0,), (1, 2)], streams, passed):
            for fd in closed:
                os.close(fd)
            pass_fds = [fd for fd in pass_fds if fd in descriptors()]
            expected = await names_given_by(popen, pass_fds=pass_fds, **options)
            given = await names_given_by(ours, pass_fds=pass_fds, **options)
            for fd, copy in enumerate(saved):
                os.dup2(copy, fd)

            assert given == expected != "", (closed, options, pass_fds)
        for fd in (*low, *high, *saved):
            os.close(fd)


@own_interpreter(NOT_OURS)
async def test_all_descriptors_are_inherited_where_that_is_asked_for(sp):
    with many_descriptors(), tempfile.TemporaryFile() as file:
        number = file.fileno()
        os.set_inheritable(number, True)

        child = await sp.create_subprocess_exec(
            "readlink", f"/proc/self/fd/{number}", stdout=sp.PIPE, close_fds=False
        )
        output, _ = await child.communicate()

    assert child.returncode == 0 and output


@own_interpreter(NOT_OURS)
async def test_children_of_both_kinds_come_in_the_order_of_the_calls(sp):
    order = []

    async def spawn(n):
        child = await sp.create_subprocess_exec("true", close_fds=n % 3 != 0)
        order.append(n)
        assert await child.wait() == 0

    with many_descriptors():
        await asyncio.gather(*[spawn(n) for n in range(60)])

    assert sorted(order) == list(range(60))


@own_interpreter(NOT_OURS)
async def test_a_descriptor_that_is_closed_is_an_error(sp):
    with many_descriptors():
        try:
            await sp.create_subprocess_exec("true", pass_fds=[2 * MANY - 1])
        except OSError as error:
            assert error.errno == errno.EBADF
        else:
            raise AssertionError("no error")


@own_interpreter(NOT_OURS)
async def test_a_spawn_that_hangs_before_exec_leaves_nothing(sp):
    # The leash first: select(2) knows no high numbers.
    with Leash() as leash, many_descriptors(), tempfile.TemporaryDirectory() as directory:
        if not leases_work(directory):
            skip("no leases on this file system")
        await (await sp.create_subprocess_exec("true")).wait()
        before = descriptors()
        with LeasedProgram(directory) as program:
            spawn = asyncio.ensure_future(
                sp.create_subprocess_exec(program.path, stdin=leash.collar, stdout=sp.PIPE)
            )
            await program.wanted()

            spawn.cancel()
            await asyncio.gather(spawn, return_exceptions=True)
            assert spawn.cancelled()

            leash.assert_child_gone()
            program.let_go()
        await assert_settles(before)


@own_interpreter(NOT_OURS)
async def test_a_spawn_cancelled_at_any_step_leaves_nothing(sp):
    pipes = {"stdin": sp.PIPE, "stdout": sp.PIPE, "stderr": sp.PIPE}
    with many_descriptors():
        await (await sp.create_subprocess_exec("true")).wait()
        before = descriptors()

        for steps in range(20):
            spawn = asyncio.ensure_future(sp.create_subprocess_exec("cat", **pipes))
            await turn(steps)
            spawn.cancel()
            (outcome,) = await asyncio.gather(spawn, return_exceptions=True)
            if not isinstance(outcome, asyncio.CancelledError):
                outcome.kill()
                await outcome.communicate()
            del outcome, spawn

        await assert_settles(before)


@own_interpreter(NOT_OURS)
async def test_a_spawn_at_any_number_of_free_descriptors(sp):
    options = {"stdin": sp.PIPE, "stdout": sp.PIPE, "stderr": sp.PIPE}
    await (await sp.create_subprocess_exec("true", **options)).communicate()
    before = descriptors()
    failed = []
    for free in range(21):
        if await assert_out_of_descriptors_is_clean(sp, free, limit=1000, **options):
            failed.append(free)

    await assert_settles(before)
    assert failed == list(range(len(failed))) and 6 <= len(failed) < 21


@own_interpreter(NOT_OURS)
async def test_a_record_lock_of_the_process_is_kept(sp):
    try_lock = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'w'), fcntl.LOCK_EX | 4)"
    with many_descriptors(), tempfile.NamedTemporaryFile() as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        number = file.fileno()

        child = await sp.create_subprocess_exec("true", pass_fds=[number])
        assert await child.wait() == 0

        other = await sp.create_subprocess_exec(
            sys.executable, "-S", "-c", try_lock, file.name, stderr=sp.PIPE
        )
        _, complaint = await other.communicate()
        assert b"BlockingIOError" in complaint


@own_interpreter(NOT_OURS)
async def test_an_end_of_file_comes_with_the_end_of_the_child(sp):
    with many_descriptors():
        children = [
            await sp.create_subprocess_exec("echo", "hello", stdout=sp.PIPE) for _ in range(50)
        ]
        outputs = await asyncio.gather(*[child.stdout.read() for child in children])
        codes = [await child.wait() for child in children]

    assert outputs == [b"hello\n"] * 50 and codes == [0] * 50
