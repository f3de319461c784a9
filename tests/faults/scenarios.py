"""What the walk does with one fault after the other: each ends with an answer that is known."""

import asyncio
import contextlib
import dataclasses
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Callable
from errno import ECHILD, EPIPE
from typing import Any

from procession import Limits, subprocess_exec, wait_pid
from procession.pipes import connect_read_pipe, connect_write_pipe
from procession.subprocess import create_subprocess_exec

DATA = bytes(range(256)) * 40
# More than a pipe holds, also after it has grown.
MUCH = b"0123456789abcdef" * 40_000
NOBODY = 65534
UNKNOWN = 255


@dataclasses.dataclass(frozen=True)
class Scenario:
    """How an answer is had; which other one is right after an error of this number."""

    body: Callable[[Any], Any]
    answer: Any
    others: dict[int, Any]
    # The faults go on while the loop is closed.
    through_close: bool

    @property
    def name(self):
        return self.body.__name__

    def is_right(self, answer, err):
        return answer == self.answer or (err in self.others and answer == self.others[err])


ALL = {}


def scenario(answer, others=None, *, through_close=False):
    def note(body):
        ALL[body.__name__] = Scenario(body, answer, others or {}, through_close)
        return body

    return note


@contextlib.asynccontextmanager
async def child_of(injector, *command, **options):
    """A child that is gone at the end, whatever happened."""
    child = await create_subprocess_exec(*command, **options)
    try:
        yield child
    except BaseException:
        injector.disarm()
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        raise


@scenario(0, {ECHILD: UNKNOWN})
async def plain(injector):
    async with child_of(injector, "/bin/true") as child:
        return await child.wait()


@scenario((DATA, b"", 0), {EPIPE: (b"", b"", 0), ECHILD: (DATA, b"", UNKNOWN)})
async def three_pipes(injector):
    async with child_of(injector, "cat", stdin=PIPE, stdout=PIPE, stderr=PIPE) as child:
        return (*await child.communicate(DATA), child.returncode)


@scenario((b"", None, 0), {ECHILD: (b"", None, UNKNOWN)})
async def devnull(injector):
    options = {"stdin": DEVNULL, "stdout": PIPE, "stderr": STDOUT}
    async with child_of(injector, "/bin/cat", **options) as child:
        return (*await child.communicate(), child.returncode)


@scenario((b"/\nvalue\nhello", None, 0), {ECHILD: (b"/\nvalue\nhello", None, UNKNOWN)})
async def options(injector):
    ours, theirs = os.pipe()
    os.write(theirs, b"hello")
    os.close(theirs)
    changes = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    try:
        async with child_of(
            injector,
            "/bin/sh",
            "-c",
            f"pwd; echo $NAME; cat <&{ours}",
            stdout=PIPE,
            cwd="/",
            env={"NAME": "value", "PATH": "/usr/bin:/bin"},
            pass_fds=[ours],
            umask=0o22,
            start_new_session=True,
            **changes,
        ) as child:
            return (*await child.communicate(), child.returncode)
    finally:
        os.close(ours)


@scenario(0, {ECHILD: UNKNOWN})
async def own_group(injector):
    async with child_of(injector, "/bin/true", process_group=0, close_fds=False) as child:
        return await child.wait()


@scenario((b"50\n", None))
async def limited(injector):
    limits = Limits(
        open_files=50,
        core=0,
        io_priority="idle",
        oom_score_adj=1000,
        no_new_privileges=True,
        die_with_parent=True,
    )
    async with child_of(
        injector, "/bin/sh", "-c", "ulimit -n", stdout=PIPE, limits=limits
    ) as child:
        return await child.communicate()


@scenario((b"found\n", None))
async def by_lookup(injector):
    environment = {"PATH": "/nowhere:/usr/bin:/bin"}
    async with child_of(injector, "echo", "found", stdout=PIPE, env=environment) as child:
        return await child.communicate()


@scenario("/nowhere/program")
async def missing_program(injector):
    try:
        await create_subprocess_exec("/nowhere/program", stdin=PIPE, stdout=PIPE)
    except FileNotFoundError as error:
        return error.filename


@scenario((b"hello", 0), {ECHILD: (b"hello", UNKNOWN)})
async def with_preexec_fn(injector):
    options = {"stdout": PIPE, "preexec_fn": os.getpid}
    async with child_of(injector, "printf", "hello", **options) as child:
        output, _ = await child.communicate()
        return output, child.returncode


