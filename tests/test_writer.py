"""StreamWriter: what reaches a child's stdin, and what happens when nobody reads."""

import asyncio
import fcntl
import os
import signal

import pytest

from children import (
    CAT,
    SLEEP,
    TRUE,
    end,
    is_stopped,
    sh,
    start_cat,
    turns,
    until,
)

# In the module from Python 3.10 on, but not in every build.
F_GETPIPE_SZ = 1032

MIB = 1 << 20
GONE = (BrokenPipeError, ConnectionResetError)


async def start_stopped_cat(impl):
    """Start a cat that does not read before SIGCONT."""
    process = await start_cat(impl)
    process.send_signal(signal.SIGSTOP)
    await until(lambda: is_stopped(process.pid))
    return process


async def assert_drain_fails(writer):
    """Write until drain() tells that nobody reads."""
    with pytest.raises(GONE):
        for _ in range(100):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0)


async def test_what_is_written_reaches_the_child_in_order(impl):
    process = await start_cat(impl)

    for data in (b"bytes ", bytearray(b"bytearray "), memoryview(b"memoryview"), b""):
        assert process.stdin.write(data) is None
    process.stdin.close()

    assert await process.stdout.read() == b"bytes bytearray memoryview"
    await process.wait()


@pytest.mark.parametrize("kind", [list, tuple, iter])
async def test_writelines_takes_any_iterable(impl, kind):
    process = await start_cat(impl)

    pieces = [b"one ", bytearray(b"two "), memoryview(b"three"), b""]
    assert process.stdin.writelines(kind(pieces)) is None
    process.stdin.writelines([])
    process.stdin.close()

    assert await process.stdout.read() == b"one two three"
    await process.wait()


async def test_many_small_writes_arrive_whole(impl):
    process = await start_cat(impl)
    reading = asyncio.ensure_future(process.stdout.read())

    for number in range(20_000):
        process.stdin.write(b"%d\n" % number)
    process.stdin.close()

    assert await reading == b"".join(b"%d\n" % number for number in range(20_000))
    await process.wait()


async def test_a_buffer_may_be_changed_once_it_was_written(impl):
    process = await start_stopped_cat(impl)
    data = bytearray(b"x" * MIB)

    process.stdin.write(data)
    data[:] = b"y" * MIB
    process.send_signal(signal.SIGCONT)
    process.stdin.close()

    assert await process.stdout.read() == b"x" * MIB
    await process.wait()


async def test_drain_returns_at_once_when_little_is_waiting(impl):
    process = await start_stopped_cat(impl)

    process.stdin.write(b"x" * 1000)

    assert await asyncio.wait_for(process.stdin.drain(), 5) is None
    await end(process)


async def test_drain_waits_above_the_high_water_mark_until_the_child_reads(impl):
    process = await start_stopped_cat(impl)
    process.stdin.write(b"x" * MIB)
    drains = [asyncio.ensure_future(process.stdin.drain()) for _ in range(3)]
    await turns(50)
    assert not any(drain.done() for drain in drains)
    assert process.stdin.transport.get_write_buffer_size() > 65536

    process.send_signal(signal.SIGCONT)
    reading = asyncio.ensure_future(process.stdout.readexactly(MIB))

    assert await asyncio.gather(*drains) == [None] * 3
    low, _ = process.stdin.transport.get_write_buffer_limits()
    assert process.stdin.transport.get_write_buffer_size() <= low
    assert await reading == b"x" * MIB
    await end(process)


async def test_the_water_marks_can_be_set(impl):
    process = await start_stopped_cat(impl)
    transport = process.stdin.transport
    assert transport.get_write_buffer_limits() == (16384, 65536)

    transport.set_write_buffer_limits(high=4 * MIB, low=10)
    assert transport.get_write_buffer_limits() == (10, 4 * MIB)
    process.stdin.write(b"x" * MIB)
    await asyncio.wait_for(process.stdin.drain(), 5)

    await end(process)


