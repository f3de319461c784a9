"""The package where it has no engine: run here, over asyncio's Unix loop."""

import asyncio
import subprocess
import sys

import pytest

import procession
from children import CAT, sh
from procession import elsewhere

# What a program gets there: asyncio is imported before and used after as on this system.
ON_WINDOWS = """
import asyncio, sys
here, sys.platform = sys.platform, 'win32'
import procession
sys.platform = here
"""


def run_there(code):
    subprocess.run([sys.executable, "-W", "error", "-c", ON_WINDOWS + code], check=True)


def test_every_public_name_exists_there():
    run_there(f"assert set({procession.__all__!r}) <= set(dir(procession)), dir(procession)")


def test_there_is_no_extension_module_there():
    run_there("assert not [name for name in sys.modules if name.startswith('procession._')]")


def test_the_subprocess_module_has_asyncios_names_there():
    run_there(
        "import procession.subprocess as ours\n"
        "from procession.subprocess import create_subprocess_exec\n"
        "names = 'PIPE STDOUT DEVNULL Process create_subprocess_exec create_subprocess_shell'\n"
        "assert all(hasattr(ours, name) for name in names.split())\n"
    )


def test_children_are_asyncios_there():
    run_there(
        "async def main():\n"
        "    child = await procession.create_subprocess_exec(\n"
        "        'cat', stdin=procession.PIPE, stdout=procession.PIPE)\n"
        "    assert await child.communicate(b'through') == (b'through', None)\n"
        "    assert type(child) is asyncio.subprocess.Process\n"
        "procession.install()\n"
        "asyncio.run(main())\n"
        "procession.uninstall()\n"
    )


async def test_the_calls_take_what_ours_take():
    loop = asyncio.get_running_loop()

    child = await elsewhere.create_subprocess_exec(
        *CAT, stdin=elsewhere.PIPE, stdout=elsewhere.PIPE, loop=loop, limit=None
    )
    assert await child.communicate(b"in") == (b"in", None)
    child = await elsewhere.create_subprocess_shell("exit 3", None, elsewhere.DEVNULL, loop=loop)
    assert await child.wait() == 3
    for call, command in (
        (elsewhere.subprocess_exec, sh("exit 4")),
        (elsewhere.subprocess_shell, ("exit 4",)),
    ):
        transport, _ = await call(asyncio.SubprocessProtocol, *command)
        assert await transport._wait() == 4
        transport.close()


async def test_limits_are_refused_with_what_they_need():
    limits = procession.Limits(open_files=10)
    for call in (
        elsewhere.create_subprocess_exec(*CAT, limits=limits),
        elsewhere.create_subprocess_shell("true", limits=limits),
        elsewhere.subprocess_exec(asyncio.SubprocessProtocol, *CAT, limits=limits),
        elsewhere.subprocess_shell(asyncio.SubprocessProtocol, "true", limits=limits),
    ):
        with pytest.raises(NotImplementedError, match="limits= needs the engine"):
            await call
    child = await elsewhere.create_subprocess_exec("true", limits=None)
    assert await child.wait() == 0


async def test_another_loop_is_refused():
    other = asyncio.new_event_loop()
    with pytest.raises(ValueError, match="running event loop"):
        await elsewhere.create_subprocess_exec(*CAT, loop=other)
    other.close()


def test_a_loop_that_cannot_run_children_gets_an_error_that_says_what_to_do():
    class SelectorEventLoop(asyncio.SelectorEventLoop):
        """As asyncio's is on Windows."""

        async def _make_subprocess_transport(self, *args, **kwargs):
            raise NotImplementedError

    loop = SelectorEventLoop()
    for call in (
        lambda: elsewhere.create_subprocess_exec(*CAT),
        lambda: elsewhere.create_subprocess_shell("true"),
        lambda: elsewhere.subprocess_exec(asyncio.SubprocessProtocol, *CAT),
        lambda: elsewhere.subprocess_shell(asyncio.SubprocessProtocol, "true"),
    ):
        with pytest.raises(NotImplementedError, match="ProactorEventLoop"):
            loop.run_until_complete(call())
    loop.close()


def test_new_event_loops_can_run_children():
    loop = elsewhere.new_event_loop()

    async def main():
        return await (await elsewhere.create_subprocess_exec(*sh("exit 5"))).wait()

    assert loop.run_until_complete(main()) == 5
    loop.close()


def test_nothing_is_counted_there():
    with pytest.raises(NotImplementedError, match="Linux"):
        elsewhere.stats()
