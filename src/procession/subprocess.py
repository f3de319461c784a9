"""The names of asyncio.subprocess, on the engine of this package."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import SubprocessStreamProtocol
from operator import index
from signal import SIGKILL, SIGTERM
from subprocess import DEVNULL, PIPE, STDOUT
from typing import Any

from procession import _child
from procession.command import UNIX_SHELL, Command, Stream, StrOrBytesPath, refuse_text_mode
from procession.debuglog import Log
from procession.streams import DEFAULT_LIMIT, StreamReader, StreamWriter
from procession.transport import ProcessTransport, transport_of
from procession.waiting import end_of

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
    """

    stdin: StreamWriter | None
    stdout: StreamReader | None
    stderr: StreamReader | None
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

    async def wait(self) -> int:
        """Wait for the exit and return the returncode.

        Returns when the child has ended, whoever holds its pipes and however much of its
        output is unread. Any number of tasks may wait; cancelling one changes nothing for
        the child or the others.
        """
        return await end_of(self._child)

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

    async def communicate(self, input: Any = None) -> tuple[bytes, bytes]:
        """Write input, close stdin, read stdout and stderr to their ends, wait for the exit.

        Returns (stdout, stderr), None for what is not a pipe. A child that does not read
        its input is no error. Cancelled, it loses nothing: called again (without the
        input, which goes on being sent) it returns everything.

        Raises:
            TypeError: input is not bytes-like; nothing has been done then.
            ValueError: an earlier call, which was cancelled, sends its input already.
            RuntimeError: another task waits for data of stdout or stderr.
        """
        if (self.stdin, self.stdout, self.stderr) != self._streams:
            return await self._communicate_through(input)
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

    async def _communicate_through(self, input: Any) -> tuple[bytes, bytes]:
        """communicate() by way of streams that the program has put in place of ours."""

        async def feed() -> None:
            if self.stdin is not None:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    if input is not None:
                        self.stdin.write(input)
                        await self.stdin.drain()
                self.stdin.close()

        async def read(reader: Any) -> Any:
            return None if reader is None else await reader.read()

        _, output, errors = await asyncio.gather(feed(), read(self.stdout), read(self.stderr))
        await self.wait()
        return output, errors

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
    command: Command, loop: asyncio.AbstractEventLoop | None, limit: int | None, args: Any
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
            all others are carried out natively.

    The event loop never waits for the program to be started. Cancelled, a child that is
    on its way is killed and reaped in the back, and nothing is left.

    Raises:
        OSError, ValueError, TypeError: what subprocess.Popen raises, with its errno and
            filename, before anything is started or after all of it was undone.
    """
    options = refuse_text_mode(False, **kwds) if kwds else kwds
    command = Command([program, *args], stdin, stdout, stderr, **options)
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
    command = Command([shell, "-c", cmd], stdin, stdout, stderr, **options)
    return await _create(command, loop, limit, cmd)
