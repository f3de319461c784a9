"""Silence in Python's development mode with warnings as errors."""

import asyncio
import contextlib
import gc
import os

from helpers.own_interpreter import not_run, own_interpreter

STRICT = ("-X", "dev", "-W", "error")


@own_interpreter(not_run("asyncio warns of its own transports"), options=STRICT)
def test_a_broad_mix_of_uses_is_silent_in_development_mode(sp):
    asyncio.run(mix(sp))
    gc.collect()


async def mix(sp):
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
    child.stdin.write(b"one\n")
    child.stdin.writelines([b"two\n", b"three"])
    await child.stdin.drain()
    assert await child.stdout.readline() == b"one\n"
    assert await child.stdout.readuntil(b"\n") == b"two\n"
    child.stdin.close()
    await child.stdin.wait_closed()
    assert await child.stdout.readexactly(5) == b"three"
    assert await child.stdout.read() == b""
    assert await child.wait() == 0

    child = await sp.create_subprocess_shell("seq 1000", stdout=sp.PIPE)
    assert [int(line) async for line in child.stdout] == list(range(1, 1001))
    assert await child.wait() == 0

    child = await sp.create_subprocess_exec(
        "sh",
        "-c",
        "echo $A; pwd >&2",
        cwd="/",
        env={"A": "b"},
        stdin=sp.DEVNULL,
        stdout=sp.PIPE,
        stderr=sp.STDOUT,
    )
    assert await child.communicate() == (b"b\n/\n", None)

    for signal_it in ("kill", "terminate"):
        child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
        getattr(child, signal_it)()
        assert await child.wait() < 0

    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
    try:
        await asyncio.wait_for(child.stdout.read(), 0.01)
    except asyncio.TimeoutError:
        child.stdin.close()
    await child.wait()

    with contextlib.suppress(FileNotFoundError):
        await sp.create_subprocess_exec("no-such-program", stdin=sp.PIPE)

    spawn = asyncio.ensure_future(sp.create_subprocess_exec("cat", stdin=sp.PIPE))
    await asyncio.sleep(0)
    spawn.cancel()
    await asyncio.gather(spawn, return_exceptions=True)

    reader, writer = os.pipe()
    child = await sp.create_subprocess_exec("echo", "hello", stdout=writer)
    os.close(writer)
    assert await child.wait() == 0
    assert os.read(reader, 100) == b"hello\n"
    os.close(reader)

    child = await sp.create_subprocess_exec("true", stdin=sp.PIPE)
    await child.communicate(b"x" * (1 << 20))
