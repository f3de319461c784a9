"""The interpreter ends cleanly while children run and a spawn is under way."""

import subprocess
import sys
import textwrap

import pytest

from helpers import patience

PROGRAMS = {
    "sys_exit_under_asyncio_run": """
        async def main():
            kept = await start()
            sys.exit(0)

        asyncio.run(main())
    """,
    "loop_closed_with_children": """
        loop = asyncio.new_event_loop()
        kept = loop.run_until_complete(start())
        loop.close()
    """,
    "loop_never_closed": """
        loop = asyncio.new_event_loop()
        kept = loop.run_until_complete(start())
    """,
    "loop_in_a_daemon_thread": """
        async def main():
            kept = await start()
            started.set()
            await asyncio.Event().wait()

        started = threading.Event()
        threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
        started.wait()
    """,
    "spawn_dropped": """
        async def main():
            child, _ = await start()

        asyncio.run(main())
    """,
    "child_waited_for_by_a_task": """
        async def main():
            child, spawn = await start()
            task = asyncio.ensure_future(child.communicate())
            await asyncio.sleep(0)

        asyncio.run(main())
    """,
}
PROLOGUE = """
import asyncio, sys, threading
from procession.subprocess import create_subprocess_exec, PIPE

async def start():
    child = await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    spawn = create_subprocess_exec("cat", stdin=PIPE)
    spawn.send(None)
    return child, spawn
"""


@pytest.mark.parametrize("case", PROGRAMS)
def test_the_interpreter_ends_silently(case):
    program = PROLOGUE + textwrap.dedent(PROGRAMS[case])

    ended = subprocess.run(
        [sys.executable, "-c", program],
        timeout=patience.seconds,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
