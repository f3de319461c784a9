"""Process: its end, its signals, and what is left of it."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import warnings

import pytest

from children import (
    CAT,
    SLEEP,
    TIMEOUT,
    TRUE,
    bytes_written,
    complaints_of,
    end,
    exit_with,
    flood,
    is_gone,
    is_stopped,
    sh,
    state,
    turns,
    until,
    until_still,
)


async def test_pid_is_the_childs(impl):
    process = await impl.create_subprocess_exec(*sh("echo $$"), stdout=impl.PIPE)

    output, _ = await process.communicate()

    assert process.pid == int(output)
    assert isinstance(process.pid, int)


@pytest.mark.parametrize("code", [0, 1, 7, 127, 255])
async def test_returncode_is_none_and_then_the_exit_status(impl, code):
    process = await impl.create_subprocess_exec(*sh(f"read line; exit {code}"), stdin=impl.PIPE)

    assert process.returncode is None
    process.stdin.write(b"\n")
    assert await process.wait() == code
    assert process.returncode == code


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGABRT"])
async def test_a_child_killed_by_a_signal_returns_its_negative_number(impl, name):
    number = signal.Signals[name]
    process = await impl.create_subprocess_exec(*SLEEP)

    process.send_signal(number)

    assert await process.wait() == -number
    assert process.returncode == -number


async def test_kill_and_terminate_send_their_signals(impl):
    for method, number in (("kill", 9), ("terminate", 15)):
        process = await impl.create_subprocess_exec(*SLEEP)

        assert getattr(process, method)() is None

        assert await process.wait() == -number


async def test_a_child_can_catch_a_signal(impl):
    process = await impl.create_subprocess_exec(
        *sh("trap 'echo caught; exit 5' TERM; echo ready; while :; do read x; done"),
        stdin=impl.PIPE,
        stdout=impl.PIPE,
    )
    await process.stdout.readline()

    process.terminate()
    process.stdin.write(b"\n")

    assert await process.stdout.read() == b"caught\n"
    assert await process.wait() == 5
    process.stdin.close()


async def test_stopping_and_continuing_is_no_end(impl):
    process = await impl.create_subprocess_exec(*CAT, stdin=impl.PIPE)

    process.send_signal(signal.SIGSTOP)
    await until(lambda: is_stopped(process.pid))
    await turns()
    assert process.returncode is None
    process.send_signal(signal.SIGCONT)

    process.stdin.close()
    assert await process.wait() == 0


async def test_signals_after_the_end_raise_process_lookup_error(impl):
    # A child that ends before the loop first looks is for asyncio a special case.
    process = await impl.create_subprocess_exec(*CAT, stdin=impl.PIPE)
    process.stdin.close()
    await process.wait()

    for call in (process.kill, process.terminate, lambda: process.send_signal(0)):
        with pytest.raises(ProcessLookupError):
            call()


async def test_a_signal_after_the_end_is_silent_while_a_pipe_is_open(impl):
    process = await impl.create_subprocess_exec(
        *sh("sleep 3600 & echo $!; exit 3"), stdout=impl.PIPE
    )
    grandchild = int(await process.stdout.readline())

    await until(lambda: process.returncode is not None)
    process.kill()
    assert process.returncode == 3

    os.kill(grandchild, signal.SIGKILL)
    assert await process.stdout.read() == b""
    await process.wait()
    with pytest.raises(ProcessLookupError):
        process.kill()


async def test_a_bad_signal_number_is_refused_as_os_kill_refuses_it(impl):
    process = await impl.create_subprocess_exec(*CAT, stdin=impl.PIPE)

    for number in (-1, 1000, "TERM", 1.5):
        with pytest.raises((OSError, TypeError)) as expected:
            os.kill(process.pid, number)
        with pytest.raises(expected.type) as caught:
            process.send_signal(number)
        assert getattr(caught.value, "errno", 0) == getattr(expected.value, "errno", 0)

    await end(process)


async def test_signal_zero_asks_only(impl):
    process = await impl.create_subprocess_exec(*CAT, stdin=impl.PIPE)

    process.send_signal(0)
    process.stdin.close()

    assert await process.wait() == 0


async def test_signalling_a_child_that_is_ending_never_spoils_its_status(impl):
    for _ in range(20):
        process = await impl.create_subprocess_exec(*exit_with(3))
        while process.returncode is None:
            process.send_signal(0)
            await asyncio.sleep(0)

        assert await process.wait() == 3


async def test_wait_can_be_called_again(impl):
    process = await impl.create_subprocess_exec(*exit_with(4))

    assert [await process.wait() for _ in range(3)] == [4, 4, 4]


async def test_any_number_of_tasks_can_wait(impl):
    process = await impl.create_subprocess_exec(*CAT, stdin=impl.PIPE)
    waiters = [asyncio.ensure_future(process.wait()) for _ in range(50)]
    await turns()

    assert not any(waiter.done() for waiter in waiters)
    process.stdin.close()

    assert await asyncio.gather(*waiters) == [0] * 50


async def test_a_cancelled_wait_disturbs_no_other(impl):
    process = await impl.create_subprocess_exec(*CAT, stdin=impl.PIPE)
    waiters = [asyncio.ensure_future(process.wait()) for _ in range(4)]
    await turns()

    waiters[0].cancel()
    waiters[2].cancel()
    await turns()
    process.stdin.close()

    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(result) for result in results[::2]] == [asyncio.CancelledError] * 2
    assert results[1::2] == [0, 0]
    assert await process.wait() == 0


async def test_a_wait_that_timed_out_can_be_repeated(impl):
    process = await impl.create_subprocess_exec(*CAT, stdin=impl.PIPE)

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(process.wait(), 0.01)
    assert process.returncode is None
    process.stdin.close()

    assert await process.wait() == 0


async def test_repr_names_the_class_and_the_pid(impl):
    process = await impl.create_subprocess_exec(*TRUE)

    assert repr(process) == f"<Process {process.pid}>"
    await process.wait()
    assert repr(process) == f"<Process {process.pid}>"


async def test_returncode_is_set_though_nobody_waits(impl):
    process = await impl.create_subprocess_exec(*exit_with(6))

    await until(lambda: process.returncode is not None)

    assert process.returncode == 6
    assert is_gone(process.pid)


async def test_a_pid_stays_taken_while_returncode_is_none(impl):
    for _ in range(20):
        process = await impl.create_subprocess_exec(*TRUE)
        early = []

        while process.returncode is None:
            early.append(is_gone(process.pid))
            await asyncio.sleep(0)

        assert not any(early)


async def test_wait_returns_while_a_grandchild_holds_stdout(impl, patience):
    process = await impl.create_subprocess_exec(
        *sh("sleep 3600 & echo $!; read line; exit 7"),
        stdin=impl.PIPE,
        stdout=impl.PIPE,
    )
    grandchild = int(await process.stdout.readline())
    waiter = asyncio.ensure_future(process.wait())
    await turns()

    process.stdin.write(b"\n")

    try:
        assert await asyncio.wait_for(waiter, patience) == 7
    finally:
        os.kill(grandchild, signal.SIGKILL)
    assert await process.stdout.read() == b""


async def test_wait_returns_after_kill_with_a_full_unread_pipe(impl, patience):
    process = await impl.create_subprocess_exec(*flood(1 << 24), stdout=impl.PIPE)
    waiter = asyncio.ensure_future(process.wait())
    await until_still(lambda: bytes_written(process.pid))

    process.kill()

    try:
        assert await asyncio.wait_for(waiter, patience) == -9
    finally:
        await process.communicate()


async def test_output_can_be_read_after_wait(impl):
    process = await impl.create_subprocess_exec(
        *sh("echo out; echo err >&2"), stdout=impl.PIPE, stderr=impl.PIPE
    )

    assert await process.wait() == 0

    assert await process.stdout.readline() == b"out\n"
    assert await process.stdout.read() == b""
    assert await process.stderr.read() == b"err\n"


async def test_a_child_that_closes_its_output_gives_end_of_file(impl):
    process = await impl.create_subprocess_exec(
        *sh("exec >&- 2>&-; read line"),
        stdin=impl.PIPE,
        stdout=impl.PIPE,
        stderr=impl.PIPE,
    )

    assert await process.stdout.read() == b""
    assert await process.stderr.read() == b""
    assert process.returncode is None

    process.stdin.write(b"\n")
    assert await process.wait() == 0


async def test_children_that_nobody_waits_for_are_reaped(impl):
    processes = [await impl.create_subprocess_exec(*TRUE) for _ in range(20)]

    await until(lambda: all(process.returncode == 0 for process in processes))

    assert all(is_gone(process.pid) for process in processes)


async def test_dropped_processes_are_reaped(impl):
    pids = [(await impl.create_subprocess_exec(*TRUE)).pid for _ in range(20)]
    gc.collect()

    await until(lambda: all(is_gone(pid) for pid in pids))


async def test_a_dropped_process_runs_on_and_is_reaped_at_its_end(impl):
    pid = (await impl.create_subprocess_exec(*SLEEP)).pid
    gc.collect()
    await turns()

    assert state(pid) in "RSD"
    os.kill(pid, signal.SIGKILL)

    await until(lambda: is_gone(pid))


def test_a_child_that_outlives_its_loop_is_killed_and_reaped(impl):
    async def leave():
        process = await impl.create_subprocess_exec(*SLEEP, stdin=impl.PIPE, stdout=impl.PIPE)
        return process.pid

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pid = asyncio.run(leave())
        gc.collect()

    assert ResourceWarning in {warning.category for warning in caught}
    asyncio.run(until(lambda: is_gone(pid), timeout=2))


KEEP_TO_THE_END = """
import asyncio
from {module}.subprocess import PIPE, create_subprocess_exec


