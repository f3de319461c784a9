"""Ten thousand spawns leave nothing; two thousand children live at once."""

import asyncio
import gc

from helpers.leftovers import assert_settles, descriptors, resident
from helpers.limits import all_descriptors
from helpers.own_interpreter import not_run, own_interpreter, skip

SPAWNS = 10_000
AT_ONCE = 200
ALIVE = 2_000
GROWTH = 8 << 20

NOT_OURS = not_run("what asyncio does under load is not ours to test")


@own_interpreter(NOT_OURS, seconds=180, slow=True)
async def test_many_spawns_leave_no_descriptor_zombie_or_memory(sp):
    async def spawn():
        child = await sp.create_subprocess_exec(
            "true", stdin=sp.PIPE, stdout=sp.PIPE, stderr=sp.PIPE
        )
        assert await child.communicate() == (b"", b"")
        assert child.returncode == 0

    async def spawn_in_turn(n):
        for _ in range(n):
            await spawn()

    async def spawn_together(n):
        await asyncio.gather(*[spawn_in_turn(n // AT_ONCE) for _ in range(AT_ONCE)])

    all_descriptors()
    await spawn()
    before = descriptors()
    await spawn_together(SPAWNS // 5)
    gc.collect()
    warm = resident()

    await spawn_together(SPAWNS)

    gc.collect()
    assert resident() < warm + GROWTH
    await assert_settles(before)


@own_interpreter(NOT_OURS, seconds=120, slow=True)
async def test_two_thousand_children_are_alive_at_once(sp):
    limit = all_descriptors()
    if limit < 5 * ALIVE:
        skip(f"RLIMIT_NOFILE is {limit}")

    async def spawn():
        return await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)

    async def echo(child, line):
        child.stdin.write(line)
        return await child.stdout.readline()

    before = descriptors()
    children = await asyncio.gather(*[spawn() for _ in range(ALIVE)])
    lines = [b"%d\n" % n for n in range(ALIVE)]

    echoes = await asyncio.gather(*map(echo, children, lines))
    assert echoes == lines
    assert all(child.returncode is None for child in children)

    ends = await asyncio.gather(*[child.communicate(b"end") for child in children])
    assert ends == [(b"end", None)] * ALIVE
    assert all(child.returncode == 0 for child in children)
    del children
    await assert_settles(before)
