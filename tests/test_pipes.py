"""connect_read_pipe() and connect_write_pipe(): pipes, FIFOs, terminals and sockets."""

import asyncio
import errno
import gc
import os
import pty
import socket
import tty
import warnings

import pytest

from children import TIMEOUT, until
from procession import pipes


class Protocol(asyncio.Protocol):
    def __init__(self):
        self.events = []
        self.data = b""
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("connection_made")

    def data_received(self, data):
        self.data += data

    def eof_received(self):
        self.events.append("eof_received")

    def pause_writing(self):
        self.events.append("pause_writing")

    def resume_writing(self):
        self.events.append("resume_writing")

    def connection_lost(self, exc):
        self.events.append("connection_lost")
        self.lost.set_result(exc)


class OnAsyncio:
    def connect_read_pipe(self, *args):
        return asyncio.get_running_loop().connect_read_pipe(*args)

    def connect_write_pipe(self, *args):
        return asyncio.get_running_loop().connect_write_pipe(*args)


class OnProcession:
    def connect_read_pipe(self, *args):
        return pipes.connect_read_pipe(asyncio.get_running_loop(), *args)

    def connect_write_pipe(self, *args):
        return pipes.connect_write_pipe(asyncio.get_running_loop(), *args)


@pytest.fixture
def on(implementation):
    return OnAsyncio() if implementation == "asyncio" else OnProcession()


def make_pipe(tmp_path):
    read, write = os.pipe()
    return os.fdopen(read, "rb", 0), os.fdopen(write, "wb", 0)


