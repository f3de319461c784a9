"""A record lock of the process survives that its file is passed to children."""

import asyncio
import contextlib
import fcntl
import subprocess
import sys
import tempfile

from helpers.leftovers import assert_settles, descriptors
from helpers.own_interpreter import not_run, own_interpreter

TRY = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'a'), fcntl.LOCK_EX | fcntl.LOCK_NB)"


def is_locked(file):
    """Ask another process, whom the lock keeps out."""
    done = subprocess.run([sys.executable, "-S", "-c", TRY, file.name], capture_output=True)
    assert done.returncode == 0 or b"BlockingIOError" in done.stderr, done.stderr
    return done.returncode != 0


@contextlib.contextmanager
def locked_file():
    with tempfile.NamedTemporaryFile() as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert is_locked(file)
        yield file


@own_interpreter()
async def test_a_record_lock_is_kept_when_its_file_is_a_stream(sp):
    with locked_file() as file:
        for options in (
            {"stdin": file},
            {"stdout": file},
            {"stdout": file, "stderr": sp.STDOUT},
            {"stdin": file, "stdout": file, "stderr": file.fileno()},
            {"stdout": file, "pass_fds": [file.fileno()]},
        ):
            child = await sp.create_subprocess_exec("true", **options)
            assert await child.wait() == 0

            assert is_locked(file), options


@own_interpreter()
async def test_a_record_lock_is_kept_when_the_spawn_fails(sp):
    with locked_file() as file:
        for argv, options in ((["/nonexistent"], {}), (["true"], {"cwd": "/nonexistent"})):
            try:
                await sp.create_subprocess_exec(*argv, stdout=file, **options)
            except FileNotFoundError:
                assert is_locked(file)
            else:
                raise AssertionError("no error")


@own_interpreter(not_run("what its watcher says of a cancelled spawn depends on chance"))
async def test_a_record_lock_is_kept_when_a_spawn_is_cancelled(sp):
    await (await sp.create_subprocess_exec("true")).wait()
    before = descriptors()
    with locked_file() as file:
        for turns in range(6):
            spawn = asyncio.ensure_future(sp.create_subprocess_exec("true", stdout=file))
            for _ in range(turns):
                await asyncio.sleep(0)
            spawn.cancel()
            (outcome,) = await asyncio.gather(spawn, return_exceptions=True)
            if not isinstance(outcome, asyncio.CancelledError):
                await outcome.wait()
            assert is_locked(file)
    await assert_settles(before)


@own_interpreter()
async def test_what_is_written_to_a_locked_file_is_there(sp):
    with locked_file() as file:
        child = await sp.create_subprocess_exec(
            "sh", "-c", "echo out; echo err >&2", stdout=file, stderr=sp.STDOUT
        )
        await child.wait()

        file.seek(0)
        assert file.read() == b"out\nerr\n"
