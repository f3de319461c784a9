"""install() and uninstall(): programs that call asyncio get procession."""

import asyncio
import importlib

import pytest

from children import sh

CALLS = ("create_subprocess_exec", "create_subprocess_shell")


@pytest.fixture
def procession():
    """Return the package; undo what a test has installed."""
    package = importlib.import_module("procession")
    yield package
    package.uninstall()


def calls():
    modules = (asyncio, asyncio.subprocess)
    return [getattr(module, name) for module in modules for name in CALLS]


ORIGINALS = calls()


def test_importing_procession_installs_nothing(procession):
    assert calls() == ORIGINALS


def test_install_replaces_both_calls_in_both_modules_by_procession(procession):
    procession.install()

    ours = [getattr(procession, name) for name in CALLS]
    assert calls() == ours + ours


def test_uninstall_restores_what_was_there_before_procession(procession):
    procession.install()
    procession.uninstall()

    assert calls() == ORIGINALS


def test_install_and_uninstall_of_procession_can_be_repeated(procession):
    for _ in range(2):
        procession.install()
        procession.install()
        assert calls() != ORIGINALS
        procession.uninstall()
        assert calls() == ORIGINALS
        procession.uninstall()
        assert calls() == ORIGINALS


def test_the_subprocess_module_of_procession_keeps_asyncios_names(procession):
    ours = importlib.import_module("procession.subprocess")

    for name in (*CALLS, "Process", "PIPE", "STDOUT", "DEVNULL"):
        assert hasattr(ours, name)
    for name in CALLS:
        assert getattr(ours, name) is getattr(procession, name)


async def test_a_program_that_calls_asyncio_gets_a_child_of_procession(procession):
    procession.install()

    first = await asyncio.create_subprocess_exec(*sh("exit 3"))
    second = await asyncio.subprocess.create_subprocess_shell(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )

    assert await first.wait() == 3
    assert await second.communicate(b"through") == (b"through", None)
    for process in (first, second):
        assert isinstance(process, procession.subprocess.Process)
        assert isinstance(process, asyncio.subprocess.Process)
        assert type(process).__module__.startswith("procession")


async def test_after_uninstall_children_are_asyncios_and_not_of_procession(procession):
    procession.install()
    procession.uninstall()

    process = await asyncio.create_subprocess_exec(*sh("exit 4"))

    assert await process.wait() == 4
    assert type(process) is asyncio.subprocess.Process


async def test_the_low_level_of_asyncios_loops_is_procession_after_install(procession):
    original = asyncio.BaseEventLoop.subprocess_exec
    procession.install()
    loop = asyncio.get_running_loop()

    transport, _ = await loop.subprocess_exec(asyncio.SubprocessProtocol, *sh("exit 3"))
    other, _ = await loop.subprocess_shell(asyncio.SubprocessProtocol, "exit 4")

    assert type(transport).__module__.startswith("procession")
    assert (await transport._wait(), await other._wait()) == (3, 4)
    for each in (transport, other):
        each.close()
    procession.uninstall()
    assert asyncio.BaseEventLoop.subprocess_exec is original
