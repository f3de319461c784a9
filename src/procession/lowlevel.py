"""The documented low level: children whose events call a protocol."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from asyncio.base_subprocess import (
    BaseSubprocessTransport,
    ReadSubprocessPipeProto,
    WriteSubprocessPipeProto,
)
from collections.abc import Callable
from contextvars import copy_context
from signal import SIGKILL, SIGTERM
from subprocess import PIPE
from typing import Any

from procession import _child
from procession.debuglog import log_birth, log_command, log_exit, logger
from procession.pipes import Factory, ReadPipeTransport, WritePipeTransport
from procession.spec import UNIX_SHELL, Spec, Stream, StrOrBytesPath, refuse_text_mode
from procession.transport import Popen
from procession.waiting import end_of


class SubprocessTransport(BaseSubprocessTransport):
    """A child whose pipes and exit are told to a protocol.

    As the transport of asyncio's loop.subprocess_exec(): the class is asyncio's, so that
    isinstance() holds, but nothing of it runs.
    """

    _protocol: Any
    _extra: dict[str, Any]

    def __init__(self, loop: Any, protocol: Any, command: Spec, args: Any) -> None:
        asyncio.BaseTransport.__init__(self)
        self._loop = loop
        self._protocol = protocol
        self._args = args
        self._context = copy_context()
        self._child: _child.Child | None = None
        self._pid: int | None = None
        self._pipes: dict[int, Any] = {}
        self._closed = False
        self._finished = False
        if command.stdin == PIPE:
            self._add_pipe(0, WriteSubprocessPipeProto, WritePipeTransport)
        if command.stdout == PIPE:
            self._add_pipe(1, ReadSubprocessPipeProto, ReadPipeTransport)
        if command.stderr == PIPE:
            self._add_pipe(2, ReadSubprocessPipeProto, ReadPipeTransport)

    def _add_pipe(self, fd: int, protocol_class: Any, transport_class: Any) -> None:
        protocol = protocol_class(self, fd)
        protocol.connection_made(transport_class(self._loop, protocol))
        self._pipes[fd] = protocol

    def _ends(self) -> tuple[Any, Any, Any]:
        stdin, stdout, stderr = (
            self._pipes[fd].pipe._end if fd in self._pipes else None for fd in range(3)
        )
        return stdin, stdout, stderr

    def __repr__(self) -> str:
        info = [type(self).__name__]
        if self._closed:
            info.append("closed")
        if self._pid is not None:
            info.append(f"pid={self._pid}")
        if self.get_returncode() is not None:
            info.append(f"returncode={self.get_returncode()}")
        else:
            info.append("not started" if self._pid is None else "running")
        for fd, name in enumerate(("stdin", "stdout", "stderr")):
            if fd in self._pipes:
                info.append(f"{name}={self._pipes[fd].pipe!r}")
        return "<{}>".format(" ".join(info))

    def __del__(self) -> None:
        if not self._closed:
            warnings.warn(
                f"unclosed transport {self!r}", ResourceWarning, stacklevel=2, source=self
            )
            self.close()

    # What the child tells

    def _call(self, callback: Callable[..., Any], *args: Any) -> None:
        self._loop.call_soon(callback, *args, context=self._context)

    def _started(self, child: _child.Child) -> None:
        self._child = child
        self._pid = child.pid
        self._extra["subprocess"] = Popen(child, self._args, self._ends())
        if self._loop.get_debug():
            log_birth(self._args, child.pid)
        try:
            self._context.run(self._protocol.connection_made, self)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._loop.call_exception_handler(
                {
                    "message": "Exception in callback connection_made()",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )

    def _pipe_data_received(self, fd: int, data: bytes) -> None:
        self._protocol.pipe_data_received(fd, data)

    def _pipe_connection_lost(self, fd: int, exc: BaseException | None) -> None:
        try:
            self._protocol.pipe_connection_lost(fd, exc)
        finally:
            self._try_finish()

    def _exited(self, returncode: int) -> None:
        if self._loop.get_debug():
            log_exit(self, returncode)
        self._call(self._protocol.process_exited)
        self._try_finish()

    def _try_finish(self) -> None:
        if self.get_returncode() is None or self._finished:
            return
        if all(pipe.disconnected for pipe in self._pipes.values()):
            self._finished = True
            self._call(self._finish)

    def _finish(self) -> None:
        protocol, self._protocol = self._protocol, None
        protocol.connection_lost(None)

    # The documented interface

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol  # type: ignore[no-any-return]

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_pid(self) -> int:
        return self._pid  # type: ignore[return-value]

    def get_returncode(self) -> int | None:
        return None if self._child is None else self._child.returncode

    @property
    def _returncode(self) -> int | None:  # type: ignore[override]
        return self.get_returncode()

    def get_pipe_transport(self, fd: int) -> Any:
        return self._pipes[fd].pipe if fd in self._pipes else None

    def send_signal(self, signal: int) -> None:
        """Send a signal through the pidfd.

        Nothing happens between the exit and connection_lost().

        Raises:
            ProcessLookupError: connection_lost() was called.
        """
        if self._child is None or self._protocol is None:
            raise ProcessLookupError
        if self._child.returncode is None:
            self._child.send_signal(signal)

    def terminate(self) -> None:
        self.send_signal(SIGTERM)

    def kill(self) -> None:
        self.send_signal(SIGKILL)

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Close the pipes and kill the child if it still runs."""
        if self._closed:
            return
        self._closed = True
        if self._child is None or self._loop.is_closed():
            return
        popen = self._extra["subprocess"]
        # Before the pipes are closed: a child that sees the end of its input could end
        # by itself.
        if self._child.returncode is None and popen.poll() is None:
            if self._loop.get_debug():
                logger.warning("Close running child process: kill %r", self)
            # It may run as somebody else.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                popen.kill()
        for pipe in self._pipes.values():
            pipe.pipe.close()

    async def _wait(self) -> int:
        assert self._child is not None
        return await end_of(self._child)


