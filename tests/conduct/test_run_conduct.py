"""run() at limits, in threads, on other loops, in development mode, interrupted anywhere."""

import asyncio
import contextlib
import errno
import gc
import logging
import resource
import subprocess
import sys
import warnings

import procession
from conduct.test_interrupted_anywhere import LATEST, Interruption, close
from conduct.test_threads import in_threads
from conduct.test_uvloop import run as run_on_uvloop
from helpers.leftovers import assert_nothing_left, assert_settles, descriptors
from helpers.limits import become_unprivileged, few_descriptors, few_processes
from helpers.own_interpreter import UNWARNED, not_run, own_interpreter, skip

OURS = not_run("asyncio has no run()")
STRICT = ("-X", "dev", "-W", "error")
ROUNDS = 100


async def error_of(*args, **options):
    try:
        await procession.run(args, **options)
    except OSError as error:
        return error


def popens_error(*args, **options):
    try:
        subprocess.run(args, **options)
    except OSError as error:
        return error


def described(error):
    return type(error), error.args, str(error), error.filename


@own_interpreter(OURS)
async def test_the_limit_of_open_files_is_an_error_wherever_it_is_met(sp):
    options = {"input": b"text", "capture_output": True}
    await error_of("cat", **options)
    with few_descriptors(0):
        expected = described(popens_error("cat", **options))
    before = descriptors()
    failed = 0
    for free in range(21):
        with few_descriptors(free):
            error = await error_of("cat", **options)
        if error is not None:
            failed += 1
            assert described(error) == expected
            assert (error.errno, error.limit) == (errno.EMFILE, "open files")
        await assert_settles(before)

    assert 6 <= failed < 21


@own_interpreter(OURS)
def test_the_limit_of_open_files_of_the_first_command(sp):
    before = descriptors()
    failed = 0
    for free in range(21):
        with contextlib.closing(asyncio.new_event_loop()) as loop, few_descriptors(free, 512):
            error = loop.run_until_complete(error_of("cat", input=b"", capture_output=True))
        if error is not None:
            failed += 1
            assert (error.errno, error.limit) == (errno.EMFILE, "open files")
        assert_nothing_left(before)

    assert 6 <= failed < 21


@own_interpreter(OURS)
def test_the_limit_of_processes_is_an_error(sp):
    async def main():
        await error_of("true")
        before = descriptors()
        with few_processes():
            expected = described(popens_error("true"))
            for options in ({}, {"capture_output": True}, {"input": b"text"}):
                error = await error_of("true", **options)
                assert described(error) == expected
                assert (error.errno, error.limit) == (errno.EAGAIN, "processes")
        assert await error_of("true") is None
        await assert_settles(before)

    become_unprivileged()
    asyncio.run(main())


