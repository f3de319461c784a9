"""Interpreters beside the main one: one of them has the package, others are told."""

import subprocess
import sys
import textwrap

import pytest

MAIN = """
    import sys

    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters

    for _ in range(2):
        interpreter = interpreters.create()
        interpreters.run_string(interpreter, sys.argv[1])
        interpreters.destroy(interpreter)
    print("ended", flush=True)
"""

BESIDE = """
    import asyncio

    async def main():
        from procession import PIPE, create_subprocess_exec

        cat = await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        print(await cat.communicate(b"through"), flush=True)

    try:
        asyncio.run(main())
    except ImportError as error:
        print("ImportError:", error, flush=True)
"""


@pytest.mark.slow
def test_the_first_interpreter_to_import_it_has_it_and_others_are_told():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MAIN), textwrap.dedent(BESIDE)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    lines = done.stdout.splitlines()
    if sys.version_info < (3, 12):
        # The first that imports it has it. Later versions refuse it to all but the main one.
        assert lines.pop(0) == "(b'through', None)", done
    assert "runs in one interpreter of a process" in lines[0], done
    # Python 3.12 dies of such an interpreter's end, with procession or without.
    if sys.version_info[:2] != (3, 12):
        assert lines[-1] == "ended", done
        assert done.returncode == 0, done
