"""readinto(): bytes into the caller's own memory."""

import array
import asyncio
import ctypes
import errno
import io
import mmap
import os

import pytest

import procession
from children import flood, start_cat, turns

MIB = 1 << 20


def fed(*chunks, eof=True):
    """Return a reader that has been fed."""
    reader = procession.StreamReader()
    for chunk in chunks:
        reader.feed_data(chunk)
    if eof:
        reader.feed_eof()
    return reader


async def test_what_is_buffered_comes_first_and_the_rest_stays():
    reader = fed(b"0123456789")
    buffer = bytearray(b"......")

    assert await reader.readinto(buffer) == 6
    assert buffer == b"012345"
    assert await reader.readinto(buffer) == 4
    assert buffer == b"678945"
    assert await reader.readinto(buffer) == 0
    assert buffer == b"678945"


async def test_the_output_of_a_child_whatever_the_size_of_the_buffer():
    data = os.urandom(300_000)
    for size in (1, 100, 4095, 4096, 65536, 65537, MIB):
        expected = data[: size * 2000]
        process = await start_cat(procession)
        process.stdin.write(expected)
        process.stdin.close()

        buffer, output = bytearray(size), bytearray()
        while count := await process.stdout.readinto(buffer):
            output += buffer[:count]

        assert output == expected
        assert process.stdout.at_eof()
        await process.wait()


async def test_it_returns_what_there_is_and_waits_for_the_first_byte():
    process = await start_cat(procession)
    for size in (100, 100_000):
        buffer = bytearray(size)
        reading = asyncio.ensure_future(process.stdout.readinto(buffer))
        await turns()
        assert not reading.done()

        process.stdin.write(b"abc")

        assert await reading == 3
        assert buffer == b"abc" + bytes(size - 3)

    process.stdin.close()
    assert await process.stdout.readinto(buffer) == 0
    await process.wait()


async def test_an_empty_buffer_is_filled_at_once():
    process = await start_cat(procession)

    assert await process.stdout.readinto(bytearray()) == 0
    assert await process.stdout.readinto(memoryview(bytearray(5))[5:]) == 0

    await process.communicate()


@pytest.mark.parametrize(
    "make",
    [
        lambda: bytearray(8),
        lambda: memoryview(bytearray(12))[2:10],
        lambda: memoryview(bytearray(8)).cast("I", [2, 1]),
        lambda: array.array("H", [1, 2, 3, 4]),
        lambda: (ctypes.c_char * 8)(),
        lambda: mmap.mmap(-1, 8),
    ],
    ids=["bytearray", "slice", "matrix", "array", "ctypes", "mmap"],
)
async def test_any_writable_buffer_will_do(make):
    buffer = make()

    assert await fed(b"abcd", b"efgh").readinto(buffer) == 8

    assert bytes(memoryview(buffer).cast("B")) == b"abcdefgh"


@pytest.mark.parametrize(
    "wrong",
    [b"read only", memoryview(bytearray(8))[::2], memoryview(b"read only"), "text", [1, 2], 5],
    ids=["bytes", "strided", "view", "text", "list", "int"],
)
async def test_what_is_no_writable_buffer_is_the_type_error_of_io(wrong):
    reader = fed(b"abc")
    with pytest.raises(TypeError) as expected:
        io.BytesIO(b"abc").readinto(wrong)

    with pytest.raises(TypeError) as caught:
        await reader.readinto(wrong)

    assert str(caught.value) == str(expected.value)
    assert await reader.read() == b"abc"


async def test_the_buffer_is_free_while_it_is_waited_for():
    process = await start_cat(procession)
    buffer = bytearray(2)
    reading = asyncio.ensure_future(process.stdout.readinto(buffer))
    await turns()

    buffer += b"four"
    process.stdin.write(b"0123456789")

    assert await reading == 6
    assert buffer == b"012345"
    process.stdin.close()
    assert await process.stdout.read() == b"6789"
    await process.wait()


@pytest.mark.parametrize("size", [10, 100_000])
async def test_a_cancelled_readinto_loses_nothing_and_leaves_the_buffer_alone(size):
    process = await start_cat(procession)
    buffer = bytearray(size)
    reading = asyncio.ensure_future(process.stdout.readinto(buffer))
    await turns()
    reading.cancel()
    process.stdin.write(b"ab")
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert buffer == bytes(size)
    buffer.clear()
    process.stdin.close()
    assert await process.stdout.read() == b"ab"
    await process.wait()


async def test_a_cancellation_that_meets_the_data_loses_nothing():
    process = await start_cat(procession)
    process.stdin.write(b"ab")
    buffer = bytearray(100_000)
    reading = asyncio.ensure_future(process.stdout.readinto(buffer))
    while process.stdout._waiter is None and not reading.done():
        await asyncio.sleep(0)
    process.stdin.close()
    while process.stdout._waiter is not None:
        await asyncio.sleep(0)

    reading.cancel()

    (result,) = await asyncio.gather(reading, return_exceptions=True)
    read = b"" if isinstance(result, BaseException) else bytes(buffer[:result])
    assert read + await process.stdout.read() == b"ab"
    await process.wait()


async def test_memory_that_cannot_be_written_is_the_callers_error_and_costs_no_byte(tmp_path):
    process = await procession.create_subprocess_exec(*flood(100_000), stdout=procession.PIPE)
    with open(tmp_path / "file", "w+b") as file:
        file.truncate(65536)
        with mmap.mmap(file.fileno(), 65536) as buffer:
            file.truncate(0)

            with pytest.raises(OSError, match="Bad address") as caught:
                await process.stdout.readinto(buffer)

    assert caught.value.errno == errno.EFAULT
    assert await process.stdout.read() == bytes(100_000)
    await process.wait()


async def test_an_exception_is_raised_and_wakes_who_waits():
    error = ConnectionError("lost")
    reader = fed(b"data", eof=False)
    reader.set_exception(error)
    with pytest.raises(ConnectionError) as caught:
        await reader.readinto(bytearray(4))
    assert caught.value is error

    reader = fed(eof=False)
    reading = asyncio.ensure_future(reader.readinto(bytearray(4)))
    await turns()
    reader.set_exception(error)
    with pytest.raises(ConnectionError, match="lost"):
        await reading


async def test_what_a_cancelled_read_of_everything_had_comes_first():
    process = await start_cat(procession)
    process.stdin.write(b"abc")
    everything = asyncio.ensure_future(process.stdout.read())
    await turns()
    with pytest.raises(RuntimeError, match="already waiting"):
        await process.stdout.readinto(bytearray(4))
    everything.cancel()
    await asyncio.gather(everything, return_exceptions=True)
    buffer = bytearray(4)

    assert await process.stdout.readinto(buffer) == 3

    assert buffer == b"abc\0"
    process.stdin.close()
    await process.wait()


async def test_other_tasks_turn_while_a_flood_is_read():
    size = 128 * MIB
    process = await procession.create_subprocess_exec(*flood(size), stdout=procession.PIPE)

    async def read():
        left, buffer = size, bytearray(65536)
        while left:
            left -= await process.stdout.readinto(buffer)

    reading = asyncio.ensure_future(read())
    count = 0
    while not reading.done():
        await asyncio.sleep(0)
        count += 1

    await reading
    assert count >= size // (4 * MIB)
    await process.wait()
