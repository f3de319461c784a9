"""run() is cancelled, interrupted or dropped, wherever it is: nothing is left.

The leak guard looks for what is left.
"""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import pytest

import procession
from children import CAT, SLEEP, TRUE, is_gone, sh, state, until
from conduct.test_cancelled_anywhere import attempt, everywhere, load
from helpers import patience
from helpers.leash import Leash
from helpers.leftovers import assert_nothing_left, descriptors
from helpers.own_interpreter import UNWARNED, not_run, own_interpreter
from procession import PIPE

TURNS = [0, 1, 2, 3, 5, 9]
# Says by a file that it is ready, and is deaf to SIGTERM.
DEAF = "trap '' TERM; echo $$ > {}; while :; do sleep 0.01; done"
PIPES = {"stdout": PIPE, "stderr": PIPE}


@pytest.fixture(params=TURNS, ids="after {} turns".format)
def turns(request):
    return request.param


RUNS = {
    "short": lambda: procession.run(TRUE),
    "output": lambda: procession.run(sh("echo a; echo b >&2"), capture_output=True),
    "input": lambda: procession.run(CAT, input=bytes(300000), **PIPES),
    "long": lambda: procession.run(SLEEP, **PIPES),
    "deaf": lambda: procession.run(sh("trap '' TERM; sleep 3600"), **PIPES, grace=0.01),
    "no grace": lambda: procession.run(SLEEP, **PIPES, grace=0),
    "timed": lambda: procession.run(SLEEP, **PIPES, timeout=3600, idle_timeout=3600),
    "bounded": lambda: procession.run(("yes",), stdout=PIPE, max_output=100),
    "preexec_fn": lambda: procession.run(SLEEP, **PIPES, preexec_fn=int),
    "failing": lambda: failing(),
}


async def failing():
    with pytest.raises(FileNotFoundError):
        await procession.run(["/no/such/program"], **PIPES)


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
async def test_once(run, turns):
    async with load():
        for _ in range(3):
            await attempt(run(), 0, turns)


@pytest.mark.parametrize("second", [0, 1, 2, 3])
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
async def test_twice(run, second, turns):
    """While it waits for the end of what was cancelled."""
    async with load():
        task = asyncio.ensure_future(run())
        for wait in (turns, second):
            for _ in range(wait):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize("run", [RUNS["short"], RUNS["output"]], ids=["short", "output"])
async def test_at_every_suspension(run, turns):
    async for _ in everywhere(run, turns):
        pass


async def ready(path):
    """Wait for the number that a child has written to a file."""
    await until(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


async def test_the_command_is_gone_when_the_cancellation_returns(tmp_path):
    task = asyncio.ensure_future(
        procession.run(sh(DEAF.format(tmp_path / "pid")), **PIPES, grace=0.05)
    )
    pid = await ready(tmp_path / "pid")

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert is_gone(pid)


async def test_a_command_that_the_loop_has_not_heard_of_yet_takes_its_tree_along(tmp_path):
    path = tmp_path / "pid"
    script = f"setsid sleep 3600 & echo $! > {path}; wait"
    task = asyncio.ensure_future(procession.run(sh(script), **PIPES))
    await asyncio.sleep(0)
    # No turn of the loop, so the child runs, and its start is still to be told.
    while not (path.exists() and path.read_text().endswith("\n")):
        time.sleep(0.001)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert state(int(path.read_text())) in ("", "Z")


async def test_a_second_cancellation_does_not_wait_for_the_grace(tmp_path):
    task = asyncio.ensure_future(
        procession.run(sh(DEAF.format(tmp_path / "pid")), **PIPES, grace=3600)
    )
    pid = await ready(tmp_path / "pid")

    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await until(lambda: is_gone(pid))


async def test_a_cancelled_command_may_end_in_its_own_way(tmp_path):
    script = (
        f"trap 'echo bye > {tmp_path}/bye; exit 7' TERM; "
        f"echo $$ > {tmp_path}/pid; while :; do sleep 0.01; done"
    )
    task = asyncio.ensure_future(procession.run(sh(script), grace=3600))
    await ready(tmp_path / "pid")

    task.cancel()
    await asyncio.wait([task])

    assert (tmp_path / "bye").read_text() == "bye\n"


async def test_a_timeout_of_asyncio_ends_it(tmp_path):
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(
            procession.run(sh(f"echo $$ > {tmp_path}/pid; exec sleep 3600")), 0.5
        )

    if (tmp_path / "pid").exists():
        assert is_gone(await ready(tmp_path / "pid"))


async def test_a_cancellation_during_the_end_of_a_timeout(tmp_path):
    told = tmp_path / "told"
    script = f"trap 'echo > {told}' TERM; " + DEAF.format(tmp_path / "pid").partition("; ")[2]
    task = asyncio.ensure_future(procession.run(sh(script), timeout=0.5, grace=3600))
    pid = await ready(tmp_path / "pid")
    await until(told.exists)

    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task

    await until(lambda: is_gone(pid))


async def test_a_coroutine_that_is_never_awaited_starts_nothing(tmp_path):
    procession.run(["touch", tmp_path / "touched"]).close()

    assert list(tmp_path.iterdir()) == []


async def test_a_coroutine_that_is_dropped_ends_its_command(tmp_path):
    run = procession.run(sh(f"echo $$ > {tmp_path}/pid; exec sleep 3600"))
    run.send(None)
    pid = await ready(tmp_path / "pid")

    run.close()

    await until(lambda: is_gone(pid))


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)
def test_a_loop_that_is_closed_meanwhile(run, turns, monkeypatch):
    # Of the task that is pending.
    monkeypatch.setattr(asyncio.BaseEventLoop, "call_exception_handler", lambda *context: None)
    loop = asyncio.new_event_loop()
    task = loop.create_task(run())
    for _ in range(turns + 1):
        loop.call_soon(loop.stop)
        loop.run_forever()

    with warnings.catch_warnings():
        # Of the child that is killed.
        warnings.simplefilter("ignore", ResourceWarning)
        loop.close()
        del task
        gc.collect()


@own_interpreter(not_run("ours only"), options=UNWARNED)
def test_an_exception_in_the_loop_while_it_runs_leaves_nothing(sp):
    async def main(after):
        loop = asyncio.get_running_loop()
        loop.call_later(after, os.kill, os.getpid(), signal.SIGALRM)
        await procession.run(SLEEP, **PIPES)

    def interrupt(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    before = descriptors()
    for i in range(20):
        try:
            asyncio.run(main(0.01 * (i % 5)))
        except KeyboardInterrupt:
            continue
        raise AssertionError("not interrupted")
    gc.collect()
    assert_nothing_left(before)


PROGRAM = """
    import asyncio, sys, procession

    async def main():
        await procession.run(
            "trap '' TERM; echo ready >&2; while read line; do :; done",
            shell=True, stdin=int(sys.argv[1]),
            stdout=procession.PIPE, start_new_session=True, grace=float(sys.argv[2])
        )

    asyncio.run(main())
"""


@pytest.mark.parametrize("grace", ["0", "0.05"])
def test_ctrl_c_leaves_no_child(grace):
    with Leash() as leash:
        collar = leash.collar.fileno()
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), str(collar), grace],
            pass_fds=[collar],
            stderr=subprocess.PIPE,
            text=True,
        ) as program:
            assert program.stderr.readline() == "ready\n"

            program.send_signal(signal.SIGINT)
            _, complaints = program.communicate(timeout=patience.seconds)

        leash.assert_child_gone()
    assert program.returncode == -signal.SIGINT
    assert "KeyboardInterrupt" in complaints
    assert "Warning" not in complaints
