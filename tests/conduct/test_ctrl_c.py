"""Ctrl-C during communicate() leaves no child, and one KeyboardInterrupt."""

import signal
import subprocess
import sys
import textwrap

from helpers import patience
from helpers.leash import Leash

PROGRAM = """
    import asyncio, sys
    from procession.subprocess import create_subprocess_exec, PIPE

    async def main():
        child = await create_subprocess_exec(
            "cat", stdin=int(sys.argv[1]), stdout=PIPE, start_new_session=True
        )
        communicate = asyncio.ensure_future(child.communicate())
        await asyncio.sleep(0.01)
        print("ready", flush=True)
        await communicate

    asyncio.run(main())
"""

# From Python 3.11 on asyncio.run() turns Ctrl-C into a cancellation, and back.
EXPECTED = {"KeyboardInterrupt", "asyncio.exceptions.CancelledError"}


def test_ctrl_c_leaves_no_child_and_no_noise():
    with Leash() as leash:
        collar = leash.collar.fileno()
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), str(collar)],
            pass_fds=[collar],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as program:
            assert program.stdout.readline() == "ready\n"

            program.send_signal(signal.SIGINT)
            _, complaints = program.communicate(timeout=patience.seconds)

        leash.assert_child_gone()
    assert program.returncode == -signal.SIGINT
    assert errors_named_in(complaints) - EXPECTED == set()


def errors_named_in(complaints):
    """Return the lines of stderr that are no part of a traceback's frames."""
    frames = (" ", "Traceback", "During handling")
    return {line for line in complaints.splitlines() if not line.startswith(frames)} - {""}