async def test_a_cancelled_drain_loses_nothing(impl):
    process = await start_stopped_cat(impl)
    process.stdin.write(b"x" * MIB)
    drain = asyncio.ensure_future(process.stdin.drain())
    await turns()

    drain.cancel()
    with pytest.raises(asyncio.CancelledError):
        await drain
    process.send_signal(signal.SIGCONT)
    process.stdin.write(b"y")
    process.stdin.close()

    assert await process.stdout.read() == b"x" * MIB + b"y"
    await process.wait()


async def test_what_was_written_before_close_is_still_sent(impl):
    process = await start_stopped_cat(impl)

    process.stdin.write(b"x" * MIB)
    process.stdin.close()
    assert process.stdin.is_closing()
    process.send_signal(signal.SIGCONT)

    assert await process.stdout.read() == b"x" * MIB
    await process.stdin.wait_closed()
    await process.wait()


async def test_close_ends_the_childs_input(impl):
    process = await start_cat(impl)
    assert not process.stdin.is_closing()

    assert process.stdin.close() is None
    process.stdin.close()

    assert process.stdin.is_closing()
    assert await process.stdin.wait_closed() is None
    assert await process.stdin.wait_closed() is None
    assert await process.wait() == 0


async def test_write_eof_ends_the_childs_input(impl):
    process = await start_cat(impl)
    assert process.stdin.can_write_eof() is True

    process.stdin.write(b"last")
    process.stdin.write_eof()

    assert await process.stdout.read() == b"last"
    assert process.stdin.is_closing()
    assert await process.wait() == 0


async def test_writing_after_close_is_silent_and_drain_tells(impl):
    process = await start_cat(impl)
    process.stdin.close()

    process.stdin.write(b"late")
    process.stdin.writelines([b"later"])

    await assert_drain_fails(process.stdin)
    assert await process.stdout.read() == b""
    await process.wait()


async def test_writing_to_a_child_that_is_gone_is_silent_and_drain_tells(impl):
    process = await impl.create_subprocess_exec(*TRUE, stdin=impl.PIPE)
    await process.wait()

    for _ in range(3):
        await assert_drain_fails(process.stdin)

    assert process.stdin.is_closing()


async def test_writing_to_a_child_that_closed_its_stdin_is_noticed(impl):
    process = await impl.create_subprocess_exec(
        *sh("exec <&-; echo closed; exec sleep 3600"), stdin=impl.PIPE, stdout=impl.PIPE
    )
    await process.stdout.readline()

    await assert_drain_fails(process.stdin)

    process.kill()
    await process.wait()


async def test_drain_wakes_when_the_child_dies(impl):
    process = await impl.create_subprocess_exec(*SLEEP, stdin=impl.PIPE)
    process.stdin.write(b"x" * MIB)
    drains = [asyncio.ensure_future(process.stdin.drain()) for _ in range(2)]
    await turns()

    process.kill()

    for drain in drains:
        with pytest.raises(GONE):
            await drain
    with pytest.raises(GONE):
        await process.stdin.wait_closed()
    assert await process.wait() == -9


async def test_wait_closed_waits_for_the_rest_to_be_sent(impl):
    process = await start_stopped_cat(impl)
    process.stdin.write(b"x" * MIB)
    process.stdin.close()
    closed = asyncio.ensure_future(process.stdin.wait_closed())
    await turns()
    assert not closed.done()

    process.send_signal(signal.SIGCONT)

    assert await process.stdout.read() == b"x" * MIB
    await closed
    await process.wait()


async def test_text_is_refused_with_type_error(impl):
    process = await start_cat(impl)

    try:
        for data in ("text", None, 5, ["x"]):
            with pytest.raises(TypeError):
                process.stdin.write(data)
    finally:
        await end(process)


