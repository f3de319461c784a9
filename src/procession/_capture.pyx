"""Outputs gathered and inputs fed by the engine alone, for children without streams."""
cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from cpython.ref cimport Py_CLEAR
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from posix.fcntl cimport fcntl

from procession._ends cimport BUDGET, CHUNK, ReadEnd, WriteEnd
from procession._engine cimport READER, WRITER, Engine, count
from procession._psn cimport PSN_POLL_HANGUP, PSN_POLL_READ, psn_sys_read
from procession._spawn cimport Newborn

cdef extern from "<fcntl.h>" nogil:
    enum:
        F_GETPIPE_SZ

cdef extern from "Python.h":
    PyObject *new_block "PyBytes_FromStringAndSize"(char *, Py_ssize_t) except NULL
    char *block_start "PyBytes_AS_STRING"(PyObject *)
    Py_ssize_t block_size "PyBytes_GET_SIZE"(PyObject *)
    int resize_block "_PyBytes_Resize"(PyObject **, Py_ssize_t) except -1

cdef extern from *:
    # Page-aligned: on some processors a read to another place of a page can
    # take twice as long.
    """
    static char procession_scratch[64 * 1024] __attribute__((aligned(4096)));
    """
    char *procession_scratch


@cython.no_gc_clear
cdef class Capture(ReadEnd):
    def __cinit__(self, Py_ssize_t head=-1, Py_ssize_t tail=0):
        self.head = head
        self.tail = tail
        count(READER, 1)

    def __dealloc__(self):
        Py_CLEAR(self.block)
        free(self.ring)
        count(READER, -1)

    cdef int connect(self, Engine engine, int fd) except -1:
        engine.watch(self, fd, PSN_POLL_READ)
        return 0

    cdef int relay(self, taker) except -1:
        self.taker = taker
        self.relays = True
        return 0

    # What the kernel tells

    cdef int _ready(self, uint32_t events) except -1:
        self.more = True
        if events & PSN_POLL_HANGUP:
            self.hung_up = True
        return self._pump_or_end()

    cdef int _turn(self) except -1:
        self.deferred = False
        return self._pump_or_end()

    cdef int _let_go(self) except -1:
        self.keeper = NULL
        self.taker = None
        self.eof = True
        self.close_fd()
        return 0

    cdef int settle(self) except -1:
        self.keeper = NULL
        if not self.eof:
            self.more = True
            self.stopped = False
            try:
                # Not until it is empty: whoever else writes may never end.
                self._pump(fcntl(self.fd, F_GETPIPE_SZ) // CHUNK + 1)
            except Exception as error:
                self.error = error
            self._let_go()
        return 0

    cdef int _end(self, exc) except -1:
        # Held, because what is told of the end may drop it.
        cdef Newborn keeper = None if self.keeper == NULL else <Newborn>self.keeper
        self.more = False
        self.eof = True
        self.error = exc
        self.keeper = NULL
        self.taker = None
        self.close_fd()
        if keeper is not None:
            keeper._output_ended()
        return 0

    cdef int _pump_or_end(self) except -1:
        try:
            return self._pump(BUDGET)
        except Exception as error:
            if self.eof or not (self.relays or isinstance(error, MemoryError)):
                raise
            # What comes cannot be kept, so there is nobody to write it for.
            return self._end(error)

    cdef int _pump(self, int reads) except -1:
        cdef long long before = self.left_out()
        cdef Py_ssize_t n
        # Whoever is told may be the last to hold the keeper, and that holds this.
        cdef Capture this = self
        cdef Newborn keeper
        while this.more and not this.eof and not this.stopped:
            if reads == 0:
                this._schedule()
                break
            reads -= 1
            n = this._read_some()
            if n > 0 and this.keeper != NULL:
                (<Newborn>this.keeper)._output_came()
            this._after_read(n, CHUNK)
        if before == 0 and this.left_out() > 0 and this.keeper != NULL:
            keeper = <Newborn>this.keeper
            keeper._output_overflowed()
        return 0

    cdef Py_ssize_t _read_some(self) except? -1:
        """Read a chunk to where it is kept. Return as psn_sys_read() does."""
        cdef Py_ssize_t n
        if self.taker is not None:
            n = psn_sys_read(self.fd, procession_scratch, CHUNK)
            if n > 0:
                self.taker(PyBytes_FromStringAndSize(procession_scratch, n))
            return n
        # Straight into the block when much has come and there is no limit in sight.
        if self.used >= CHUNK and self.after == 0 and (
                self.head < 0 or self.head - self.used >= CHUNK):
            self._make_room(CHUNK)
            n = psn_sys_read(self.fd, block_start(self.block) + self.used, CHUNK)
            if n > 0:
                self.used += n
            return n
        n = psn_sys_read(self.fd, procession_scratch, CHUNK)
        if n > 0:
            self._keep(procession_scratch, n)
        return n

    cdef int _keep(self, const char *data, Py_ssize_t n) except -1:
        cdef Py_ssize_t at, part
        if self.after == 0:
            part = n if self.head < 0 else min(n, self.head - self.used)
            if part > 0:
                self._make_room(part)
                memcpy(block_start(self.block) + self.used, data, part)
                self.used += part
                data += part
                n -= part
        if n == 0:
            return 0
        if self.tail == 0:
            self.after += n
            return 0
        if self.ring == NULL:
            self.ring = <char *>malloc(self.tail)
            if self.ring == NULL:
                raise MemoryError
        if n > self.tail:
            self.after += n - self.tail
            data += n - self.tail
            n = self.tail
        at = self.after % self.tail
        part = min(n, self.tail - at)
        memcpy(self.ring + at, data, part)
        memcpy(self.ring, data + part, n - part)
        self.after += n
        return 0

    cdef int _make_room(self, Py_ssize_t n) except -1:
        """The first bytes get a block of their size, as most outputs come in one piece."""
        cdef Py_ssize_t size
        if self.block == NULL:
            self.block = new_block(NULL, n)
            return 0
        size = block_size(self.block)
        if size - self.used < n:
            try:
                resize_block(&self.block, max(self.used + n, size + size // 2))
            except MemoryError:
                # The block is gone.
                self.used = 0
                raise
        return 0

    # What was kept

    cdef long long total(self) noexcept:
        return self.used + self.after

    cdef long long left_out(self) noexcept:
        return self.after - min(self.after, self.tail)

    cdef bytes take(self):
        cdef Py_ssize_t at
        cdef bytes data, tail, note
        if self.relays:
            return None
        if self.block == NULL:
            data = b""
        else:
            if block_size(self.block) != self.used:
                resize_block(&self.block, self.used)
            data = <bytes>self.block
            Py_CLEAR(self.block)
        if self.after == 0:
            return data
        if self.after <= self.tail:
            return data + PyBytes_FromStringAndSize(self.ring, <Py_ssize_t>self.after)
        if self.tail == 0:
            return data
        at = self.after % self.tail
        tail = self.ring[at:self.tail] + self.ring[:at]
        note = b"\n[... %d bytes left out ...]\n" % self.left_out()
        return data + note + tail


@cython.no_gc_clear
cdef class Feed(WriteEnd):
    def __cinit__(self):
        count(WRITER, 1)

    def __dealloc__(self):
        count(WRITER, -1)