def make_fifo(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    read = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    write = os.open(tmp_path / "fifo", os.O_WRONLY)
    return os.fdopen(read, "rb", 0), os.fdopen(write, "wb", 0)


def make_sockets(tmp_path):
    return socket.socketpair()


def make_terminal(tmp_path):
    leader, follower = pty.openpty()
    tty.setraw(follower)
    return os.fdopen(leader, "rb", 0), os.fdopen(follower, "wb", 0)


KINDS = pytest.mark.parametrize(
    "make", [make_pipe, make_fifo, make_sockets, make_terminal], ids=lambda make: make.__name__
)


async def lost(protocol):
    return await asyncio.wait_for(asyncio.shield(protocol.lost), TIMEOUT)


@KINDS
async def test_what_is_written_at_one_end_arrives_at_the_other(on, make, tmp_path):
    read, write = make(tmp_path)
    data = bytes(range(256)) * 2000

    reading, reader = await on.connect_read_pipe(Protocol, read)
    writing, writer = await on.connect_write_pipe(Protocol, write)
    assert reader.events == ["connection_made"] == writer.events
    assert reader.transport is reading
    assert reading.get_extra_info("pipe") is read
    assert writing.get_extra_info("pipe") is write
    writing.write(data)
    await until(lambda: len(reader.data) == len(data))
    writing.close()
    assert await lost(writer) is None
    error = await lost(reader)

    assert reader.data == data
    # The end of a terminal is an error of the system call.
    assert error is None or error.errno == errno.EIO
    for file in (read, write):
        assert file.fileno() == -1 if isinstance(file, socket.socket) else file.closed


@KINDS
async def test_a_reader_that_closes_hears_of_it_once(on, make, tmp_path):
    read, write = make(tmp_path)
    with write:
        transport, protocol = await on.connect_read_pipe(Protocol, read)

        transport.close()
        transport.close()
        assert transport.is_closing()
        assert await lost(protocol) is None

    assert protocol.events == ["connection_made", "connection_lost"]


async def test_the_end_of_a_pipe_is_told_in_order(on, tmp_path):
    read, write = make_pipe(tmp_path)
    _, protocol = await on.connect_read_pipe(Protocol, read)

    write.write(b"last words")
    write.close()
    await lost(protocol)

    assert protocol.data == b"last words"
    assert protocol.events == ["connection_made", "eof_received", "connection_lost"]


async def test_a_writer_hears_that_nobody_reads_any_more(on, tmp_path):
    read, write = make_pipe(tmp_path)
    _, idle = await on.connect_write_pipe(Protocol, write)
    read.close()
    assert await lost(idle) is None

    read, write = make_pipe(tmp_path)
    transport, full = await on.connect_write_pipe(Protocol, write)
    transport.write(b"x" * 1_000_000)
    read.close()
    assert isinstance(await lost(full), BrokenPipeError)


async def test_water_marks_are_told(on, tmp_path):
    read, write = make_pipe(tmp_path)
    transport, protocol = await on.connect_write_pipe(Protocol, write)
    transport.set_write_buffer_limits(high=10)

    transport.write(b"x" * 200_000)
    assert protocol.events[-1] == "pause_writing"
    with read:
        os.set_blocking(read.fileno(), False)
        await until(lambda: read.read(65536) is None and protocol.events[-1] == "resume_writing")
        transport.write_eof()
        await lost(protocol)


async def test_a_paused_reader_waits(on, tmp_path):
    read, write = make_pipe(tmp_path)
    transport, protocol = await on.connect_read_pipe(Protocol, read)
    transport.pause_reading()
    with write:
        write.write(b"one")
        for _ in range(20):
            await asyncio.sleep(0)
        assert protocol.data == b""

        transport.resume_reading()
        await until(lambda: protocol.data)
        assert protocol.data == b"one"
    await lost(protocol)


async def test_a_protocol_may_write_in_connection_made(on, tmp_path):
    class Eager(Protocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"x" * 300_000)

    read, write = make_pipe(tmp_path)
    _, reader = await on.connect_read_pipe(Protocol, read)
    transport, writer = await on.connect_write_pipe(Eager, write)
    transport.close()
    await lost(writer)
    await lost(reader)

    assert reader.data == b"x" * 300_000


async def test_one_socket_can_be_read_and_written(on, tmp_path):
    near, far = socket.socketpair()
    far.setblocking(False)
    reading, reader = await on.connect_read_pipe(Protocol, near)
    loop = asyncio.get_running_loop()

    far.send(b"to near")
    await until(lambda: reader.data == b"to near")
    await loop.sock_sendall(near, b"to far")
    assert await loop.sock_recv(far, 100) == b"to far"
    reading.close()
    await lost(reader)
    far.close()


async def test_a_terminal_can_be_used_in_both_directions(on):
    leader, follower = pty.openpty()
    tty.setraw(follower)
    reading, reader = await on.connect_read_pipe(Protocol, os.fdopen(os.dup(leader), "rb", 0))
    writing, writer = await on.connect_write_pipe(Protocol, os.fdopen(leader, "wb", 0))
    with open(follower, "r+b", buffering=0) as terminal:
        writing.write(b"question")
        await asyncio.sleep(0)
        assert terminal.read(8) == b"question"
        terminal.write(b"answer")
        await until(lambda: reader.data == b"answer")
        writing.close()
        reading.close()
        await lost(writer)
        await lost(reader)


@pytest.mark.parametrize("call", ["connect_read_pipe", "connect_write_pipe"])
async def test_a_regular_file_is_refused(on, call, tmp_path):
    with open(tmp_path / "file", "w+b", buffering=0) as file:
        with pytest.raises(ValueError, match="Pipe transport is"):
            await getattr(on, call)(Protocol, file)

        assert not file.closed


async def test_a_cancelled_call_closes_the_pipe(on, tmp_path):
    read, write = make_pipe(tmp_path)
    with write:
        task = asyncio.ensure_future(on.connect_read_pipe(Protocol, read))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: read.closed)


def test_a_transport_left_open_warns(implementation):
    loop = asyncio.new_event_loop()
    kept = []

    async def connect():
        on = OnAsyncio() if implementation == "asyncio" else OnProcession()
        read, kept_end = os.pipe()
        kept.append(os.fdopen(kept_end, "wb", 0))
        read_end = os.fdopen(read, "rb", 0)
        kept.append((await on.connect_read_pipe(Protocol, read_end))[0])

    loop.run_until_complete(connect())
    loop.close()
    assert "open" in repr(kept[1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kept.pop()
        gc.collect()
    kept.pop().close()

    assert any("unclosed transport" in str(warning.message) for warning in caught)


async def test_data_that_nobody_wants_ends_a_socket_that_is_only_written(on):
    near, far = socket.socketpair()
    _, protocol = await on.connect_write_pipe(Protocol, near)

    far.send(b"unexpected")
    assert await lost(protocol) is None
    far.close()