async def main():
    process = await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    await process.communicate(b"x")
    return process


asyncio.kept = asyncio.run(main())
"""


def test_a_process_kept_to_the_end_of_the_interpreter_is_silent(implementation):
    program = KEEP_TO_THE_END.format(module=implementation)
    argv = [sys.executable, "-X", "dev", "-W", "error", "-c", program]

    done = subprocess.run(argv, capture_output=True, text=True, timeout=TIMEOUT)

    assert (done.returncode, complaints_of(done.stderr)) == (0, "")


def test_loops_in_turn_leave_nothing(impl):
    async def run():
        process = await impl.create_subprocess_exec(*CAT, stdin=impl.PIPE)
        await process.communicate(b"x")
        return process.returncode

    assert [asyncio.run(run()) for _ in range(10)] == [0] * 10


async def test_many_children_at_once(impl):
    async def run(number):
        process = await impl.create_subprocess_exec(
            *exit_with(number), stdin=impl.PIPE, stdout=impl.PIPE, stderr=impl.PIPE
        )
        assert await process.communicate() == (b"", b"")
        return process.returncode

    numbers = list(range(50))

    assert await asyncio.gather(*map(run, numbers)) == numbers


async def test_a_grandchild_outlives_a_process_that_was_dropped(impl, tmp_path):
    mark = tmp_path / "mark"
    process = await impl.create_subprocess_exec(
        *sh(
            '(read line; echo output; echo survived >"$1") <"$2" & exit 0',
            mark,
            make_fifo(tmp_path),
        ),
        stdout=impl.PIPE,
    )
    while process.returncode is None:
        await asyncio.sleep(0)
    del process
    gc.collect()

    (tmp_path / "fifo").write_text("\n")
    await until(lambda: mark.exists() and mark.read_text() == "survived\n")
    await turns(20)


def make_fifo(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


@pytest.mark.parametrize("wrong", ["TERM", None, 1.0])
async def test_what_is_no_signal_is_a_type_error_at_any_time(impl, wrong):
    process = await impl.create_subprocess_exec(*CAT, stdin=impl.PIPE)

    with pytest.raises(TypeError):
        process.send_signal(wrong)
    await end(process)


async def test_signals_are_audited(impl):
    events = []
    active = True
    sys.addaudithook(lambda event, args: active and event == "os.kill" and events.append(args))
    process = await impl.create_subprocess_exec(*SLEEP)

    process.send_signal(signal.SIGTERM)
    active = False

    assert events == [(process.pid, signal.SIGTERM)]
    assert await process.wait() == -signal.SIGTERM


FORK_BESIDE_A_CHILD = """
import asyncio, os
from procession import create_subprocess_exec

async def main():
    process = await create_subprocess_exec("sleep", "3600")
    while len(os.listdir("/proc/self/task")) > 1:
        await asyncio.sleep(0.001)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    process.kill()
    await process.wait()

asyncio.run(main())
"""


# Without pidfds a thread waits as long as there is a child.
@pytest.mark.needs_pidfd
def test_a_fork_beside_a_child_does_not_warn_of_threads():
    # Up to Python 3.11 nothing warns.
    command = [sys.executable, "-W", "error", "-c", FORK_BESIDE_A_CHILD]

    subprocess.run(command, check=True, timeout=TIMEOUT)
