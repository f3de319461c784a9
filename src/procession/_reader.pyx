"""The bytes of one stream: read, found and handed out, byte for byte as asyncio's.

Each `_try_*` method does what its namesake does without waiting, and says when it cannot:
the waiting is in streams.py. What was read belongs to the reader until it is handed out,
so a call that is cancelled loses nothing.
"""
cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_CLEAR
from libc.errno cimport EFAULT
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

from procession._ends cimport BUDGET, CHUNK, ReadEnd
from procession._engine cimport READER, count, Engine
from procession._errors cimport check
from procession._psn cimport (
    PSN_POLL_HANGUP,
    PSN_POLL_READ,
    psn_buf_append,
    psn_buf_drop,
    psn_buf_fill,
    psn_buf_find,
    psn_buf_free,
    psn_buf_init,
    psn_buf_len,
    psn_buf_peek,
    psn_sys_read,
)
from procession._waiter cimport Waiter

from asyncio import IncompleteReadError, LimitOverrunError

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    # Without an exception for what is too large it takes the largest there is.
    Py_ssize_t PyNumber_AsSsize_t(object, void *) except? -1
    # On raw pointers, because resizing needs the only reference there is.
    PyObject *new_block "PyBytes_FromStringAndSize"(char *, Py_ssize_t) except NULL
    char *block_start "PyBytes_AS_STRING"(PyObject *)
    Py_ssize_t block_len "PyBytes_GET_SIZE"(PyObject *)
    int resize_block "_PyBytes_Resize"(PyObject **, Py_ssize_t) except -1

cdef enum:
    # From here on a read goes straight into the object that is returned.
    DIRECT = 4 * 1024
    # More than an unprivileged user's pipe can hold.
    LAST_READS = 20

# One more can be asked for.
cdef Py_ssize_t NO_LIMIT = PY_SSIZE_T_MAX - 1


cdef bytes hand_over(PyObject **block, Py_ssize_t length):
    """Make an object of a block, cut to length."""
    if block_len(block[0]) != length:
        resize_block(block, length)
    data = <bytes>block[0]
    Py_CLEAR(block[0])
    return data


