"""The bytes for one stream: written at once, and what the pipe does not take queued.

A broken pipe is told once, by drain() and wait_closed(), as in asyncio; nothing is logged.
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.errno cimport EAGAIN
from libc.stdint cimport uint32_t

from procession._engine cimport WRITER, count, Engine, Source
from procession._errors cimport check, error_of
from procession._psn cimport (
    PSN_POLL_HANGUP,
    PSN_POLL_WRITE,
    psn_outq_flush,
    psn_outq_free,
    psn_outq_init,
    psn_outq_push,
    psn_sys_write,
)

from collections import deque

cdef enum:
    # asyncio's water marks.
    HIGH = 64 * 1024
    LOW = 16 * 1024


@cython.no_gc_clear
cdef class Writer(Source):
    def __cinit__(self, *args, **kwargs):
        psn_outq_init(&self.outq)
        self.high = HIGH
        self.low = LOW
        self.drainers = []
        count(WRITER, 1)

    def __dealloc__(self):
        psn_outq_free(&self.outq)
        count(WRITER, -1)

    cdef int connect(self, Engine engine, int fd) except -1:
        # Only a hang-up is reported until something is queued: an empty pipe is always
        # writable, and telling so would wake the loop for nothing.
        self.loop = engine.loop
        engine.watch(self, fd, 0)
        return 0

    # What the kernel tells

    cdef int _ready(self, uint32_t events) except -1:
        if events & PSN_POLL_HANGUP:
            self._lose(BrokenPipeError() if self.outq.bytes else None)
        elif self.outq.bytes:
            self._flush()
        return 0

    cdef int _let_go(self) except -1:
        self.closing = True
        self._lose(None)
        return 0

    cdef _lose(self, error):
        """Close the pipe and tell those who wait."""
        if self.lost:
            return
        self.lost = self.closing = True
        self.error = error
        psn_outq_free(&self.outq)
        self.pieces = None
        self.close_fd()
        self._tell_drainers(error)
        if self.closed is not None:
            self._tell_closed()

    cdef _tell_drainers(self, error):
        self.paused = False
        drainers, self.drainers = self.drainers, []
        for waiter in drainers:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    cdef _tell_closed(self):
        if self.closed.done():
            return
        if self.error is None:
            self.closed.set_result(None)
        else:
            self.closed.set_exception(self.error)
            # Nobody has to call wait_closed().
            self.closed._log_traceback = False

    cdef _flush(self):
        cdef size_t released = 0
        cdef int rc = psn_outq_flush(&self.outq, self.fd, &released)
        while released:
            released -= 1
            self.pieces.popleft()
        if rc < 0 and rc != -EAGAIN:
            self._lose(error_of(rc))
            return
        if self.paused and self.outq.bytes <= self.low:
            self._tell_drainers(None)
        if rc == 0 and self.closing:
            self._lose(None)

    # Writing

    def write(self, data):
        """Write bytes, now as far as the pipe takes them, the rest when it does.

        As in asyncio: nothing waits here, drain() does; after the pipe was closed or has
        broken the data is dropped, and drain() says so.

        Raises:
            TypeError: data is not bytes-like.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(f"data argument must be a bytes-like object, "
                            f"not {type(data).__name__!r}")
        self.put(data)

    cdef int put(self, data) except -1:
        cdef Py_buffer view
        cdef ssize_t n = 0
        if self.closing:
            return 0
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        try:
            if view.len == 0:
                return 0
            if self.outq.bytes == 0:
                n = psn_sys_write(self.fd, view.buf, view.len)
                if n == view.len:
                    return 0
                if n == -EAGAIN:
                    n = 0
                elif n < 0:
                    self._lose(error_of(n))
                    return 0
            self._queue(data, <const char *>view.buf + n, view.len - n)
        finally:
            PyBuffer_Release(&view)
        return 0

    cdef _queue(self, data, const char *start, Py_ssize_t n):
        # bytes never change, so the queue borrows them; of what may change under it, it
        # needs a copy.
        cdef bytes copy
        if type(data) is bytes:
            piece = data
        else:
            piece = copy = start[:n]
            start = copy
        if self.pieces is None:
            self.pieces = deque()
        cdef bint first = self.outq.bytes == 0
        check(psn_outq_push(&self.outq, start, n))
        self.pieces.append(piece)
        if first:
            self.engine.change(self, PSN_POLL_WRITE)
        if self.outq.bytes > self.high:
            self.paused = True

    def writelines(self, data):
        """Write each item of an iterable of bytes, in order."""
        self.write(b"".join(data))

    def can_write_eof(self):
        """Return True: a pipe tells its end by being closed."""
        return True

    def write_eof(self):
        """Close the pipe when all that was written has gone out."""
        self.finish()

    cdef int finish(self) except -1:
        if self.closing:
            return 0
        self.closing = True
        if self.outq.bytes == 0:
            self._lose(None)
        return 0

    def close(self):
        """Close the pipe when all that was written has gone out."""
        self.finish()

    def is_closing(self):
        """Return True if the pipe is closed, is broken, or is about to be closed."""
        return self.closing

    def _abort(self):
        """Close the pipe at once; what is queued is dropped."""
        self._lose(None)

    # Waiting

    def _begin_drain(self):
        """Return a future that is done when there is room, or None if there is."""
        if self.lost:
            raise ConnectionResetError("Connection lost")
        if not self.paused:
            return None
        waiter = self.loop.create_future()
        self.drainers.append(waiter)
        return waiter

    def _end_drain(self, waiter):
        if waiter in self.drainers:
            self.drainers.remove(waiter)

    def _closed_future(self):
        if self.closed is None:
            self.closed = self.loop.create_future()
            if self.lost:
                self._tell_closed()
        return self.closed

    # What the transport of this pipe shows

    def _pipe_fileno(self):
        return self.fd

    def _queued(self):
        return self.outq.bytes

    def _limits(self):
        return self.low, self.high

    def _set_limits(self, high=None, low=None):
        if high is None:
            high = HIGH if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self.high = high
        self.low = low
        if self.outq.bytes > self.high:
            self.paused = True
