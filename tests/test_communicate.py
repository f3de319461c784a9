"""communicate(): all of the output for all of the input, whatever happens between."""

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess

import pytest

from children import (
    ENV,
    SLEEP,
    TRUE,
    end,
    is_stopped,
    sh,
    start_cat,
    turns,
    until,
)

MIB = 1 << 20
ECHO = "cat; echo err >&2"


@pytest.mark.parametrize("pipes", list(itertools.product([False, True], repeat=3)), ids=str)
async def test_any_combination_of_pipes(impl, pipes):
    streams = [impl.PIPE if piped else impl.DEVNULL for piped in pipes]
    process = await impl.create_subprocess_exec(
        *sh(ECHO), **dict(zip(("stdin", "stdout", "stderr"), streams, strict=True))
    )

    result = await process.communicate(b"input" if pipes[0] else None)

    output = b"input" if pipes[0] else b""
    assert result == (output if pipes[1] else None, b"err\n" if pipes[2] else None)
    assert process.returncode == 0


async def test_stderr_joins_stdout(impl):
    process = await impl.create_subprocess_exec(
        *sh(ECHO), stdin=impl.PIPE, stdout=impl.PIPE, stderr=impl.STDOUT
    )

    assert await process.communicate(b"out\n") == (b"out\nerr\n", None)


@pytest.mark.parametrize("size", [0, 1, 4096, 65536, 65537, 4 * MIB + 3])
async def test_large_input_and_output_cross(impl, size):
    data = os.urandom(size)
    process = await start_cat(impl, stderr=impl.PIPE)

    assert await process.communicate(data) == (data, b"")
    assert process.returncode == 0


async def test_large_output_on_both_streams(impl):
    process = await impl.create_subprocess_exec(
        *sh(f"head -c {3 * MIB} /dev/zero >&2 & head -c {2 * MIB} /dev/zero; wait"),
        stdout=impl.PIPE,
        stderr=impl.PIPE,
    )

    output, errors = await process.communicate()

    assert (output, errors) == (bytes(2 * MIB), bytes(3 * MIB))


async def test_output_is_not_bounded_by_the_limit(impl):
    process = await start_cat(impl, limit=10)

    output, _ = await process.communicate(b"x" * 100_000)

    assert output == b"x" * 100_000


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", [0, 5, MIB])
async def test_input_is_anything_like_bytes(impl, kind, size):
    data = b"x" * size
    process = await start_cat(impl)

    output, _ = await process.communicate(kind(data))

    assert output == data
    assert type(output) is bytes


async def test_text_is_refused_and_the_process_stays_usable(impl):
    process = await start_cat(impl)

    try:
        with pytest.raises(TypeError):
            await process.communicate("text")
        assert await process.communicate(b"bytes") == (b"bytes", None)
    finally:
        await end(process)


async def test_communicate_none_closes_stdin(impl, patience):
    process = await start_cat(impl)

    try:
        result = await asyncio.wait_for(process.communicate(), patience)
    finally:
        await end(process)
    assert result == (b"", None)


@pytest.mark.parametrize("size", [1, 100, MIB])
async def test_a_child_that_does_not_read_its_input_is_no_error(impl, size):
    for argv in (TRUE, sh("exec <&-; echo closed"), sh("read line; exit 3")):
        process = await impl.create_subprocess_exec(*argv, stdin=impl.PIPE, stdout=impl.PIPE)

        output, _ = await process.communicate(b"x" * size)

        assert output in (b"", b"closed\n")
        assert process.returncode in (0, 1, 3)


async def test_a_child_that_is_gone_before_its_input_is_no_error(impl):
    process = await impl.create_subprocess_exec(*TRUE, stdin=impl.PIPE, stdout=impl.PIPE)
    await process.wait()

    assert await process.communicate(b"x" * MIB) == (b"", None)


async def test_input_without_a_pipe_is_met_as_by_asyncio(impl):
    answers = []

    for module in (asyncio.subprocess, impl):
        process = await module.create_subprocess_exec(*TRUE, stdout=impl.PIPE)
        try:
            answers.append(repr(await process.communicate(b"input")))
        except AttributeError as error:
            answers.append(str(error))
        await process.wait()

    assert answers[1].startswith(answers[0])


async def test_communicate_can_be_called_again(impl):
    process = await start_cat(impl, stderr=impl.PIPE)

    assert await process.communicate(b"once") == (b"once", b"")
    assert await process.communicate() == (b"", b"")
    assert await process.communicate(b"again") == (b"", b"")


async def test_what_was_read_before_is_not_returned_again(impl):
    process = await impl.create_subprocess_exec(
        *sh("echo one; echo two; cat"), stdin=impl.PIPE, stdout=impl.PIPE
    )

    assert await process.stdout.readline() == b"one\n"
    process.stdin.write(b"three ")

    assert await process.communicate(b"four") == (b"two\nthree four", None)


async def test_communicate_after_wait_returns_the_output(impl):
    process = await impl.create_subprocess_exec(
        *sh("echo out; echo err >&2; exit 2"), stdout=impl.PIPE, stderr=impl.PIPE
    )

    assert await process.wait() == 2
    assert await process.communicate() == (b"out\n", b"err\n")


async def test_communicate_and_waiters_end_together(impl):
    process = await start_cat(impl)
    waiters = [asyncio.ensure_future(process.wait()) for _ in range(3)]
    await turns()

    assert await process.communicate(b"x") == (b"x", None)

    assert await asyncio.gather(*waiters) == [0, 0, 0]


async def test_communicate_waits_for_the_exit_after_the_end_of_the_output(impl):
    process = await impl.create_subprocess_exec(
        *sh("echo out; exec >&-; read line; exit 8"),
        stdin=impl.PIPE,
        stdout=impl.PIPE,
    )

    assert await process.communicate(b"line\n") == (b"out\n", None)
    assert process.returncode == 8