@cython.no_gc_clear
cdef class Reader(ReadEnd):
    def __cinit__(self, *args, **kwargs):
        psn_buf_init(&self.buf)
        self.budget = BUDGET
        self.most = NO_LIMIT
        count(READER, 1)

    def __dealloc__(self):
        Py_CLEAR(self.gathered)
        psn_buf_free(&self.buf)
        count(READER, -1)

    def __init__(self, limit, loop):
        if limit <= 0:
            raise ValueError("Limit cannot be <= 0")
        self._limit = limit
        self.loop = loop

    cdef int connect(self, Engine engine, int fd) except -1:
        self.piped = True
        engine.watch(self, fd, PSN_POLL_READ)
        engine.held.add(self)
        return 0

    # What the kernel tells

    cdef int _ready(self, uint32_t events) except -1:
        self.more = True
        if events & PSN_POLL_HANGUP:
            self.hung_up = True
        if self.gathering:
            self._gather_for()
        elif self.waiter is not None:
            # Whoever waits reads for itself, straight into what it returns.
            self._wake()
        else:
            self._read_ahead()
        return 0

    cdef int _turn(self) except -1:
        self.deferred = False
        self.budget = BUDGET
        if self.gathering:
            self._gather_for()
        elif self.waiter is not None:
            self._wake()
        elif self.more and not self.woken:
            self._read_ahead()
        return 0

    cdef int _let_go(self) except -1:
        self.close_fd()
        if self.engine is not None:
            self.engine.held.discard(self)
        return 0

    cdef _read_ahead(self):
        """Read what there is, up to 2 x limit, as asyncio's transport does in the back."""
        cdef int reads = BUDGET
        while (self.more and not self.eof and not self.stopped
               and self._held() <= 2 * self.limit):
            if reads == 0:
                self._schedule()
                break
            reads -= 1
            self._fill()
        self._keep()

    cdef _keep(self):
        """The engine keeps a pipe that is being read, though the program has dropped it:
        who writes to it is not to die of that. As in asyncio, not one that is full."""
        if self.fd < 0 or self.engine is None or self.engine.gone:
            return
        if self.stopped or self._held() > 2 * self.limit:
            self.engine.held.discard(self)
        else:
            self.engine.held.add(self)

    cdef Py_ssize_t _held(self):
        return <Py_ssize_t>psn_buf_len(&self.buf) + self.gathered_len

    cdef int _fill(self) except -1:
        """Read once into the buffer. Return whether anything changed."""
        cdef ssize_t n
        if self.fd < 0:
            return 0
        # Without releasing the interpreter: it is a copy of 64 KiB at the most, and to
        # get it back in a program with other threads can take milliseconds.
        n = psn_buf_fill(&self.buf, self.fd, CHUNK)
        return self._after_read(n, CHUNK)

    cdef int _end(self, exc) except -1:
        self.more = False
        self.close_fd()
        if self.engine is not None:
            self.engine.held.discard(self)
        if exc is None:
            self.eof = True
            self._wake()
        else:
            self.set_exception(exc)
        enders, self.enders = self.enders, None
        for waiter in enders or ():
            self._tell(waiter, None)
        return 0

    cdef int _wake(self) except -1:
        waiter = self.waiter
        self.gathering = False
        if waiter is not None:
            self.waiter = None
            self.woken = self._tell(waiter, None)
        return 0

    cdef bint _tell(self, Waiter waiter, error) except -1:
        if self.engine is not None:
            return self.engine.wake(waiter, error)
        # Fed by hand.
        if not waiter.settle(error):
            return False
        waiter.schedule()
        return True

    # What the transport of this pipe shows

    def _is_piped(self):
        return self.piped

    def _fed_by(self):
        return self.transport

    # Waiting

    cdef int _check_waiter(self, name) except -1:
        if self.waiter is not None:
            raise RuntimeError(f"{name}() called while another coroutine is "
                               f"already waiting for incoming data")
        return 0

    def _begin_wait(self, name, bint gathering=False):
        """Return what is done when it makes sense to try again."""
        self._check_waiter(name)
        if self.paused:
            self.paused = False
            self.transport.resume_reading()
        if psn_buf_len(&self.buf) == 0:
            psn_buf_free(&self.buf)
        self.waiter = waiter = Waiter(self.loop)
        self.gathering = gathering
        self.woken = False
        if self.more:
            self._schedule()
        self.budget = BUDGET
        return waiter

    def _begin_all(self, most=None):
        """Gather all up to the end; return what is done then, None if it is.

        With more than `most` bytes it fails with a LimitOverrunError; all of them stay.
        """
        self._check_waiter("read")
        self._check_error()
        self.most = NO_LIMIT if most is None else most
        if not self.eof:
            self._gather()
            self._check_error()
        if self._held() > self.most:
            raise self._overrun()
        return None if self.eof else self._begin_wait("read", True)

    cdef object _overrun(self):
        return LimitOverrunError(f"The output is longer than the limit of {self.most} bytes",
                                 self._held())

    def _begin_end(self):
        """Return what is done with the end of the pipe, None if it has come."""
        if self.fd < 0:
            return None
        waiter = Waiter(self.loop)
        if self.enders is None:
            self.enders = []
        self.enders.append(waiter)
        return waiter

    def _end_failed(self, waiter):
        """Nobody waits any more for what _begin_end() has returned."""
        if waiter in (self.enders or ()):
            self.enders.remove(waiter)

    def _wait_failed(self, waiter):
        """The wait was cancelled: go back to reading ahead."""
        self.gathering = self.woken = False
        if self.waiter is waiter:
            self.waiter = None
        if self.more:
            self._schedule()

    cdef int _may_read(self) except -1:
        """Whether a system call may be tried now. Leaves to somebody who waits already
        what arrives first, and to the loop a turn."""
        self.woken = False
        if self.fd < 0 or self.waiter is not None or self.stopped:
            return False
        if self.budget <= 0:
            self.more = True
            return False
        self.budget -= 1
        return True

    # Taking

    cdef int _check_error(self) except -1:
        if self.error is not None:
            raise self.error
        return 0

    cdef bytes _take(self, Py_ssize_t n):
        data = PyBytes_FromStringAndSize(psn_buf_peek(&self.buf), n)
        self._drop(n)
        return data

    cdef int _drop(self, Py_ssize_t n) except -1:
        psn_buf_drop(&self.buf, n)
        # A stream that flows fills it again at once; an idle one holds no memory.
        if not self.more and psn_buf_len(&self.buf) == 0:
            psn_buf_free(&self.buf)
        self.woken = False
        if self.paused and <Py_ssize_t>psn_buf_len(&self.buf) <= self.limit:
            self.paused = False
            self.transport.resume_reading()
        if self.more and not self.deferred:
            self._schedule()
        return 0

    cdef bytes _read_direct(self, Py_ssize_t n):
        """Read at most n bytes into the object that is returned; None if there are none."""
        data = self._read_block(min(n, CHUNK))
        if self.more:
            self._schedule()
        return data

    cdef bint _is_taken(self) noexcept:
        """Whether somebody waits for everything: what there is belongs to it."""
        return self.gathering and self.waiter is not None

    cdef object _try_read(self, size):
        """Return what read(n) returns, or None if it has to wait."""
        cdef Py_ssize_t n = PyNumber_AsSsize_t(size, NULL)
        self._check_error()
        if n == 0:
            return b""
        if self._is_taken():
            return None
        if self.gathered_len:
            self._settle_gathered()
        cdef Py_ssize_t held = psn_buf_len(&self.buf)
        if held:
            return self._take(min(n, held))
        if self.eof:
            return b""
        if not self._may_read():
            return None
        # Fetched one by one, a few bytes would cost a system call each.
        if n >= DIRECT:
            data = self._read_direct(n)
        else:
            self._fill()
            held = psn_buf_len(&self.buf)
            data = self._take(min(n, held)) if held else None
        if data is None:
            self._check_error()
            if self.eof:
                return b""
        return data

    def _try_into(self, buffer):
        """Return what readinto() returns, or None if it has to wait."""
        cdef Py_buffer view
        try:
            PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE)
        except (BufferError, TypeError, ValueError) as error:
            raise TypeError(f"readinto() argument must be read-write bytes-like object, "
                            f"not {type(buffer).__name__}") from error
        try:
            return self._into(<char *>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)

    cdef object _into(self, char *to, Py_ssize_t n):
        cdef Py_ssize_t got
        self._check_error()
        if n == 0:
            return 0
        if self._is_taken():
            return None
        if self.gathered_len:
            self._settle_gathered()
        if psn_buf_len(&self.buf) == 0 and not self.eof:
            if not self._may_read():
                return None
            # Fetched one by one, a few bytes would cost a system call each.
            if n >= DIRECT:
                got = self._read_to(to, min(n, CHUNK))
                if got > 0:
                    return got
            else:
                self._fill()
            self._check_error()
        got = min(n, <Py_ssize_t>psn_buf_len(&self.buf))
        if got == 0:
            return 0 if self.eof else None
        memcpy(to, psn_buf_peek(&self.buf), got)
        self._drop(got)
        return got

    cdef Py_ssize_t _read_to(self, char *to, Py_ssize_t n) except? -1:
        """Read at most n bytes to where the caller wants them. Return how many came."""
        cdef ssize_t got = psn_sys_read(self.fd, to, n)
        if got == -EFAULT:
            # It is the caller's memory, say of a mapped file that was cut short. What the
            # kernel could not put there is still in the pipe.
            self._schedule()
            check(got)
        self._after_read(got, n)
        if self.more:
            self._schedule()
        return max(got, 0)

    cdef object _try_exactly(self, size):
        """Return what readexactly(n) returns, or None if it has to wait."""
        cdef Py_ssize_t n = PyNumber_AsSsize_t(size, NULL)
        self._check_error()
        if n == 0:
            return b""
        if self._is_taken():
            return None
        if self.gathered_len:
            self._settle_gathered()
        while <Py_ssize_t>psn_buf_len(&self.buf) < n:
            if self.eof:
                raise IncompleteReadError(self._take(psn_buf_len(&self.buf)), size)
            if not self._may_read() or not self._fill():
                return None
            self._check_error()
        return self._take(n)

    cdef Py_ssize_t _scan(self, list separators, Py_ssize_t offset, Py_ssize_t *start):
        """Find the earliest end of a separator: its place, or -1. Shorter ones win."""
        cdef Py_ssize_t at, end, best = -1
        cdef bytes separator
        for separator in separators:
            at = psn_buf_find(&self.buf, offset, PyBytes_AS_STRING(separator),
                              len(separator))
            if at >= 0:
                end = at + len(separator)
                if best < 0 or end < best:
                    best = end
                    start[0] = at
        return best

    cdef object _take_until(self, bytes separator):
        """Return what readuntil() returns if it is in the buffer, None to look closer."""
        cdef Py_ssize_t at
        if self.error is not None or self.gathered_len or self._is_taken():
            return None
        at = psn_buf_find(&self.buf, 0, PyBytes_AS_STRING(separator),
                          PyBytes_GET_SIZE(separator))
        if at < 0 or at > self.limit:
            return None
        return self._take(at + PyBytes_GET_SIZE(separator))

    cdef object _try_until(self, list separators, Py_ssize_t offset):
        """Return what readuntil() returns, or the offset to go on with after a wait.

        `separators` are sorted by length; the first `offset` bytes hold none of them.
        """
        cdef Py_ssize_t start = 0, end, held
        cdef Py_ssize_t shortest = len(<bytes>separators[0])
        cdef Py_ssize_t longest = len(<bytes>separators[-1])
        if self._is_taken():
            return offset
        if self.gathered_len:
            self._settle_gathered()
        while True:
            held = psn_buf_len(&self.buf)
            if held - offset >= shortest:
                end = self._scan(separators, offset, &start)
                if end >= 0:
                    if start > self.limit:
                        raise LimitOverrunError(
                            "Separator is found, but chunk is longer than limit", start)
                    return self._take(end)
                offset = max(0, held + 1 - longest)
                if offset > self.limit:
                    raise LimitOverrunError(
                        "Separator is not found, and chunk exceed the limit", offset)
            if self.eof:
                raise IncompleteReadError(self._take(held), None)
            if not self._may_read() or not self._fill():
                return offset
            self._check_error()

    cdef object _try_line(self, Py_ssize_t offset):
        """Return what readline() returns, or the offset to go on with after a wait."""
        cdef Py_ssize_t at, held
        if self._is_taken():
            return offset
        if offset == 0:
            self._check_error()
            if self.gathered_len:
                self._settle_gathered()
        while True:
            at = psn_buf_find(&self.buf, offset, b"\n", 1)
            if at >= 0:
                if at > self.limit:
                    self._drop(at + 1)
                    raise ValueError("Separator is found, but chunk is longer than limit")
                return self._take(at + 1)
            held = psn_buf_len(&self.buf)
            offset = held
            if held > self.limit:
                self._drop(held)
                raise ValueError("Separator is not found, and chunk exceed the limit")
            if self.eof:
                return self._take(held)
            if not self._may_read() or not self._fill():
                return offset
            self._check_error()

    # Everything

    cdef object _try_all(self):
        """Return what read(-1) returns, or None if it has to wait."""
        self._check_error()
        if not self.eof:
            if self.waiter is not None:
                return None
            self.most = NO_LIMIT
            self._gather()
            self._check_error()
            if not self.eof:
                return None
        return self._take_all()

    cdef bytes _take_all(self):
        if self.gathered == NULL:
            return self._take(psn_buf_len(&self.buf))
        self._gather_buffer()
        length, self.gathered_len = self.gathered_len, 0
        return hand_over(&self.gathered, length)

    def _gather_there(self):
        """Gather what is in the pipe, though its end has not come."""
        self._check_error()
        self.budget = LAST_READS
        if not self.eof:
            self._gather()
            self._check_error()
        if self._held() > self.most:
            raise self._overrun()

    def _take_there(self):
        """Return what was gathered."""
        return self._take_all()

    def _peek(self):
        """Return a copy of all that is held."""
        cdef bytes rest = psn_buf_peek(&self.buf)[:psn_buf_len(&self.buf)]
        if self.gathered_len == 0:
            return rest
        return PyBytes_FromStringAndSize(block_start(self.gathered), self.gathered_len) + rest

    cdef int _gather_for(self) except -1:
        """Gather for somebody who waits, and who hears of it if it is too much."""
        self._gather()
        if self.gathered_len > self.most and self.waiter is not None:
            waiter, self.waiter = self.waiter, None
            self.gathering = False
            self._tell(waiter, self._overrun())
        return 0

    cdef int _gather(self) except -1:
        """Read into one growing block, a budget's worth at a time."""
        cdef ssize_t n
        cdef Py_ssize_t room
        self._gather_buffer()
        while (not self.eof and self.error is None and self.fd >= 0 and not self.stopped
               and self.gathered_len <= self.most):
            if self.budget <= 0:
                self.more = True
                self._schedule()
                return 0
            self.budget -= 1
            room = min(self._grow(CHUNK), self.most + 1 - self.gathered_len)
            n = psn_sys_read(
                self.fd, block_start(self.gathered) + self.gathered_len, room)
            if n > 0:
                self.gathered_len += n
            self._after_read(n, room)
            if not self.more:
                return 0
        return 0

    cdef int _gather_buffer(self) except -1:
        """Move what was buffered to the block."""
        cdef Py_ssize_t held = psn_buf_len(&self.buf)
        if held:
            self._grow(held)
            memcpy(block_start(self.gathered) + self.gathered_len,
                   psn_buf_peek(&self.buf), held)
            self.gathered_len += held
            self._drop(held)
        return 0

    cdef Py_ssize_t _grow(self, Py_ssize_t least) except -1:
        """Make room for `least` more bytes in the block; return how much there is."""
        cdef Py_ssize_t wanted
        if self.gathered == NULL:
            self.gathered = new_block(NULL, least)
        elif block_len(self.gathered) - self.gathered_len < least:
            # A large block is moved by remapping its pages, so growing costs no copy, and
            # pages that were not written to cost no memory.
            wanted = self.gathered_len + max(least, self.gathered_len // 2)
            resize_block(&self.gathered, wanted)
        return block_len(self.gathered) - self.gathered_len

    cdef int _settle_gathered(self) except -1:
        """A read(-1) was cancelled: what it had comes before what is in the buffer."""
        self._gather_buffer()
        check(psn_buf_append(&self.buf, block_start(self.gathered), self.gathered_len))
        self.gathered_len = 0
        Py_CLEAR(self.gathered)
        return 0

    # The documented rest

    def exception(self):
        """As in asyncio."""
        return self.error

    def set_exception(self, exc):
        """As in asyncio."""
        self.error = exc
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            self._tell(waiter, exc)

    def set_transport(self, transport):
        """As in asyncio: for a transport of the caller's that feeds this reader."""
        assert self.transport is None, "Transport already set"
        self.transport = transport

    def feed_eof(self):
        """As in asyncio."""
        self.eof = True
        self._wake()

    def at_eof(self):
        """Return True if the buffer is empty and the end was reached."""
        return self.eof and self._held() == 0

    def feed_data(self, data):
        """As in asyncio: whatever a bytearray can be extended by."""
        cdef bytearray copy
        cdef bytes piece
        assert not self.eof, "feed_data after feed_eof"
        if not data:
            return
        if type(data) is bytes:
            piece = data
        else:
            copy = bytearray()
            copy.extend(data)
            piece = bytes(copy)
        check(psn_buf_append(&self.buf, PyBytes_AS_STRING(piece), len(piece)))
        self._wake()
        if (self.transport is not None and not self.paused
                and <Py_ssize_t>psn_buf_len(&self.buf) > 2 * self.limit):
            try:
                self.transport.pause_reading()
            except NotImplementedError:
                self.transport = None
            else:
                self.paused = True

    # Names that programs reach for although they are not documented

    @property
    def _loop(self):
        return self.loop

    @property
    def _limit(self):
        return self.given_limit

    @_limit.setter
    def _limit(self, limit):
        self.limit = min(PyNumber_AsSsize_t(limit, NULL), PY_SSIZE_T_MAX // 4)
        self.given_limit = limit

    @property
    def _buffer(self):
        if self.gathered_len:
            self._settle_gathered()
        return bytearray(psn_buf_peek(&self.buf)[:psn_buf_len(&self.buf)])

    @property
    def _eof(self):
        return self.eof

    @property
    def _exception(self):
        return self.error

    @property
    def _waiter(self):
        return self.waiter

    @property
    def _paused(self):
        return self.paused