async def test_extra_info_has_the_pipe_and_defaults(impl):
    process = await start_cat(impl)

    pipe = process.stdin.get_extra_info("pipe")

    assert os.readlink(f"/proc/self/fd/{pipe.fileno()}").startswith("pipe:")
    assert process.stdin.get_extra_info("subprocess") is None
    assert process.stdin.get_extra_info("nothing") is None
    assert process.stdin.get_extra_info("nothing", 5) == 5
    await end(process)


async def test_the_transport_is_the_pipes(impl):
    process = await start_cat(impl)

    transport = process.stdin.transport

    assert isinstance(transport, asyncio.WriteTransport)
    assert transport is process.stdin.transport
    assert transport.get_write_buffer_size() == 0
    assert not transport.is_closing()
    transport.close()
    assert process.stdin.is_closing()
    assert await process.wait() == 0


async def test_abort_drops_what_was_not_sent(impl):
    process = await start_stopped_cat(impl)
    process.stdin.write(b"x" * MIB)

    process.stdin.transport.abort()
    assert process.stdin.is_closing()
    process.send_signal(signal.SIGCONT)

    assert len(await process.stdout.read()) < MIB
    assert await process.wait() == 0


async def test_the_private_transports_that_programs_reach_for_exist(impl):
    process = await start_cat(impl)

    transport = process._transport

    assert transport.get_pid() == process.pid
    assert transport.get_returncode() is None
    assert transport.get_extra_info("subprocess").pid == process.pid
    assert transport.get_pipe_transport(0) is process.stdin.transport
    assert transport.get_pipe_transport(1) is process.stdout._transport
    assert transport.get_pipe_transport(2) is None
    assert process.stdin._transport is process.stdin.transport
    await end(process)


async def test_a_conversation(impl):
    process = await start_cat(impl)

    for number in range(200):
        process.stdin.write(b"%d\n" % number)
        await process.stdin.drain()
        assert await process.stdout.readline() == b"%d\n" % number

    process.stdin.close()
    assert await process.wait() == 0


async def test_a_closed_writer_leaves_the_reader_open(impl):
    process = await impl.create_subprocess_exec(
        *CAT, "-", "/proc/self/comm", stdin=impl.PIPE, stdout=impl.PIPE
    )

    process.stdin.write(b"one ")
    process.stdin.close()
    await process.stdin.wait_closed()

    assert await process.stdout.read() == b"one cat\n"
    assert await process.wait() == 0


@pytest.mark.parametrize("call", ["close", "write_eof"])
async def test_the_first_drain_after_the_end_is_no_error_and_the_second_is(impl, call):
    process = await start_cat(impl)
    process.stdin.write(b"last words")
    getattr(process.stdin, call)()

    assert await process.stdin.drain() is None
    with pytest.raises(ConnectionResetError):
        for _ in range(3):
            await process.stdin.drain()

    assert await process.communicate() == (b"last words", None)


async def test_the_transport_of_stdin_is_no_reader(impl):
    process = await start_cat(impl)
    transport = process.stdin.transport

    assert isinstance(transport, asyncio.Transport)
    with pytest.raises(NotImplementedError):
        transport.pause_reading()
    await end(process)


@pytest.mark.parametrize("pipesize, sizes", [(-1, (65536, 262144)), (8192, (8192, 8192))])
async def test_the_pipe_of_a_stream_that_flows_grows_unless_its_size_was_chosen(pipesize, sizes):
    from procession import PIPE, create_subprocess_exec

    process = await create_subprocess_exec(
        "sh", "-c", "cat >/dev/null", stdin=PIPE, pipesize=pipesize
    )
    fd = process.stdin.get_extra_info("pipe").fileno()
    before = fcntl.fcntl(fd, F_GETPIPE_SZ)

    for _ in range(200):
        process.stdin.write(b"x" * 100_000)
        await process.stdin.drain()

    assert (before, fcntl.fcntl(fd, F_GETPIPE_SZ)) == sizes
    await end(process)
