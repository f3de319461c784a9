"""The transports behind a Process and its streams, made when somebody asks for one.

The bytes do not pass through them: they show the child and its streams in the shape that
asyncio's transports have.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from procession.streams import StreamReader, StreamWriter
    from procession.subprocess import Process


class PipeEnd:
    """Our end of a pipe, as far as a file object's interface makes sense for it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __repr__(self) -> str:
        return f"<PipeEnd fd={self._stream._pipe_fileno()}>"

    @property
    def closed(self) -> bool:
        return bool(self._stream._pipe_fileno() < 0)

    def fileno(self) -> int:
        """Return the descriptor.

        Raises:
            ValueError: it is closed.
        """
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return int(self._stream._pipe_fileno())


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
    """The transport of a child's stdout or stderr."""

    def __init__(self, reader: StreamReader) -> None:
        super().__init__({"pipe": PipeEnd(reader)})
        self._reader = reader

    def __repr__(self) -> str:
        return f"<ReadPipe fd={self._reader._pipe_fileno()}>"

    def is_reading(self) -> bool:
        return not self.is_closing() and not self._reader._stopped()

    def pause_reading(self) -> None:
        if self.is_reading():
            self._reader._stop(True)

    def resume_reading(self) -> None:
        if not self.is_closing() and self._reader._stopped():
            self._reader._stop(False)

    def is_closing(self) -> bool:
        return bool(self._reader._pipe_fileno() < 0)

    def close(self) -> None:
        self._reader._shut()


class WritePipe(asyncio.WriteTransport):
    """The transport of a child's stdin."""

    def __init__(self, writer: StreamWriter) -> None:
        super().__init__({"pipe": PipeEnd(writer)})
        self._writer = writer

    def __repr__(self) -> str:
        return f"<WritePipe fd={self._writer._pipe_fileno()} bufsize={self._writer._queued()}>"

    def write(self, data: Any) -> None:
        self._writer.write(data)

    def writelines(self, list_of_data: Any) -> None:
        self._writer.writelines(list_of_data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._writer.write_eof()

    def is_closing(self) -> bool:
        return self._writer.is_closing()

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer._abort()

    def get_write_buffer_size(self) -> int:
        return self._writer._queued()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._writer._limits()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._writer._set_limits(high, low)


class Popen:
    """What `get_extra_info("subprocess")` returns: the child with Popen's attributes."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.args = process._args
        self.pid = process.pid
        self.stdin = process.stdin and PipeEnd(process.stdin)
        self.stdout = process.stdout and PipeEnd(process.stdout)
        self.stderr = process.stderr and PipeEnd(process.stderr)

    def __repr__(self) -> str:
        return f"<Popen: returncode: {self.returncode} args: {self.args!r}>"

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def poll(self) -> int | None:
        """Ask the kernel whether the child has ended; return the returncode, or None."""
        return self._process.poll()

    def send_signal(self, sig: int) -> None:
        """As subprocess.Popen: nothing happens after the exit."""
        if self.returncode is None:
            self._process.send_signal(sig)

    def terminate(self) -> None:
        self.send_signal(15)

    def kill(self) -> None:
        self.send_signal(9)


class ProcessTransport(asyncio.SubprocessTransport):
    """The transport of a Process."""

    def __init__(self, process: Process) -> None:
        super().__init__({"subprocess": Popen(process)})
        self._process = process

    def __repr__(self) -> str:
        process = self._process
        state = "running" if process.returncode is None else f"returncode={process.returncode}"
        return f"<ProcessTransport pid={process.pid} {state}>"

    def get_pid(self) -> int:
        return self._process.pid

    def get_returncode(self) -> int | None:
        return self._process.returncode

    def get_pipe_transport(self, fd: int) -> Any:
        if fd == 0 and self._process.stdin is not None:
            return self._process.stdin.transport
        reader = {1: self._process.stdout, 2: self._process.stderr}.get(fd)
        return None if reader is None else reader._transport

    def send_signal(self, signal: int) -> None:
        self._process.send_signal(signal)

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def is_closing(self) -> bool:
        process = self._process
        pipes = [s for s in (process.stdin, process.stdout, process.stderr) if s is not None]
        return process.returncode is not None and all(s._pipe_fileno() < 0 for s in pipes)

    def close(self) -> None:
        """Close the pipes and kill the child if it still runs."""
        for fd in range(3):
            pipe = self.get_pipe_transport(fd)
            if pipe is not None:
                pipe.close()
        if self._process.returncode is None:
            self._process.kill()

    async def _wait(self) -> int:
        return await self._process.wait()
