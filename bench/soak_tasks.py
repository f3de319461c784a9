"""What soak.py does over and over. A task runs children whose answers are known beforehand,
checks what comes back, and returns how many children there were.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import resource
import signal
import time

PATIENCE = 60
FORTUNES = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
SMALL_PIPE = 4096
REFUSED = (
    ("/nonexistent/program", "/", FileNotFoundError),
    ("/", "/", PermissionError),
    ("true", "/nonexistent", FileNotFoundError),
    ("true", "/dev/null", NotADirectoryError),
)


class Wrong(Exception):
    """An answer that is not the one that was known beforehand."""


def expect(what, wanted):
    if what != wanted:
        raise Wrong(f"{what!r:.200} instead of {wanted!r:.200}")


async def end(child):
    """Kill a child that may have ended, and wait for it."""
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    return await child.wait()


async def status(sp, rng, number):
    """The number comes back as exit statuses of a byte each."""
    high, low = divmod(number % 65536, 256)
    for byte in (high, low):
        child = await sp.create_subprocess_exec("/bin/sh", "-c", f"exit {byte}")
        expect(await child.wait(), byte)
    return 2


async def capture(sp, rng, number):
    """The number comes back on both outputs."""
    script = f"echo {number}; echo -{number} >&2"
    child = await sp.create_subprocess_shell(script, stdout=sp.PIPE, stderr=sp.PIPE)
    expect(await child.communicate(), (b"%d\n" % number, b"-%d\n" % number))
    expect(child.returncode, 0)
    return 1


async def several(sp, rng, number):
    """Children that are started together get their own numbers back."""

    async def one(part):
        child = await sp.create_subprocess_exec("/bin/echo", f"{number}.{part}", stdout=sp.PIPE)
        expect(await child.communicate(), (b"%d.%d\n" % (number, part), None))

    n = rng.randint(2, 12)
    await asyncio.gather(*[one(part) for part in range(n)])
    return n


async def dialogue(sp, rng, number):
    """Lines that are sent come back one by one, then the rest at the end of file."""
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
    for turn in range(rng.randint(1, 8)):
        line = b"%d %d\n" % (number, turn)
        child.stdin.write(line)
        await child.stdin.drain()
        expect(await child.stdout.readline(), line)
    expect(await child.communicate(b"end"), (b"end", None))
    return 1


async def echo_through_a_small_pipe(sp, rng, number):
    """What is far larger than the pipes comes back whole."""
    child = await sp.create_subprocess_exec("cat", stdin=sp.PIPE, stdout=sp.PIPE)
    for stream in (child.stdin.transport, child._transport.get_pipe_transport(1)):
        fcntl.fcntl(stream.get_extra_info("pipe").fileno(), fcntl.F_SETPIPE_SZ, SMALL_PIPE)
    sent = b"%d;" % number * rng.randint(1, 40_000)
    received, _ = await child.communicate(sent)
    expect(received == sent, True)
    return 1


async def large_output(sp, rng, number):
    """Every byte of a large output arrives, by reads of any size."""
    size = rng.randint(1, 1 << 20)
    child = await sp.create_subprocess_exec(
        "head", "-c", str(size), "/dev/zero", stdout=sp.PIPE, stderr=sp.DEVNULL
    )
    received = 0
    while block := await child.stdout.read(rng.choice((1000, 65536, 1 << 18))):
        received += len(block)
    expect((received, await child.wait()), (size, 0))
    return 1


async def many_lines(sp, rng, number):
    """Consecutive numbers arrive line by line, none twice, none missing."""
    last = number + rng.randint(0, 5000)
    child = await sp.create_subprocess_exec("seq", str(number), str(last), stdout=sp.PIPE)
    following = number
    async for line in child.stdout:
        expect(line, b"%d\n" % following)
        following += 1
    expect((following, await child.wait()), (last + 1, 0))
    return 1


async def unread_output(sp, rng, number):
    """A child with a full pipe is killed, and its pipe given up."""
    child = await sp.create_subprocess_exec("yes", str(number), stdout=sp.PIPE)
    line = b"%d\n" % number
    expect(await child.stdout.readexactly(len(line) * 100), line * 100)
    expect(await end(child), -signal.SIGKILL)
    return 1


async def kill(sp, rng, number):
    """The signal that ends a child is what its status tells, whenever it is sent."""
    child = await sp.create_subprocess_exec("sleep", "3600")
    for _ in range(rng.randint(0, 3)):
        await asyncio.sleep(0)
    chosen = rng.choice(FORTUNES)
    child.send_signal(chosen)
    expect(await child.wait(), -chosen)
    return 1


async def cancelled_spawn(sp, rng, number):
    """A spawn that is cancelled at any moment leaves nothing; one that won gives its child."""
    spawn = asyncio.create_task(
        sp.create_subprocess_exec("sleep", "3600", stdin=sp.PIPE, stdout=sp.PIPE)
    )
    await pause(rng)
    spawn.cancel()
    try:
        child = await spawn
    except asyncio.CancelledError:
        return 1
    expect(await end(child), -signal.SIGKILL)
    return 1


async def cancelled_wait(sp, rng, number):
    """Waits that are cancelled can be asked again, and lose no byte."""
    script = "read word; echo $word; read word; exit $word"
    child = await sp.create_subprocess_shell(script, stdin=sp.PIPE, stdout=sp.PIPE)
    for wait in (child.wait, child.stdout.readline):
        waiting = asyncio.create_task(wait())
        await pause(rng)
        waiting.cancel()
        await asyncio.wait([waiting])
        expect(waiting.cancelled(), True)
    child.stdin.write(b"%d\n" % number)
    expect(await child.stdout.readline(), b"%d\n" % number)
    expect(await child.communicate(b"%d\n" % (number % 256)), (b"", None))
    expect(child.returncode, number % 256)
    return 1


async def timeout(sp, rng, number):
    """A timeout interrupts communicate(); what has arrived until then is not lost."""
    script = f"echo {number}; exec sleep 3600"
    child = await sp.create_subprocess_shell(script, stdout=sp.PIPE)
    try:
        await asyncio.wait_for(child.communicate(), rng.uniform(0, 0.02))
    except asyncio.TimeoutError:
        expect(await child.stdout.readline(), b"%d\n" % number)
    else:
        raise Wrong("communicate() returned while the child sleeps")
    expect(await end(child), -signal.SIGKILL)
    return 1


async def refused(sp, rng, number):
    """What cannot be started raises its own exception."""
    program, cwd, wanted = rng.choice(REFUSED)
    try:
        child = await sp.create_subprocess_exec(program, cwd=cwd, stdin=sp.PIPE, stdout=sp.PIPE)
    except OSError as error:
        expect(type(error), wanted)
        return 1
    await end(child)
    raise Wrong(f"{program} was started in {cwd}")


class Hears(asyncio.SubprocessProtocol):
    """Keeps what a child's transport tells, in order."""

    def __init__(self):
        self.output = {1: b"", 2: b""}
        self.events = []
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.events.append("made")

    def pipe_data_received(self, fd, data):
        self.output[fd] += data

    def pipe_connection_lost(self, fd, exc):
        self.events.append(fd)

    def process_exited(self):
        self.events.append("exited")

    def connection_lost(self, exc):
        self.events.append("lost")
        self.lost.set_result(exc)