@scenario(([b"1\n", b"2\n"], b"3\nx", b""))
async def reading(injector):
    async with child_of(injector, "printf", r"1\n2\n3\nx", stdout=PIPE) as child:
        lines = [await child.stdout.readline() for _ in range(2)]
        rest = await child.stdout.readexactly(3)
        end = await child.stdout.read()
        await child.wait()
        return lines, rest, end


@scenario(len(MUCH))
async def reading_much(injector):
    command = ("head", "-c", str(len(MUCH)), "/dev/zero")
    async with child_of(injector, *command, stdout=PIPE) as child:
        length = 0
        while piece := await child.stdout.read(65536):
            length += len(piece)
        await child.wait()
        return length


@scenario((b"%d\n" % len(MUCH), 0), {ECHILD: (b"%d\n" % len(MUCH), UNKNOWN)})
async def writing(injector):
    async with child_of(injector, "wc", "-c", stdin=PIPE, stdout=PIPE) as child:
        child.stdin.write(MUCH[:-3])
        child.stdin.write(MUCH[-3:])
        await child.stdin.drain()
        child.stdin.close()
        await child.stdin.wait_closed()
        return await child.stdout.read(), await child.wait()


@scenario(-signal.SIGTERM, {ECHILD: UNKNOWN})
async def signalling(injector):
    async with child_of(injector, "cat", stdin=PIPE) as child:
        child.terminate()
        return await child.wait()


@scenario("dropped")
async def dropping(injector):
    async with child_of(injector, "cat", stdin=PIPE, stdout=PIPE) as child:
        child.stdin.close()
        del child
        return "dropped"


@scenario("cancelled")
async def cancelling(injector):
    task = asyncio.ensure_future(create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"


@scenario("left", through_close=True)
async def closing_the_loop(injector):
    await create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    return "left"


@scenario("on its way", through_close=True)
async def closing_the_loop_at_a_spawn(injector):
    task = asyncio.ensure_future(create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE))
    await asyncio.sleep(0)
    task.cancel()
    return "on its way"


@scenario([0, 0, 0, 0], {ECHILD: [0, 0, 0, UNKNOWN]})
async def several_at_once(injector):
    async def one():
        async with child_of(injector, "/bin/true") as child:
            return await child.wait()

    return sorted(await asyncio.gather(*[one() for _ in range(4)]))


@scenario(7, {ECHILD: UNKNOWN})
async def adopting(injector):
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 7"], {})
    try:
        return await wait_pid(pid)
    except BaseException:
        injector.disarm()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        raise


class Listener(asyncio.SubprocessProtocol):
    """Keeps what it hears; `end` is done with the connection."""

    def __init__(self):
        self.heard = b""
        self.end = asyncio.get_running_loop().create_future()
        self.error = None

    def data_received(self, data):
        self.heard += data

    def pipe_data_received(self, fd, data):
        self.heard += data

    def eof_received(self):
        pass

    def pipe_connection_lost(self, fd, exc):
        self.error = self.error or exc

    def pause_writing(self):
        pass

    def resume_writing(self):
        pass

    def connection_lost(self, exc):
        error = self.error or exc
        if error is None:
            self.end.set_result(None)
        else:
            self.end.set_exception(error)
            # write() may have told already, and nobody waits for the end then.
            self.end.exception()


@scenario((DATA, 0), {ECHILD: (DATA, UNKNOWN)})
async def with_protocol(injector):
    transport, protocol = await subprocess_exec(Listener, "cat")
    try:
        stdin = transport.get_pipe_transport(0)
        stdin.write(DATA)
        stdin.close()
        await protocol.end
        return protocol.heard, transport.get_returncode()
    finally:
        transport.close()


@scenario(DATA)
async def reading_own_pipe(injector):
    ours, theirs = os.pipe()
    with open(ours, "rb", 0) as pipe:
        os.write(theirs, DATA)
        os.close(theirs)
        loop = asyncio.get_running_loop()
        _, protocol = await connect_read_pipe(loop, Listener, pipe)
        await protocol.end
        return protocol.heard


@scenario(b"%d\n" % len(MUCH))
async def writing_own_pipe(injector):
    theirs, ours = os.pipe()
    with open(ours, "wb", 0) as pipe, open(theirs, "rb", 0) as other:
        async with child_of(injector, "wc", "-c", stdin=other, stdout=PIPE) as child:
            other.close()
            loop = asyncio.get_running_loop()
            transport, protocol = await connect_write_pipe(loop, Listener, pipe)
            try:
                transport.write(MUCH)
            finally:
                transport.close()
            await protocol.end
            return await child.stdout.read()
