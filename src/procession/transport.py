"""The transports behind a Process and its streams, made when somebody asks for one.

The bytes do not pass through them: they show the child and its streams in the shape that
asyncio's transports have. Those that call a protocol are in pipes.py and lowlevel.py.
"""

from __future__ import annotations

import asyncio
import weakref
from asyncio.base_subprocess import BaseSubprocessTransport
from collections.abc import Callable
from signal import SIGKILL, SIGTERM
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from procession._child import Child
    from procession._ends import ReadEnd, WriteEnd
    from procession.subprocess import Process


class PipeEnd:
    """Our end of a pipe, as far as a file object's interface makes sense for it."""

    def __init__(self, end: ReadEnd | WriteEnd) -> None:
        self._end = end

    def __repr__(self) -> str:
        return f"<PipeEnd fd={self._end._pipe_fileno()}>"

    @property
    def name(self) -> int:
        return self._end._pipe_fileno()

    @property
    def closed(self) -> bool:
        return self._end._pipe_fileno() < 0

    def isatty(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def fileno(self) -> int:
        """Return the descriptor.

        Raises:
            ValueError: it is closed.
        """
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return self._end._pipe_fileno()


def transport_of(owner: Any, make: Callable[[Any], Any]) -> Any:
    """Return the transport of a process or stream: the same one while somebody holds it.

    The transport holds its owner, so the owner holds it weakly: dropping a Process closes
    its pipes without the garbage collector.
    """
    transport = owner._transport_ref and owner._transport_ref()
    if transport is None:
        transport = make(owner)
        owner._transport_ref = weakref.ref(transport)
    return transport


class ReadPipe(asyncio.ReadTransport):
    """The transport of a pipe that is read here."""

    _end: ReadEnd

    def __init__(self, end: ReadEnd) -> None:
        super().__init__({"pipe": PipeEnd(end)})
        self._end = end

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state()}>"

    def _state(self) -> str:
        fd = self._end._pipe_fileno()
        if fd < 0:
            return "closed"
        return f"fd={fd} {'polling' if self.is_reading() else 'idle'}"

    def is_reading(self) -> bool:
        return not self.is_closing() and not self._end._stopped()

    def pause_reading(self) -> None:
        if self.is_reading():
            self._end._stop(True)

    def resume_reading(self) -> None:
        if not self.is_closing() and self._end._stopped():
            self._end._stop(False)

    def is_closing(self) -> bool:
        return self._end._pipe_fileno() < 0

    def close(self) -> None:
        self._end._shut()


class WritePipe(asyncio.Transport):
    """The transport of a pipe that is written here."""

    _end: WriteEnd

    def __init__(self, end: WriteEnd) -> None:
        super().__init__({"pipe": PipeEnd(end)})
        self._end = end

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state()}>"

    def _state(self) -> str:
        end = self._end
        if end._pipe_fileno() < 0:
            return "closed"
        state = "polling" if end._queued() else "idle"
        return f"fd={end._pipe_fileno()} {state} bufsize={end._queued()}"

    def write(self, data: Any) -> None:
        self._end.write(data)

    def writelines(self, list_of_data: Any) -> None:
        self._end.writelines(list_of_data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._end.write_eof()

    def is_closing(self) -> bool:
        return self._end.is_closing()

    def close(self) -> None:
        self._end.close()

    def abort(self) -> None:
        self._end._abort()

    def get_write_buffer_size(self) -> int:
        return self._end._queued()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._end._limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._end._set_limits(high, low)


class Popen:
    """What `get_extra_info("subprocess")` returns: the child with Popen's attributes."""

    def __init__(
        self, child: Child, args: Any, ends: tuple[WriteEnd | None, ReadEnd | None, ReadEnd | None]
    ) -> None:
        self._child = child
        self.args = args
        self.pid = child.pid
        self.stdin, self.stdout, self.stderr = (end and PipeEnd(end) for end in ends)

    def __repr__(self) -> str:
        return f"<Popen: returncode: {self.returncode} args: {self.args!r}>"

    @property
    def returncode(self) -> int | None:
        return self._child.returncode

    def poll(self) -> int | None:
        """Ask the kernel whether the child has ended; return the returncode, or None."""
        return self._child.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit while the event loop stands still.

        Raises:
            subprocess.TimeoutExpired: timeout seconds have passed.
        """
        if not self._child.wait_blocking(timeout):
            raise TimeoutExpired(self.args, timeout or 0)
        return self.returncode  # type: ignore[return-value]

    def send_signal(self, sig: int) -> None:
        """As subprocess.Popen: nothing happens after the exit."""
        if self.returncode is None:
            self._child.send_signal(sig)

    def terminate(self) -> None:
        self.send_signal(SIGTERM)

    def kill(self) -> None:
        self.send_signal(SIGKILL)


class ProcessTransport(BaseSubprocessTransport):
    """The transport of a Process, which has no protocol."""

    def __init__(self, process: Process) -> None:
        asyncio.BaseTransport.__init__(
            self, {"subprocess": Popen(process._child, process._args, process._streams)}
        )
        self._process = process

    def __del__(self) -> None:
        """Let go in silence: the Process goes on."""

    def __repr__(self) -> str:
        process = self._process
        state = "running" if process.returncode is None else f"returncode={process.returncode}"
        return f"<{type(self).__name__} pid={process.pid} {state}>"

    def get_pid(self) -> int:
        return self._process.pid

    def get_returncode(self) -> int | None:
        return self._process.returncode

    def get_pipe_transport(self, fd: int) -> Any:
        stream = self._process._streams[fd] if fd in (0, 1, 2) else None
        return None if stream is None else stream._transport

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        raise NotImplementedError("a Process is not behind a protocol")

    def get_protocol(self) -> asyncio.BaseProtocol:
        raise NotImplementedError("a Process is not behind a protocol")

    def send_signal(self, signal: int) -> None:
        self._process.send_signal(signal)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def is_closing(self) -> bool:
        process = self._process
        pipes = [stream for stream in process._streams if stream is not None]
        return process._is_closing or (
            process.returncode is not None and all(s._pipe_fileno() < 0 for s in pipes)
        )

    def close(self) -> None:
        """Kill the child if it still runs, and close the pipes."""
        self._process._is_closing = True
        if self._process.returncode is None:
            self._process.kill()
        for fd in range(3):
            pipe = self.get_pipe_transport(fd)
            if pipe is not None:
                pipe.close()

    async def _wait(self) -> int:
        return await self._process.wait()