async def protocol(sp, rng, number):
    """A protocol hears every byte once, and every event once."""
    script = f"read word; echo $word; echo {number} >&2; exit {number % 256}"
    loop = asyncio.get_running_loop()
    transport, heard = await loop.subprocess_exec(Hears, "/bin/sh", "-c", script)
    transport.get_pipe_transport(0).write(b"%d\n" % number)
    expect(await heard.lost, None)
    expect(heard.output, dict.fromkeys((1, 2), b"%d\n" % number))
    expect(transport.get_returncode(), number % 256)
    expect(sorted(map(str, heard.events)), ["0", "1", "2", "exited", "lost", "made"])
    expect((heard.events[0], heard.events[-1]), ("made", "lost"))
    transport.close()
    return 1


async def pause(rng):
    """Let a few turns of the loop go by, or a few milliseconds."""
    if rng.random() < 0.5:
        for _ in range(rng.randint(0, 10)):
            await asyncio.sleep(0)
    else:
        await asyncio.sleep(rng.uniform(0, 0.004))


async def out_of_descriptors(sp, rng, number):
    """With few descriptors left a spawn fails with EMFILE or gives the right answer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/", os.O_PATH | os.O_CLOEXEC))
        for _ in range(rng.randint(0, 20)):
            os.close(taken.pop())
        await capture(sp, rng, number)
    except OSError as error:
        expect(error.errno, errno.EMFILE)
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return 1


# Task: how often it is chosen.
TASKS = {
    status: 20,
    capture: 15,
    several: 12,
    dialogue: 6,
    echo_through_a_small_pipe: 3,
    large_output: 4,
    many_lines: 3,
    unread_output: 2,
    kill: 10,
    cancelled_spawn: 10,
    cancelled_wait: 5,
    timeout: 4,
    refused: 5,
    protocol: 6,
}


class Ledger:
    """Hands out numbers and books what became of each, for one thread."""

    def __init__(self, rng, first):
        self.rng = rng
        self.next = first
        self.open = set()
        self.children = 0
        self.done = dict.fromkeys([*TASKS, out_of_descriptors], 0)

    async def run(self, sp, task):
        number = self.next
        self.next += 1
        self.open.add(number)
        try:
            children = await asyncio.wait_for(task(sp, self.rng, number), PATIENCE)
        except Exception as error:
            raise Wrong(f"{task.__name__}, number {number}: {error!r}") from error
        self.open.remove(number)
        self.children += children
        self.done[task] += 1

    async def run_until(self, sp, deadline, at_once):
        """Keep that many tasks under way until the deadline, then let them finish."""

        async def run_in_turn():
            while time.monotonic() < deadline:
                (task,) = self.rng.choices([*TASKS], TASKS.values())
                await self.run(sp, task)

        await asyncio.gather(*[run_in_turn() for _ in range(at_once)])