async def _start(loop: Any, protocol: Any, command: Spec, args: Any, title: str) -> tuple[Any, Any]:
    if loop.get_debug():
        log_command(title, command)
    transport = SubprocessTransport(loop, protocol, command, args)
    try:
        child, born = _child.start(loop, command, transport._ends(), transport)
        try:
            await born
        except BaseException:
            child.abandon()
            raise
        finally:
            # An exception that it holds would hold this frame, and that the transport.
            del born
    except BaseException:
        transport._closed = True
        raise
    if loop.get_debug():
        logger.info("%s: %r", title, transport)
    return transport, protocol


async def subprocess_exec_on(
    loop: Any,
    protocol_factory: Factory,
    program: StrOrBytesPath,
    *args: StrOrBytesPath,
    stdin: Stream = PIPE,
    stdout: Stream = PIPE,
    stderr: Stream = PIPE,
    **kwargs: Any,
) -> tuple[Any, Any]:
    options = refuse_text_mode(False, **kwargs)
    protocol = protocol_factory()
    command = Spec([program, *args], stdin, stdout, stderr, **options)
    title = f"execute program {program!r}"
    return await _start(loop, protocol, command, (program, *args), title)


async def subprocess_shell_on(
    loop: Any,
    protocol_factory: Factory,
    cmd: str | bytes,
    *,
    stdin: Stream = PIPE,
    stdout: Stream = PIPE,
    stderr: Stream = PIPE,
    **kwargs: Any,
) -> tuple[Any, Any]:
    if not isinstance(cmd, (bytes, str)):
        raise ValueError("cmd must be a string")
    options = refuse_text_mode(True, **kwargs)
    protocol = protocol_factory()
    shell = options.get("executable") or UNIX_SHELL
    command = Spec([shell, "-c", cmd], stdin, stdout, stderr, **options)
    return await _start(loop, protocol, command, cmd, f"run shell command {cmd!r}")


async def subprocess_exec(
    protocol_factory: Factory,
    program: StrOrBytesPath,
    *args: StrOrBytesPath,
    stdin: Stream = PIPE,
    stdout: Stream = PIPE,
    stderr: Stream = PIPE,
    **kwargs: Any,
) -> tuple[Any, Any]:
    """Run a program whose events call a protocol. As asyncio's loop.subprocess_exec().

    On the running event loop, of whatever kind. Returns (transport, protocol). Arguments,
    errors and cancellation as for create_subprocess_exec().
    """
    loop = asyncio.get_running_loop()
    return await subprocess_exec_on(
        loop, protocol_factory, program, *args, stdin=stdin, stdout=stdout, stderr=stderr, **kwargs
    )


async def subprocess_shell(
    protocol_factory: Factory,
    cmd: str | bytes,
    *,
    stdin: Stream = PIPE,
    stdout: Stream = PIPE,
    stderr: Stream = PIPE,
    **kwargs: Any,
) -> tuple[Any, Any]:
    """Run a command line whose events call a protocol. As asyncio's loop.subprocess_shell().

    On the running event loop, of whatever kind. Returns (transport, protocol).
    """
    loop = asyncio.get_running_loop()
    return await subprocess_shell_on(
        loop, protocol_factory, cmd, stdin=stdin, stdout=stdout, stderr=stderr, **kwargs
    )