@own_interpreter(OURS)
async def test_an_output_for_which_there_is_no_memory_is_an_error(sp):
    """And the command is ended, though it may have no more to write."""
    with open("/proc/self/maps") as maps:
        if "libasan" in maps.read():
            skip("a sanitizer ends the program where memory is short")
    size = 64 << 20
    await error_of("true")
    before = descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    script = f"ulimit -S -v $(ulimit -H -v); head -c {size} /dev/zero"
    for number, stream in ((1, "stdout"), (2, "stderr")):
        for more in ("exec sleep 3600", "exit 3"):
            resource.setrlimit(resource.RLIMIT_AS, (used + size // 2, hard))
            try:
                await procession.run(
                    f"({script}) >&{number}; {more}",
                    shell=True,
                    **{stream: procession.PIPE},
                )
            except MemoryError:
                continue
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
            raise AssertionError("there was memory")

    result = await procession.run(["echo", "text"], stdout=procession.PIPE)
    assert result.stdout == b"text\n"
    await assert_settles(before)


async def mix():
    """Use run() in each of its ways."""
    run = procession.run
    assert (await run(["cat"], input=b"text", stdout=procession.PIPE)).stdout == b"text"
    assert (await run("echo a; exit 3", shell=True, capture_output=True)).returncode == 3
    assert (await run(["cat"], input="ü", text=True, encoding="utf-8", capture_output=True)).ok
    await run(["tee", "/dev/stderr"], input=bytes(1 << 20), capture_output=True, max_output=100)
    await run(["true"], input=bytes(1 << 20))
    for options in (
        {"timeout": 0.01},
        {"timeout": 0.01, "grace": 0},
        {"idle_timeout": 0.01, "capture_output": True},
        {"timeout": 0},
    ):
        with contextlib.suppress(subprocess.TimeoutExpired):
            await run(["sleep", "3600"], **options)
            raise AssertionError("no timeout")
    with contextlib.suppress(subprocess.CalledProcessError):
        await run(["false"], check=True)
        raise AssertionError("no error")
    with contextlib.suppress(FileNotFoundError):
        await run(["/no/such/program"], capture_output=True)
        raise AssertionError("no error")
    with contextlib.suppress(UnicodeDecodeError):
        await run(["printf", "\\377"], capture_output=True, encoding="ascii")
        raise AssertionError("no error")
    for turns in range(5):
        task = asyncio.ensure_future(run(["sleep", "3600"], capture_output=True))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    results = await asyncio.gather(*[run(["true"]) for _ in range(30)])
    assert all(result.ok for result in results)


@own_interpreter(OURS, options=STRICT)
def test_each_way_is_silent_in_development_mode(sp):
    asyncio.run(mix())
    gc.collect()


@own_interpreter(OURS)
def test_each_way_on_loops_in_several_threads(sp):
    before = descriptors()

    in_threads(4, lambda: asyncio.run(mix()))

    gc.collect()
    assert_nothing_left(before)


@own_interpreter(OURS)
def test_each_way_on_uvloop(sp):
    run_on_uvloop(mix())
    before = descriptors()
    run_on_uvloop(mix())
    gc.collect()
    assert_nothing_left(before)


@own_interpreter(OURS)
def test_successive_loops_leave_nothing(sp):
    asyncio.run(mix())
    before = descriptors()
    for _ in range(10):
        asyncio.run(mix())
    gc.collect()
    assert_nothing_left(before)


@own_interpreter(OURS)
def test_the_interpreter_may_end_in_the_middle(sp):
    program = (
        "import asyncio, procession, sys\n"
        "async def main():\n"
        "    asyncio.ensure_future(procession.run(['sleep', '3600']))\n"
        "    await procession.run(['true'])\n"
        "    sys.exit(7)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-X", "dev", "-c", program], stderr=subprocess.PIPE)

    assert (done.returncode, done.stderr) == (7, b"")


async def busy():
    pipes = {"stdout": procession.PIPE, "stderr": procession.PIPE}

    async def collect():
        while True:
            result = await procession.run(["cat"], input=bytes(200000), **pipes, timeout=20)
            assert result.stdout == bytes(200000)

    async def fail():
        while True:
            with contextlib.suppress(FileNotFoundError):
                await procession.run(["/no/such/program"], **pipes)
            await asyncio.sleep(0)

    async def cancel():
        while True:
            task = asyncio.ensure_future(procession.run(["sleep", "3600"], **pipes))
            await asyncio.sleep(0.001)
            task.cancel()
            await asyncio.wait([task])

    await asyncio.gather(collect(), collect(), fail(), cancel())


@own_interpreter(OURS, options=UNWARNED, slow=True)
def test_a_run_that_is_interrupted_leaves_nothing(sp):
    # Where an exception cannot be raised, as in a destructor, the interpreter reports it.
    sys.unraisablehook = lambda unraisable: None
    logging.disable()
    warnings.simplefilter("ignore")
    before = descriptors()
    for i in range(ROUNDS):
        loop = asyncio.new_event_loop()
        interruption = Interruption(
            (KeyboardInterrupt, SystemExit)[i % 2], LATEST * (i + 1) / ROUNDS
        )
        interruption.of(lambda loop=loop: loop.run_until_complete(busy()))
        # Where asyncio itself was interrupted it takes the loop for one that runs, or stops.
        asyncio._set_running_loop(None)
        loop._stopping = False
        close(loop)

    gc.collect()
    assert_nothing_left(before)
