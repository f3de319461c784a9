"""Statements about streams: nothing lost, nothing copied, nothing logged."""

import asyncio

from helpers import patience
from helpers.leftovers import peak_resident
from helpers.own_interpreter import fails, fixed_in, own_interpreter

MIB = 1 << 20


@own_interpreter()
async def test_17_a_line_longer_than_the_limit_need_not_be_lost(sp):
    line = b"x" * 300_000 + b"\n"
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
    call = asyncio.ensure_future(feed(child, line))
    try:
        await child.stdout.readuntil(b"\n")
    except asyncio.LimitOverrunError as error:
        start = await child.stdout.readexactly(error.consumed)
    else:
        raise AssertionError("no error at the limit")
    rest = await child.stdout.read()
    await call

    assert start + rest == line
    await child.wait()


@own_interpreter()
async def test_17_a_line_within_a_larger_limit_is_returned(sp):
    line = b"x" * 300_000 + b"\n"
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE, limit=MIB)
    call = asyncio.ensure_future(feed(child, line))

    assert await child.stdout.readline() == line

    await call
    await child.wait()


async def feed(child, data):
    child.stdin.write(data)
    await child.stdin.drain()
    child.stdin.close()


@own_interpreter(fails("the output is joined from a list of its parts"))
async def test_18_communicate_needs_little_more_memory_than_the_output(sp):
    size = 128 * MIB
    child = await sp.create_subprocess_exec("head", "-c", str(size), "/dev/zero", stdout=sp.PIPE)
    before = peak_resident()

    output, _ = await child.communicate()

    assert len(output) == size
    assert peak_resident() - before < 1.35 * size


@own_interpreter(fails("the input is copied to the transport's buffer"))
async def test_19_communicate_does_not_copy_its_input(sp):
    size = 128 * MIB
    child = await sp.create_subprocess_exec("wc", "-c", stdin=sp.PIPE, stdout=sp.PIPE)
    data = b"x" * size
    before = peak_resident()

    output, _ = await child.communicate(data)

    assert int(output) == size
    assert peak_resident() - before < 0.25 * size


@own_interpreter()
async def test_20_communicate_is_quiet_if_the_child_does_not_read(sp):
    complaints = []
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: complaints.append(context)
    )
    for _ in range(10):
        child = await sp.create_subprocess_exec("true", stdin=sp.PIPE)

        await child.communicate(b"x" * MIB)

        assert child.returncode == 0
    assert complaints == []


@own_interpreter()
async def test_21_writing_to_a_stdin_that_the_child_has_closed_raises(sp):
    child = await sp.create_subprocess_shell(
        "exec 0<&-; echo closed; exec sleep 100", stdin=sp.PIPE, stdout=sp.PIPE
    )
    assert await child.stdout.readline() == b"closed\n"

    error = await error_of_writing(child.stdin)

    child.kill()
    await child.wait()
    assert isinstance(error, (BrokenPipeError, ConnectionResetError))


async def error_of_writing(stdin):
    try:
        for _ in range(4):
            stdin.write(b"x")
            await stdin.drain()
            await asyncio.sleep(0.01)
    except OSError as error:
        return error


@own_interpreter(fixed_in((3, 11), "an exception that is never retrieved"))
async def test_22_drain_wakes_with_an_error_when_the_child_dies(sp):
    child = await sp.create_subprocess_exec("sleep", "100", stdin=sp.PIPE)
    child.stdin.write(b"x" * MIB)
    drain = asyncio.ensure_future(child.stdin.drain())
    await asyncio.sleep(0.01)
    assert not drain.done()

    child.kill()
    (error,) = await asyncio.wait_for(
        asyncio.gather(drain, return_exceptions=True), patience.seconds
    )

    await child.wait()
    assert isinstance(error, (BrokenPipeError, ConnectionResetError))


@own_interpreter()
async def test_45_output_is_always_complete(sp):
    async def spawn(i):
        child = await sp.create_subprocess_shell(
            f"seq {i} 20000; echo {i} >&2; exit {i}", stdout=sp.PIPE, stderr=sp.PIPE
        )
        output, errors = await child.communicate()
        assert output == b"".join(b"%d\n" % n for n in range(i, 20001))
        assert (errors, child.returncode) == (b"%d\n" % i, i)

    for _ in range(3):
        await asyncio.gather(*[spawn(i) for i in range(20)])


@own_interpreter(fixed_in((3, 12), "stdin stays open (gh-83925)"))
async def test_52_communicate_without_input_closes_stdin(sp):
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)

    output = await asyncio.wait_for(child.communicate(None), patience.seconds)

    assert output == (b"", None)


@own_interpreter()
async def test_53_a_child_that_closes_its_stdout_gives_end_of_file(sp):
    child = await sp.create_subprocess_shell(
        "echo hello; exec >&-; read line", stdin=sp.PIPE, stdout=sp.PIPE
    )

    output = await asyncio.wait_for(child.stdout.read(), patience.seconds)

    assert (output, child.returncode) == (b"hello\n", None)
    child.stdin.close()
    await child.wait()


@own_interpreter(fails("an assertion instead of a TypeError (gh-79195)"))
async def test_54_communicate_refuses_text_and_leaves_the_process_usable(sp):
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
    refused = False
    try:
        await child.communicate("text")
    except TypeError:
        refused = True

    output = await asyncio.wait_for(child.communicate(b"bytes"), patience.seconds)

    assert refused
    assert output == (b"bytes", None)
