"""Statements about children of a program in which others reap, and numbers are used again."""

import asyncio
import contextlib
import os
import platform
import signal
import subprocess
import sys
import threading

from helpers import patience
from helpers.numbers import choose_next, in_namespace
from helpers.own_interpreter import fails, not_run, own_interpreter

# From Linux 6.15 on a pidfd tells the status of a child that somebody else has reaped.
KERNEL = tuple(map(int, platform.release().split("-")[0].split(".")[:2]))
KEPT = KERNEL >= (6, 15)

BY_CHANCE = not_run("who reaps first is a matter of chance")
NO_PIDFD = not_run("a thread reaps by the number, or does not")
KILLS = fails("the signal is sent to the number")
FORKS = ("-W", "ignore::DeprecationWarning")


def status(number):
    return number if KEPT else 255


@contextlib.contextmanager
def reaping_thread():
    """Reap whatever child of the process there is, all the time."""
    end = threading.Event()

    def reap():
        while not end.is_set():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)

    thread = threading.Thread(target=reap)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@contextlib.contextmanager
def reaping_handler():
    """Do what old servers do: a handler of SIGCHLD that reaps every child."""

    def reap(*args):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass

    before = signal.signal(signal.SIGCHLD, reap)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


async def statuses(sp, numbers):
    async def one(number):
        child = await sp.create_subprocess_exec(
            "sh", "-c", f"read line; echo $line; exit {number}", stdin=sp.PIPE, stdout=sp.PIPE
        )
        assert await child.communicate(b"hello\n") == (b"hello\n", None)
        return child.returncode

    return await asyncio.gather(*[one(number) for number in numbers])


@own_interpreter(BY_CHANCE, needs_pidfd=True)
async def test_statuses_are_right_although_others_reap_every_child(sp):
    numbers = [n % 50 for n in range(100)]
    for reaping in (reaping_thread, reaping_handler):
        with reaping():
            found = await statuses(sp, numbers)

        for given, expected in zip(found, numbers, strict=True):
            assert given in (expected, status(expected))


@own_interpreter(BY_CHANCE, needs_pidfd=True, options=FORKS)
async def test_errors_before_exec_are_right_although_others_reap(sp):
    def preexec_fn():
        raise RuntimeError

    for reaping in (reaping_thread, reaping_handler):
        with reaping():
            for _ in range(10):
                for argv, options, expected in (
                    (["/nonexistent"], {}, FileNotFoundError),
                    (["true"], {"cwd": "/nonexistent"}, FileNotFoundError),
                    (["true"], {"preexec_fn": preexec_fn}, subprocess.SubprocessError),
                ):
                    try:
                        await sp.create_subprocess_exec(*argv, **options)
                    except (OSError, subprocess.SubprocessError) as error:
                        assert type(error) is expected, error
                    else:
                        raise AssertionError("no error")


@own_interpreter(BY_CHANCE, needs_pidfd=True, options=FORKS)
async def test_a_child_that_ends_in_preexec_fn_is_known_although_sigchld_is_ignored(sp):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    for _ in range(30):
        child = await sp.create_subprocess_exec("true", preexec_fn=lambda: os._exit(3))

        assert await asyncio.wait_for(child.wait(), patience.seconds) == status(3)


async def reaped_by_another(sp):
    """Return a child of status 3 of whose end the loop has not heard yet."""
    go_on, let_go = os.pipe()
    child = await sp.create_subprocess_shell("read line; exit 3", stdin=go_on)
    os.write(let_go, b"\n")
    os.close(go_on)
    os.close(let_go)
    os.waitpid(child.pid, 0)
    return child


def start_with_number(number, script):
    choose_next(number)
    other = subprocess.Popen(["sh", "-c", f"read line; {script}"], stdin=subprocess.PIPE)
    assert other.pid == number
    return other


@own_interpreter(KILLS if sys.version_info >= (3, 12) else NO_PIDFD, needs_pidfd=True)
def test_a_signal_reaches_no_other_process_that_has_the_number(sp):
    async def main():
        child = await reaped_by_another(sp)
        other = start_with_number(child.pid, "exit 5")

        for send in (child.terminate, child.kill):
            with contextlib.suppress(ProcessLookupError):
                send()

        other.communicate(b"\n")
        assert other.returncode == 5
        assert await asyncio.wait_for(child.wait(), patience.seconds) == status(3)

    in_namespace(lambda: asyncio.run(main()))


@own_interpreter(NO_PIDFD, needs_pidfd=True)
def test_the_status_of_no_other_process_that_has_the_number_is_taken(sp):
    async def main():
        child = await reaped_by_another(sp)
        other = start_with_number(child.pid, "exit 5")
        other.stdin.close()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)

        assert await asyncio.wait_for(child.wait(), patience.seconds) == status(3)

        assert other.wait() == 5

    in_namespace(lambda: asyncio.run(main()))


@own_interpreter(NO_PIDFD, needs_pidfd=True)
def test_a_cancelled_spawn_ends_no_other_process_that_has_the_number(sp):
    async def main():
        child = await reaped_by_another(sp)
        other = start_with_number(child.pid, "exit 5")

        child._child.abandon()

        other.communicate(b"\n")
        assert other.returncode == 5

    in_namespace(lambda: asyncio.run(main()))


@own_interpreter(not_run("there is no wait_pid()"), needs_pidfd=True)
def test_wait_pid_means_the_process_that_has_the_number_now(sp):
    from procession import wait_pid

    async def main():
        child = await reaped_by_another(sp)
        other = start_with_number(child.pid, "exit 5")
        waiting = asyncio.ensure_future(wait_pid(other.pid))
        await asyncio.sleep(0)
        other.stdin.close()

        assert await asyncio.wait_for(waiting, patience.seconds) == 5

        assert await asyncio.wait_for(child.wait(), patience.seconds) == status(3)
        other.returncode = 5

    in_namespace(lambda: asyncio.run(main()))


@own_interpreter()
async def test_a_stopped_child_can_be_killed(sp):
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE)
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)

    child.kill()

    assert await asyncio.wait_for(child.wait(), patience.seconds) == -signal.SIGKILL
