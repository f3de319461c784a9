"""A spawn that runs into a limit: the error is Popen's, and names the limit besides."""

import asyncio
import errno
import os
import resource
import subprocess

from helpers.limits import become_unprivileged, few_descriptors, few_processes
from helpers.own_interpreter import not_run, own_interpreter, skip
from helpers.refusal import is_possible, refuse_children, refuse_pipes

NOT_OURS = not_run("asyncio's errors name no limit")
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def described(error):
    return type(error), error.args, str(error), error.filename


async def error_of(sp, *argv, **options):
    try:
        child = await sp.create_subprocess_exec(*argv, **options)
    except OSError as error:
        return error
    await child.communicate()
    return None


def popens_error(*argv, **options):
    try:
        with subprocess.Popen(argv, **options) as child:
            child.communicate()
    except OSError as error:
        return error
    return None


async def assert_popens_with(limit, number, sp, *argv, **options):
    """Assert that ours is Popen's error but for the limit that it names."""
    expected = popens_error(*argv, **options)
    error = await error_of(sp, *argv, **options)

    assert described(error) == described(expected)
    assert error.errno == number
    assert error.limit == limit
    assert not hasattr(error, "__notes__")


@own_interpreter(NOT_OURS)
def test_an_error_names_the_limit_of_processes(sp):
    async def main():
        await error_of(sp, "true")
        with few_processes():
            await assert_popens_with("processes", errno.EAGAIN, sp, "true", **PIPES)
        assert await error_of(sp, "true") is None

    become_unprivileged()
    asyncio.run(main())


@own_interpreter(NOT_OURS)
def test_the_first_spawn_names_the_limit_of_processes(sp):
    async def main():
        with few_processes():
            await assert_popens_with("processes", errno.EAGAIN, sp, "true")

    become_unprivileged()
    asyncio.run(main())


@own_interpreter(NOT_OURS)
async def test_an_error_names_the_limit_of_processes_of_another_user(sp):
    if os.getuid():
        skip("only root may change users")
    # Of nobody else's processes.
    user = 100_000 + os.getpid()
    others = [await sp.create_subprocess_exec("cat", stdin=sp.PIPE, user=user) for _ in "12"]
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)

    resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
    await assert_popens_with("processes", errno.EAGAIN, sp, "true", user=user)

    resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
    for other in others:
        await other.communicate()


@own_interpreter(NOT_OURS)
async def test_an_error_names_the_limit_of_open_files_wherever_it_is_met(sp):
    await error_of(sp, "true", **PIPES)
    with few_descriptors(0):
        expected = described(popens_error("true", **PIPES))
    failed = 0
    for free in range(21):
        with few_descriptors(free):
            error = await error_of(sp, "true", **PIPES)
        if error is not None:
            failed += 1
            assert described(error) == expected
            assert (error.errno, error.limit) == (errno.EMFILE, "open files")

    assert 6 <= failed < 21


@own_interpreter(NOT_OURS)
async def test_an_error_names_the_limit_of_open_files_of_the_system(sp):
    if not is_possible():
        skip("the numbers of the system calls are not known here")
    refuse_pipes("ENFILE")

    await assert_popens_with("system open files", errno.ENFILE, sp, "true", **PIPES)


def run_out_of_memory(sp):
    async def main():
        await assert_popens_with("memory", errno.ENOMEM, sp, "true")

    if not is_possible():
        skip("the numbers of the system calls are not known here")
    subprocess._USE_VFORK = subprocess._USE_POSIX_SPAWN = False
    refuse_children("ENOMEM")
    asyncio.run(main())


@own_interpreter(NOT_OURS)
def test_an_error_names_the_limit_of_memory(sp):
    asyncio.run(error_of(sp, "true"))

    run_out_of_memory(sp)


@own_interpreter(NOT_OURS)
def test_the_first_spawn_names_the_limit_of_memory(sp):
    run_out_of_memory(sp)


@own_interpreter(NOT_OURS)
async def test_an_error_of_another_kind_names_no_limit(sp):
    error = await error_of(sp, "/no/such/program")

    assert error.errno == errno.ENOENT
    assert not hasattr(error, "limit")