async def test_communicate_waits_for_output_that_comes_after_the_exit(impl):
    process = await impl.create_subprocess_exec(
        *sh("(read line <&3; echo late) 3<&0 & exit 0"),
        stdin=impl.PIPE,
        stdout=impl.PIPE,
    )
    await until(lambda: process.returncode is not None)

    assert await process.communicate(b"line\n") == (b"late\n", None)


async def test_a_killed_child_gives_what_it_had_written(impl):
    process = await impl.create_subprocess_exec(*sh("echo written; kill -9 $$"), stdout=impl.PIPE)

    assert await process.communicate() == (b"written\n", None)
    assert process.returncode == -9


async def stopped_half_way(impl, process, data):
    """Call communicate(), cancel it when the child has stopped itself."""
    task = asyncio.ensure_future(process.communicate(data))
    await until(lambda: is_stopped(process.pid))
    await turns(50)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("how", ["continued", "killed"])
async def test_a_cancelled_communicate_can_be_continued(impl, how):
    process = await impl.create_subprocess_exec(
        *sh("echo first; echo worry >&2; kill -STOP $$; cat; echo last"),
        stdin=impl.PIPE,
        stdout=impl.PIPE,
        stderr=impl.PIPE,
    )
    await stopped_half_way(impl, process, b"input\n")

    process.send_signal(signal.SIGCONT if how == "continued" else signal.SIGKILL)

    rest = b"input\nlast\n" if how == "continued" else b""
    assert await process.communicate() == (b"first\n" + rest, b"worry\n")


async def test_half_sent_input_is_neither_lost_nor_sent_again(impl, patience):
    data = os.urandom(MIB)
    process = await impl.create_subprocess_exec(
        *sh("head -c 100000; kill -STOP $$; exec cat"),
        stdin=impl.PIPE,
        stdout=impl.PIPE,
    )
    await stopped_half_way(impl, process, data)

    process.send_signal(signal.SIGCONT)

    output, _ = await asyncio.wait_for(process.communicate(), patience)
    assert output == data


async def test_a_cancelled_communicate_can_be_cancelled_again_and_again(impl):
    process = await impl.create_subprocess_exec(
        *sh("read line; echo $line"), stdin=impl.PIPE, stdout=impl.PIPE
    )
    for _ in range(5):
        waiter = asyncio.ensure_future(process.stdout.read())
        await turns()
        waiter.cancel()
        await turns()

    assert await process.communicate(b"line\n") == (b"line\n", None)


async def test_the_idiom_of_a_timeout_ends_the_child(impl):
    process = await impl.create_subprocess_exec(
        *SLEEP, stdin=impl.PIPE, stdout=impl.PIPE, stderr=impl.PIPE
    )

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(process.communicate(), 0.01)
    process.kill()

    assert await process.wait() == -9


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_a_reader_at_work_is_a_runtime_error(impl, stream):
    process = await start_cat(impl, stderr=impl.PIPE)
    reading = asyncio.ensure_future(getattr(process, stream).read())
    await turns()

    message = "called while another coroutine is already waiting for incoming data"
    with pytest.raises(RuntimeError, match=message):
        await process.communicate()

    process.kill()
    assert await reading == b""
    await process.wait()


async def test_a_shell_command_takes_part(impl):
    process = await impl.create_subprocess_shell(
        "tr a-z A-Z; echo err >&2; exit 5",
        stdin=impl.PIPE,
        stdout=impl.PIPE,
        stderr=impl.PIPE,
    )

    assert await process.communicate(b"shout") == (b"SHOUT", b"err\n")
    assert process.returncode == 5


async def test_the_result_is_popens(impl):
    options = {"stdin": impl.PIPE, "stdout": impl.PIPE, "stderr": impl.PIPE}
    with subprocess.Popen(ENV, env={"A": "1"}, **options) as popen:
        expected = popen.communicate(b"unread")

    process = await impl.create_subprocess_exec(*ENV, env={"A": "1"}, **options)

    assert await process.communicate(b"unread") == expected


async def test_many_at_once_do_not_mix(impl):
    async def run(number):
        data = b"%d" % number * 20_000
        process = await start_cat(impl)
        output, _ = await process.communicate(data)
        return output == data

    assert all(await asyncio.gather(*map(run, range(40))))


@pytest.mark.parametrize("call", ["read", "readline", "readexactly", "readuntil", "anext"])
async def test_nobody_takes_data_from_a_communicate_that_is_under_way(impl, call):
    process = await impl.create_subprocess_exec(
        *sh("echo one; read line; echo two"), stdin=impl.PIPE, stdout=impl.PIPE
    )
    stdin, process.stdin = process.stdin, None
    communicating = asyncio.ensure_future(process.communicate())
    await turns(20)

    reader = process.stdout
    calls = {"read": (reader.read, 1), "readexactly": (reader.readexactly, 1)}
    name = "__anext__" if call == "anext" else call
    function, *arguments = calls.get(call) or (getattr(reader, name),)
    with pytest.raises(RuntimeError, match="already waiting for incoming data"):
        await function(*arguments)
    stdin.write(b"\n")

    assert await communicating == (b"one\ntwo\n", None)
    stdin.close()


async def test_streams_may_be_replaced_by_others(impl):
    process = await start_cat(impl)
    real = process.stdout
    seen = []

    class Tee:
        async def read(self, n=-1):
            data = await real.read(n)
            seen.append(data)
            return data

    process.stdout = Tee()
    output = await process.communicate(b"through")

    assert output == (b"through", None)
    assert seen == [b"through"]
    with contextlib.suppress(ProcessLookupError):
        process.kill()
