"""The names of asyncio.subprocess, on the engine of this package."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import SubprocessStreamProtocol
from collections.abc import Awaitable
from operator import index
from signal import SIGKILL, SIGTERM
from subprocess import DEVNULL, PIPE, STDOUT, TimeoutExpired
from typing import TYPE_CHECKING, Any

from procession import _child
from procession.communicating import check_limit, collect, partial
from procession.deadline import Deadline, Late
from procession.debuglog import Log
from procession.draining import Event, ends_of, holders_of
from procession.spec import UNIX_SHELL, Spec, Stream, StrOrBytesPath, refuse_text_mode
from procession.streams import DEFAULT_LIMIT, StreamReader, StreamWriter
from procession.transport import ProcessTransport, transport_of
from procession.trees import Descendant, descendants_of, kill_all, terminate
from procession.waiting import end_of

if TYPE_CHECKING:
    import resource

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "Process",
    "SubprocessStreamProtocol",
    "create_subprocess_exec",
    "create_subprocess_shell",
]


class Process(asyncio.subprocess.Process):
    """A child. As asyncio.subprocess.Process; made by the create_subprocess_* functions.

    Attributes:
        pid: its number.
        stdin: a StreamWriter, None without stdin=PIPE.
        stdout, stderr: a StreamReader, None without PIPE.
        grace: how many seconds aclose(), and so `async with`, leaves the child to end
            after SIGTERM. 5, to be set by the program.
    """

    stdin: StreamWriter | None
    stdout: StreamReader | None
    stderr: StreamReader | None
    grace: float = 5.0
    _transport_ref: Any = None
    _is_closing = False  # by its transport's close()

    def __init__(
        self,
        child: _child.Child,
        streams: tuple[StreamWriter | None, StreamReader | None, StreamReader | None],
        loop: asyncio.AbstractEventLoop,
        args: Any,
    ) -> None:
        self._child = child
        self._loop = loop
        self._args = args
        self.pid = child.pid
        self._streams = streams
        self.stdin, self.stdout, self.stderr = streams

    @property
    def returncode(self) -> int | None:
        """The exit status; -N if signal N ended the child; None while it runs.

        Set as soon as the event loop has learnt of the exit, whether or not somebody
        waits.
        """
        return self._child.returncode

    @property
    def _transport(self) -> Any:
        return transport_of(self, ProcessTransport)

    def poll(self) -> int | None:
        """Ask the kernel whether the child has ended; return the returncode, or None.

        Not in asyncio: there `returncode` has to wait for a turn of the event loop. What
        is found is published at once, to returncode and to all who wait.
        """
        return self._child.poll()

    @property
    def rusage(self) -> resource.struct_rusage | None:
        """What the child has used, with those of its own children that it has waited for.

        Not in asyncio. As resource.getrusage() gives it: seconds, kilobytes, counts. None
        while the child runs, and if somebody else has reaped it. The kernel counts for
        ru_maxrss what the parent had, too, whose memory the child shares up to the exec, as
        it does for a child of subprocess.
        """
        return self._child.rusage

    async def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit and return the returncode.

        Returns when the child has ended, whoever holds its pipes and however much of its
        output is unread. Any number of tasks may wait; cancelling one changes nothing for
        the child or the others.

        Args:
            timeout: how many seconds to wait at most. Not in asyncio.

        Raises:
            subprocess.TimeoutExpired: the child still runs. It goes on, and can be waited
                for again.
        """
        if timeout is None:
            return await end_of(self._child)
        try:
            return await end_of(self._child, Deadline(self._loop, timeout))
        except Late:
            if self.poll() is None:
                raise TimeoutExpired(self._command(), timeout) from None
        return self.returncode  # type: ignore[return-value]

    def send_signal(self, signal: int) -> None:
        """Send a signal to the child.

        After the exit nothing happens while a pipe is still open, and from then on, as in
        asyncio, it is an error. No other process is ever meant.

        Raises:
            ProcessLookupError: the child has ended and its pipes are closed.
            PermissionError: the child runs as another user.
        """
        if self.returncode is not None and any(
            stream is not None and stream._pipe_fileno() >= 0 for stream in self._streams
        ):
            index(signal)
            return
        self._child.send_signal(signal)

    def terminate(self) -> None:
        """Send SIGTERM, as send_signal() does."""
        self.send_signal(SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL, as send_signal() does."""
        self.send_signal(SIGKILL)

    async def communicate(
        self,
        input: Any = None,
        *,
        timeout: float | None = None,
        eof_grace: float | None = None,
        limit: int | None = None,
    ) -> tuple[bytes, bytes]:
        """Write input, close stdin, read stdout and stderr to their ends, wait for the exit.

        Returns (stdout, stderr), None for what is not a pipe. A child that does not read
        its input is no error. Cancelled or failed, it loses nothing: called again (without
        the input, which goes on being sent) it returns everything.

        Args, which asyncio does not have:
            timeout: how many seconds all of this may take.
            eof_grace: how many seconds after the exit to wait for the ends of the outputs,
                which others may hold open, such as what the child has started in the
                background. Then what has come is returned, and the pipes stay open. None:
                as long as it takes.
            limit: how many bytes each output may have. It bounds the memory that is taken.

        Raises:
            TypeError: input is not bytes-like; nothing has been done then.
            ValueError: an earlier call, which was cancelled, sends its input already.
            RuntimeError: another task waits for data of stdout or stderr.
            subprocess.TimeoutExpired: with a copy of what has come so far as its `output`
                and `stderr`. The child goes on.
            asyncio.LimitOverrunError: an output is longer than the limit. The child goes on
                until the pipe is full.
        """
        if (self.stdin, self.stdout, self.stderr) != self._streams:
            return await self._communicate_through(input, timeout, eof_grace, limit)
        if timeout is not None or eof_grace is not None or limit is not None:
            return await self._communicate_within(input, timeout, eof_grace, limit)
        self._feed(input)
        readers = [reader for reader in (self.stdout, self.stderr) if reader is not None]
        waiters: list[Any] = []
        try:
            for reader in readers:
                waiters.append(reader._begin_all())
            # Each gathers while any of them is waited for, so one after the other will do.
            for waiter in waiters:
                if waiter is not None:
                    await waiter
        except BaseException:
            for reader, waiter in zip(readers, waiters, strict=False):
                if waiter is not None:
                    reader._wait_failed(waiter)
            raise
        await self.wait()
        output = None if self.stdout is None else await self.stdout.read()
        errors = None if self.stderr is None else await self.stderr.read()
        return output, errors  # type: ignore[return-value]

    async def _communicate_within(
        self, input: Any, timeout: float | None, eof_grace: float | None, limit: int | None
    ) -> tuple[bytes, bytes]:
        deadline = Deadline(self._loop, timeout)
        most = check_limit(limit)
        if eof_grace is not None:
            # What is no number is told before anything is done.
            eof_grace = 0.0 + eof_grace
        self._feed(input)
        try:
            return await collect(self, deadline, eof_grace, most)  # type: ignore[return-value]
        except Late:
            output, errors = partial(self.stdout), partial(self.stderr)
            raise TimeoutExpired(self._command(), timeout or 0, output, errors) from None

    async def _communicate_through(
        self, input: Any, timeout: float | None, eof_grace: float | None, limit: int | None
    ) -> tuple[bytes, bytes]:
        """communicate() by way of streams that the program has put in place of ours."""
        if eof_grace is not None or limit is not None:
            raise ValueError("eof_grace and limit need the streams that the process came with")

        async def feed() -> None:
            if self.stdin is not None:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    if input is not None:
                        self.stdin.write(input)
                        await self.stdin.drain()
                self.stdin.close()

        async def read(reader: Any) -> Any:
            return None if reader is None else await reader.read()

        async def all_of_it() -> tuple[bytes, bytes]:
            _, output, errors = await asyncio.gather(feed(), read(self.stdout), read(self.stderr))
            await self.wait()
            return output, errors

        if timeout is None:
            return await all_of_it()
        try:
            return await asyncio.wait_for(all_of_it(), timeout)
        except (TimeoutError, asyncio.TimeoutError):
            raise TimeoutExpired(self._command(), timeout) from None

    # Exit and drain apart

    @property
    def exited(self) -> Awaitable[int]:
        """The exit, to be awaited: `await process.exited` is the returncode.

        Not in asyncio. It comes with the end of the child, whoever holds its pipes. Each
        access is something of its own that wait_for() and gather() take; one that is never
        awaited costs nothing, and a cancelled one changes nothing.
        """
        return Event(self.wait)

    @property
    def drained(self) -> Awaitable[None]:
        """The ends of stdout and stderr, to be awaited.

        Not in asyncio. They come when nobody has the pipes open any more and all was
        received, before the exit or after it; what was received can still be read. Somebody
        has to read meanwhile, or a child that writes more than is read ahead waits for that
        as for ever. Without such pipes it is there at once. As `exited` otherwise.
        """
        return Event(self._drain)

    async def _drain(self) -> None:
        _, *outputs = self._streams
        await ends_of(reader for reader in outputs if reader is not None)

    def lingering(self) -> list[Descendant]:
        """Return who has the other end of one of our pipes, but the child itself.

        Not in asyncio. After the exit these are what keeps communicate() waiting: whatever
        has inherited the pipe, be it of the child's tree or not. Processes of other users
        cannot be seen. Each descriptor on the machine is looked at.
        """
        pipes = [fd for stream in self._streams if stream and (fd := stream._pipe_fileno()) >= 0]
        return holders_of(pipes, [] if self.poll() is not None else [self.pid])

    # Its tree

    def descendants(self) -> list[Descendant]:
        """Return the living processes that the child has started, and those have, and so on.

        Not in asyncio. Sessions, process groups and parents do not matter, nor whether the
        child has ended: docs/trees.md says how they are known, and who cannot be found.
        """
        return descendants_of(self._child)

    def kill_tree(self) -> list[Descendant]:
        """Send SIGKILL to the child and all of its tree; return those that it was sent to.

        Not in asyncio. Nothing is waited for: the child's exit is told as always. Who is
        started in that moment is looked for in the back, for some seconds. A list without
        anybody means that nobody was left.

        Raises:
            PermissionError: the child runs as another user now. The others are killed, but
                for those that run as another user, too.
        """
        return kill_all(self._child, self._loop)

    async def terminate_tree(self, grace: float | None = None) -> list[Descendant]:
        """End the child and all of its tree, and wait for that.

        Not in asyncio. SIGTERM is sent to everybody, the child first, lest it go on with
        its next command because one has ended. Who lives after the grace gets SIGKILL,
        until nobody is left. Pipes stay open. Cancelled, it sends SIGKILL to all at once
        and leaves the rest to the event loop.

        Args:
            grace: how many seconds after SIGTERM all may take; None: `self.grace`.

        Returns:
            Those that had to be killed. One that hangs in the kernel is waited for up to 5
            seconds more, and then left.

        Raises:
            PermissionError: the child runs as another user now. The others got SIGTERM.
        """
        return await terminate(self._child, self.grace if grace is None else grace)

    # Its end, in order

    async def aclose(self) -> None:
        """End the child, reap it and close its pipes, as `async with` does on leaving.

        Not in asyncio. stdin is closed and SIGTERM sent; if that has not ended the child
        after `grace` seconds, SIGKILL is. A child that has ended already, or was detached,
        gets no signal. Cancelled, it sends SIGKILL at once and leaves the rest to the
        event loop. What was read stays in the streams.

        Raises:
            PermissionError: the child runs as another user now, and cannot be ended.
        """
        stdin, *outputs = self._streams
        try:
            if stdin is not None:
                stdin.close()
            if not self._child.detached and self.poll() is None:
                await self._end()
        finally:
            if stdin is not None:
                stdin._abort()
            for output in outputs:
                if output is not None:
                    output._shut()

    async def _end(self) -> None:
        try:
            self.terminate()
            with contextlib.suppress(TimeoutExpired):
                await self.wait(self.grace)
        finally:
            # Also where this was cancelled.
            if self.returncode is None:
                self.kill()
        await self.wait()

    async def __aenter__(self) -> Process:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def detach(self) -> None:
        """Leave the child to itself: neither aclose() nor the end of its event loop ends it.

        Not in asyncio. Its exit is still learnt of and waited for as before while the loop
        runs; a child that ends later is reaped when the next one is started. Pipes are
        closed with the loop, so a child that is to outlive it should have none.
        """
        self._child.detach()

    def _command(self) -> Any:
        """What ran, as subprocess.Popen has it in its `args`."""
        return list(self._args) if isinstance(self._args, tuple) else self._args

    def _feed(self, input: Any) -> None:
        """Write input and close stdin behind it; the engine does the rest."""
        if input is not None and not isinstance(input, (bytes, bytearray, memoryview)):
            raise TypeError(f"input must be a bytes-like object, not {type(input).__name__!r}")
        if self.stdin is None:
            if input is not None and sys.version_info < (3, 12):
                raise AttributeError("'NoneType' object has no attribute 'write'")
            return
        if input is not None:
            if self.stdin.is_closing() and self.stdin._queued():
                raise ValueError("Cannot send input after starting communication")
            self.stdin.write(input)
        self.stdin.close()


async def _create(
    command: Spec, loop: asyncio.AbstractEventLoop | None, limit: int | None, args: Any
) -> Process:
    running = asyncio.get_running_loop()
    if loop is not None and loop is not running:
        raise ValueError("loop is not the running event loop, on which the child would be watched")
    if limit is None:
        limit = DEFAULT_LIMIT
    streams = (
        StreamWriter() if command.stdin == PIPE else None,
        StreamReader(limit, running) if command.stdout == PIPE else None,
        StreamReader(limit, running) if command.stderr == PIPE else None,
    )
    log = Log(command, args) if running.get_debug() else None
    child, born = _child.start(running, command, streams, log)
    try:
        await born
    except BaseException:
        child.abandon()
        raise
    finally:
        # An exception that it holds would hold this frame, and that the child.
        del born
    return Process(child, streams, running, args)


async def create_subprocess_exec(
    program: StrOrBytesPath,
    *args: StrOrBytesPath,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    loop: asyncio.AbstractEventLoop | None = None,
    limit: int | None = DEFAULT_LIMIT,
    **kwds: Any,
) -> Process:
    """Run a program. As asyncio.create_subprocess_exec.

    Args:
        stdin, stdout, stderr: None (the parent's), PIPE, DEVNULL, a descriptor or a file
            object; stderr also STDOUT.
        loop: None or the running loop, as old programs pass it.
        limit: of the StreamReaders, in bytes (None: 64 KiB); twice as much is read ahead.
        kwds: the POSIX keywords of subprocess.Popen. preexec_fn needs a fork of the whole
            interpreter on the loop's thread, whose time grows with the parent's memory;
            all others are carried out natively. And limits, a procession.Limits: what the
            child may use.

    The event loop never waits for the program to be started. Cancelled, a child that is
    on its way is killed and reaped in the back, and nothing is left.

    Raises:
        OSError, ValueError, TypeError: what subprocess.Popen raises, with its errno and
            filename, before anything is started or after all of it was undone. That of
            a limit that cannot be set has its name as limit_name.
    """
    options = refuse_text_mode(False, **kwds) if kwds else kwds
    command = Spec([program, *args], stdin, stdout, stderr, **options)
    return await _create(command, loop, limit, (program, *args))


async def create_subprocess_shell(
    cmd: str | bytes,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    limit: int | None = DEFAULT_LIMIT,
    loop: asyncio.AbstractEventLoop | None = None,
    **kwds: Any,
) -> Process:
    """Run a command line with /bin/sh. As asyncio.create_subprocess_shell.

    Arguments, errors and cancellation as for create_subprocess_exec(). The caller quotes
    what needs quoting, with shlex.quote().
    """
    if not isinstance(cmd, (bytes, str)):
        raise ValueError("cmd must be a string")
    options = refuse_text_mode(True, **kwds) if kwds else kwds
    shell = options.get("executable") or UNIX_SHELL
    command = Spec([shell, "-c", cmd], stdin, stdout, stderr, **options)
    return await _create(command, loop, limit, cmd)
