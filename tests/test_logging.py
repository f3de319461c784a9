"""What is logged under "procession": children at DEBUG, a limit that is met at WARNING."""

import asyncio
import logging
import os
import re
import resource
import subprocess
import sys

import pytest

import procession
from children import SLEEP, TIMEOUT, TRUE, exit_with, sh
from procession import create_subprocess_exec, create_subprocess_shell

SECRET = "0xdecafbad"


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG, "procession")
    return lambda: [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name == "procession"
    ]


async def run_without_descriptors(attempts=1):
    """Try to start a child while there is no descriptor for its pipe."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    fd = os.dup(0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (fd + 1, limits[1]))
    try:
        for _ in range(attempts):
            with pytest.raises(OSError, match="Too many open files"):
                await create_subprocess_exec(*TRUE, stdin=procession.PIPE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        os.close(fd)


async def test_start_and_end_of_a_child_are_logged(log):
    process = await create_subprocess_exec(*exit_with(3))
    await process.wait()

    (level, started), (_, ended) = log()
    assert level == "DEBUG"
    assert re.fullmatch(rf"process {process.pid} is '/bin/sh', started in \d+\.\d+ ms", started)
    assert re.fullmatch(rf"process {process.pid} has ended after \d+\.\d+ s: returncode 3", ended)


async def test_a_signal_that_ended_a_child_is_logged(log):
    process = await create_subprocess_exec(*SLEEP)
    process.kill()
    await process.wait()

    assert log()[-1][1].endswith("returncode -9")


async def test_a_program_that_cannot_be_started_is_logged(log):
    with pytest.raises(FileNotFoundError):
        await create_subprocess_exec("/no/such/program", SECRET)

    ((level, message),) = log()
    assert level == "DEBUG"
    assert re.fullmatch(
        r"'/no/such/program' could not be started, after \d+\.\d+ ms: No such file or directory",
        message,
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_preexec_fn_that_fails_is_logged(log):
    with pytest.raises(subprocess.SubprocessError):
        await create_subprocess_exec(*TRUE, preexec_fn=lambda: 1 / 0)

    ((_, message),) = log()
    assert message.endswith("Exception occurred in preexec_fn.")


async def test_arguments_and_environment_are_never_logged(log):
    environment = {"TOKEN": SECRET, "PATH": os.defpath}

    for process in (
        await create_subprocess_exec(*sh("exit 0", SECRET), env=environment),
        await create_subprocess_shell(f": {SECRET}", env=environment),
    ):
        await process.wait()

    assert len(log()) == 4
    assert not [message for _, message in log() if SECRET in message]


async def test_nothing_is_logged_at_the_usual_level(log, caplog):
    caplog.set_level(logging.WARNING, "procession")

    await (await create_subprocess_exec(*TRUE)).wait()
    with pytest.raises(FileNotFoundError):
        await create_subprocess_exec("/no/such/program")

    assert log() == []


async def test_a_child_that_was_started_untold_ends_untold(log, caplog):
    caplog.set_level(logging.WARNING, "procession")
    process = await create_subprocess_exec(*TRUE)
    caplog.set_level(logging.DEBUG, "procession")
    await process.wait()

    assert log() == []


@pytest.mark.slow
def test_a_limit_that_is_met_again_and_again_is_told_once():
    code = """
import asyncio, logging, sys
sys.path.insert(0, sys.argv[1])
from test_logging import run_without_descriptors
logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
asyncio.run(run_without_descriptors(100))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, os.path.dirname(__file__)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )

    assert (done.stderr, done.stdout) == (
        "",
        "WARNING:procession:a process could not be started: the limit of open files is reached\n",
    )


def test_a_handler_that_is_interrupted_costs_no_child_its_outcome(request):
    class Interrupted(logging.Handler):
        def emit(self, record):
            raise KeyboardInterrupt

    async def start():
        return await create_subprocess_exec(*SLEEP)

    handler = Interrupted()
    logger = logging.getLogger("procession")
    logger.addHandler(handler)
    request.addfinalizer(lambda: logger.removeHandler(handler))
    logger.setLevel(logging.DEBUG)
    request.addfinalizer(lambda: logger.setLevel(logging.NOTSET))
    loop = procession.new_event_loop()
    task = loop.create_task(start())

    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(task)
    process = loop.run_until_complete(task)
    process.kill()
    end = loop.create_task(process.wait())
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(end)

    assert loop.run_until_complete(end) == -9
    loop.close()


async def test_commands_of_a_batch_are_logged(log):
    async for _ in procession.map([TRUE, ["/no/such/program", SECRET]], concurrency=1):
        pass

    (_, started), (_, ended), (_, failed) = log()
    assert "is 'true', started in" in started
    assert ended.endswith("returncode 0")
    assert failed.startswith("'/no/such/program' could not be started")


async def test_many_children_each_have_a_line_for_start_and_end(log):
    children = await asyncio.gather(*(create_subprocess_exec(*TRUE) for _ in range(20)))
    await asyncio.gather(*(child.wait() for child in children))

    pids = [int(message.split()[1]) for _, message in log()]
    assert sorted(pids) == sorted([child.pid for child in children] * 2)
