"""Whatever is cancelled, wherever it waits: nothing is lost and nothing is left.

The leak guard looks for what is left; each test looks for what is lost.
"""

import asyncio
import contextlib
import itertools

import pytest

from children import CAT, SLEEP, is_gone, sh, until
from procession import subprocess as sp

TURNS = [0, 1, 2, 3]
LINES = [b"%d:%s\n" % (i, b"x" * (i * 7 % 50)) for i in range(60)]


class CancelledAt:
    """Runs a coroutine, and cancels the task that does so: at its nth suspension (the first
    is 0), some turns of the loop later, when what it waits for may have come."""

    def __init__(self, coroutine, nth, turns):
        self.coroutine = coroutine
        self.nth = nth
        self.turns = turns
        self.cancelled = False

    def __await__(self):
        steps = self.coroutine.__await__()
        task = asyncio.current_task()
        advance, argument = steps.send, None
        for number in itertools.count():
            try:
                awaited = advance(argument)
            except StopIteration as end:
                return end.value
            if number == self.nth:
                self.cancel_later(task, self.turns)
            try:
                advance, argument = steps.send, (yield awaited)
            except BaseException as error:
                advance, argument = steps.throw, error

    def cancel_later(self, task, turns):
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(self.cancel_later, task, turns - 1)
        elif not task.done():
            self.cancelled = True
            task.cancel()


async def attempt(coroutine, nth, turns):
    """Return (whether it came to its end, what it returned, whether it was cancelled)."""

    async def run():
        return await cancelling

    cancelling = CancelledAt(coroutine, nth, turns)
    task = asyncio.ensure_future(run())
    try:
        return True, await task, cancelling.cancelled
    except asyncio.CancelledError:
        assert cancelling.cancelled
        return False, None, True


async def everywhere(make, turns):
    """Yield the attempts of make() that are cancelled at the first suspension, the second
    and so on, up to one that has none left."""
    for nth in itertools.count():
        outcome = await attempt(make(), nth, turns)
        yield outcome
        if not outcome[2]:
            return


@contextlib.asynccontextmanager
async def load():
    """Have children start and end all the time."""

    async def spawn():
        while True:
            async with await sp.create_subprocess_exec("true", stdout=sp.PIPE) as child:
                await child.communicate()

    tasks = [asyncio.ensure_future(spawn()) for _ in range(3)]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@pytest.fixture(params=TURNS, ids="after {} turns".format)
def turns(request):
    return request.param


async def end(child):
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.communicate()


PIPES = {"stdin": sp.PIPE, "stdout": sp.PIPE, "stderr": sp.PIPE}
SPAWNS = {
    "exec": lambda: sp.create_subprocess_exec(*CAT, **PIPES),
    "shell": lambda: sp.create_subprocess_shell("cat", **PIPES),
    "preexec_fn": lambda: sp.create_subprocess_exec(*CAT, **PIPES, preexec_fn=int),
    "failing": lambda: failing(),
}


async def failing():
    with contextlib.suppress(FileNotFoundError):
        await sp.create_subprocess_exec("/no/such/program", **PIPES)


@pytest.mark.parametrize("spawn", SPAWNS.values(), ids=SPAWNS)
async def test_a_spawn(spawn, turns):
    async with load():
        for _ in range(5):
            async for done, child, _ in everywhere(spawn, turns):
                if done and child is not None:
                    await end(child)


async def test_wait(turns):
    async with load():
        child = await sp.create_subprocess_exec(*CAT, stdin=sp.PIPE)
        async for done, _, _ in everywhere(child.wait, turns):
            assert not done or is_gone(child.pid)
            child.stdin.close()

    assert await child.wait() == 0


async def test_wait_with_a_timeout(turns):
    child = await sp.create_subprocess_exec(*CAT, stdin=sp.PIPE)
    async for _ in everywhere(lambda: child.wait(20), turns):
        child.stdin.close()

    assert await child.wait() == 0


@pytest.mark.parametrize("more", [{}, {"timeout": 20, "eof_grace": 20}], ids=["plain", "within"])
async def test_communicate(more, turns):
    size = 3 << 20

    async def communicate():
        data = None if sent else bytes(size)
        sent.append(True)
        return await child.communicate(data, **more)

    async with load():
        sent = []
        child = await sp.create_subprocess_exec(*sh("tee /dev/stderr"), **PIPES)
        async for done, result, _ in everywhere(communicate, turns):
            if done:
                output, errors = result
                break

    assert output == errors == bytes(size)


@pytest.mark.parametrize("nth", [0, 1, 2])
async def test_drain(turns, nth):
    pieces = [bytes([i]) * 70000 for i in range(20)]

    async def write():
        for piece in pieces:
            child.stdin.write(piece)
            await attempt(child.stdin.drain(), nth, turns)
        child.stdin.close()
        await attempt(child.stdin.wait_closed(), nth, turns)

    async with load():
        child = await sp.create_subprocess_exec(*CAT, stdin=sp.PIPE, stdout=sp.PIPE)
        output, _ = await asyncio.gather(child.stdout.read(), write())
        await child.stdin.wait_closed()
        await child.wait()

    assert output == b"".join(pieces)


async def some_lines(reader):
    async for line in reader:
        return line
    return b""


async def any_line(reader):
    async for line in reader.lines(keepends=True):
        return line
    return b""


async def into_a_buffer(reader):
    buffer = bytearray(30)
    return bytes(buffer[: await reader.readinto(buffer)])


async def exactly(reader):
    try:
        return await reader.readexactly(45)
    except asyncio.IncompleteReadError as end:
        return end.partial


async def until_a_colon(reader):
    try:
        return await reader.readuntil(b":")
    except asyncio.IncompleteReadError as end:
        return end.partial


async def batch(reader):
    return b"".join(await reader.readlines())


async def read(reader):
    return await reader.read(30)


async def read_all(reader):
    return await reader.read()


async def line(reader):
    return await reader.readline()


READS = [
    any_line,
    batch,
    exactly,
    into_a_buffer,
    line,
    read,
    read_all,
    some_lines,
    until_a_colon,
]


@pytest.mark.parametrize("nth", [0, 1, 2])
@pytest.mark.parametrize("call", READS, ids=lambda call: call.__name__)
async def test_reads(call, nth, turns):
    async def feed():
        for i in range(0, len(text), 11):
            child.stdin.write(text[i : i + 11])
            await asyncio.sleep(0)
        child.stdin.close()

    text = b"".join(LINES)
    got = b""
    child = await sp.create_subprocess_exec(*CAT, stdin=sp.PIPE, stdout=sp.PIPE)
    feeding = asyncio.ensure_future(feed())
    while True:
        done, piece, _ = await attempt(call(child.stdout), nth, turns)
        if done and not piece:
            break
        got += piece or b""
    await feeding
    await child.wait()

    assert got == text


@pytest.mark.parametrize("command", [CAT, SLEEP, sh("trap '' TERM; echo; exec sleep 3600")])
async def test_a_block(command, turns):
    async def block():
        async with await sp.create_subprocess_exec(*command, **PIPES) as child:
            child.grace = 0.02
            pids.append(child.pid)
            await asyncio.sleep(0)

    pids = []
    async with load():
        async for _ in everywhere(block, turns):
            pass

    await until(lambda: all(map(is_gone, pids)))
