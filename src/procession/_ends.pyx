"""Our ends of pipes: the system calls, and what is known of a pipe's readiness.

Streams are made of these (_reader, _writer), and so are transports (_pipe).
"""
cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
from cpython.ref cimport Py_CLEAR
from libc.errno cimport EAGAIN
from libc.stdint cimport uint32_t
from posix.fcntl cimport fcntl

from procession._counts cimport counts
from procession._engine cimport Engine, Source
from procession._errors cimport check, error_of
from procession._psn cimport (
    PSN_POLL_HANGUP,
    PSN_POLL_WRITE,
    psn_outq_flush,
    psn_outq_free,
    psn_outq_init,
    psn_outq_push,
    psn_sys_read,
    psn_sys_write,
)

from collections import deque

cdef extern from "Python.h":
    # On raw pointers, because resizing needs the only reference there is.
    PyObject *new_block "PyBytes_FromStringAndSize"(char *, Py_ssize_t) except NULL
    char *block_start "PyBytes_AS_STRING"(PyObject *)
    int resize_block "_PyBytes_Resize"(PyObject **, Py_ssize_t) except -1

cdef extern from "<fcntl.h>" nogil:
    enum:
        F_SETPIPE_SZ

cdef enum:
    FULL_TO_GROW = 4
    GROWN_PIPE = 256 * 1024
    # asyncio's water marks.
    HIGH = 64 * 1024
    LOW = 16 * 1024


cdef void grow(int fd) noexcept:
    """A larger pipe hides the time it takes to wake up the other side, but its pages are a
    budget that all children share: only a stream that flows gets one. Where it is refused
    all goes on as before."""
    fcntl(fd, F_SETPIPE_SZ, GROWN_PIPE)


@cython.no_gc_clear
cdef class ReadEnd(Source):
    cdef int connect(self, Engine engine, int fd) except -1:
        return 0

    cdef int _schedule(self) except -1:
        if not self.deferred and self.engine is not None and not self.engine.gone:
            self.deferred = True
            self.engine.defer(self)
        return 0

    cdef int _after_read(self, ssize_t n, ssize_t wanted) except -1:
        if n > 0:
            counts.bytes_read += n
            if n == CHUNK:
                self._count_full()
            # A pipe that gave less than it was asked for is empty, and what comes next is
            # announced; the end may have been announced before.
            self.more = n == wanted or self.hung_up
            return 1
        if n == -EAGAIN:
            self.more = False
            return 0
        self._end(None if n == 0 else error_of(n))
        return 1

    cdef void _count_full(self) noexcept:
        self.full_reads += 1
        if self.full_reads == FULL_TO_GROW and not self.keeps_size:
            grow(self.fd)

    cdef bytes _read_block(self, Py_ssize_t n):
        cdef ssize_t got
        cdef PyObject *block = new_block(NULL, n)
        got = psn_sys_read(self.fd, block_start(block), n)
        if got <= 0:
            Py_CLEAR(block)
            self._after_read(got, n)
            return None
        if got < n:
            resize_block(&block, got)
        data = <bytes>block
        Py_CLEAR(block)
        self._after_read(got, n)
        return data

    cdef int _end(self, exc) except -1:
        return 0

    def _pipe_fileno(self):
        return self.fd

    def _stop(self, bint stopped):
        """Pause reading, or resume it."""
        self.stopped = stopped
        if not stopped:
            self.more = True
            self._schedule()

    def _stopped(self):
        return self.stopped

    def _shut(self):
        """Close the pipe; what was read can still be taken, then comes the end."""
        if not self.eof:
            self._end(None)


@cython.no_gc_clear
cdef class WriteEnd(Source):
    def __cinit__(self, *args, **kwargs):
        psn_outq_init(&self.outq)
        self.high = HIGH
        self.low = LOW

    def __dealloc__(self):
        psn_outq_free(&self.outq)

    cdef int connect(self, Engine engine, int fd) except -1:
        # Only a hang-up is reported until something is queued: an empty pipe is always
        # writable, and telling so would wake the loop for nothing.
        engine.watch(self, fd, self._wanted())
        return 0

    cdef uint32_t _wanted(self) noexcept:
        return self.idle_events | (PSN_POLL_WRITE if self.outq.bytes else 0)

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
        if self.lost:
            return
        self.lost = self.closing = True
        self.paused = False
        self.error = error
        psn_outq_free(&self.outq)
        self.pieces = None
        self.close_fd()
        self._on_lost()

    cdef _on_pause(self):
        pass

    cdef _on_resume(self):
        pass

    cdef _on_lost(self):
        pass

    cdef _flush(self):
        cdef size_t released = 0
        cdef size_t queued = self.outq.bytes
        cdef int rc = psn_outq_flush(&self.outq, self.fd, &released)
        counts.bytes_written += queued - self.outq.bytes
        while released:
            released -= 1
            self.pieces.popleft()
        if rc < 0 and rc != -EAGAIN:
            self._lose(error_of(rc))
            return
        if self.paused and self.outq.bytes <= self.low:
            self.paused = False
            self._on_resume()
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
                if n > 0:
                    counts.bytes_written += n
                if n == view.len:
                    return 0
                if n == -EAGAIN:
                    n = 0
                elif n < 0:
                    self._lose(error_of(n))
                    return 0
                self._count_full()
            try:
                self._queue(data, <const char *>view.buf + n, view.len - n)
            except BaseException as error:
                # A part may have gone out, and nothing else must follow that.
                self._lose(error)
                raise
        finally:
            PyBuffer_Release(&view)
        return 0

    cdef void _count_full(self) noexcept:
        self.full_writes += 1
        if self.full_writes == FULL_TO_GROW and not self.keeps_size:
            grow(self.fd)

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
        if first and self.slot >= 0:
            self.engine.change(self, self._wanted())
        self._mark()

    cdef _mark(self):
        if self.outq.bytes > self.high and not self.paused:
            self.paused = True
            self._on_pause()

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

    # What a transport shows

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
        self._mark()
