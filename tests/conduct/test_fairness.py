"""A heavy stream does not starve the other tasks of its loop."""

import asyncio

from helpers.own_interpreter import own_interpreter

MIB = 1 << 20
ROUND_TRIPS = 200


class Turns:
    """How often another task had its turn."""

    def __init__(self):
        self.count = 0

    async def go_on(self):
        while True:
            await asyncio.sleep(0)
            self.count += 1


async def turns_during(reading):
    turns = Turns()
    task = asyncio.ensure_future(turns.go_on())
    await reading
    task.cancel()
    return turns.count


@own_interpreter()
async def test_other_tasks_turn_while_a_stream_is_read(sp):
    size = 256 * MIB
    child = await sp.create_subprocess_exec("head", "-c", str(size), "/dev/zero", stdout=sp.PIPE)

    async def read():
        left = size
        while left:
            left -= len(await child.stdout.read(65536))

    assert await turns_during(read()) >= 2 * size // MIB
    await child.wait()


@own_interpreter()
async def test_other_tasks_turn_while_lines_are_read(sp):
    size = 16 * MIB
    child = await sp.create_subprocess_shell(f"yes {'x' * 99} | head -c {size}", stdout=sp.PIPE)

    async def read():
        lines = 0
        async for line in child.stdout:
            lines += len(line)
        assert lines == size

    assert await turns_during(read()) >= 2 * size // MIB
    await child.wait()


@own_interpreter()
async def test_other_tasks_turn_while_communicate_collects(sp):
    size = 256 * MIB
    child = await sp.create_subprocess_exec("head", "-c", str(size), "/dev/zero", stdout=sp.PIPE)

    assert await turns_during(child.communicate()) >= 2 * size // MIB


@own_interpreter()
async def test_a_dialogue_goes_on_beside_an_endless_stream(sp):
    flood = await sp.create_subprocess_exec("cat", "/dev/zero", stdout=sp.PIPE)
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)

    async def read():
        while await flood.stdout.read(65536):
            pass

    reading = asyncio.ensure_future(read())
    for i in range(ROUND_TRIPS):
        child.stdin.write(b"%d\n" % i)
        assert await child.stdout.readline() == b"%d\n" % i

    assert not reading.done()
    flood.kill()
    await reading
    await flood.wait()
    await child.communicate(b"")
