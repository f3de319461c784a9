from cpython.object cimport PyObject

from procession._ends cimport ReadEnd, WriteEnd


# One output of a child, gathered without a stream: all of it, or its head and its tail; or
# given to a function as it comes.
cdef class Capture(ReadEnd):
    cdef void *keeper           # a Newborn, borrowed, as it holds the capture; NULL: nobody
    cdef PyObject *block        # owned: the head, a bytes object that only we know of
    cdef Py_ssize_t used        # of it
    cdef Py_ssize_t head        # the most that it may hold, -1: no limit
    cdef char *ring             # owned: the tail, NULL until the head is full
    cdef Py_ssize_t tail        # its size
    cdef long long after        # bytes that came after the head
    cdef object taker           # the function, None where it is gathered
    cdef bint relays            # there was one
    cdef readonly object error  # why it has no more, None if the end came in order

    # Bytes that came so far.
    cdef long long total(self) noexcept
    # Bytes of them that were left out.
    cdef long long left_out(self) noexcept
    # Take what the pipe holds now, and close it. The keeper is told of nothing more.
    cdef int settle(self) except -1
    # Give it to a function instead, in pieces of at most CHUNK bytes. Before it is connected.
    cdef int relay(self, taker) except -1
    # All that is kept, with a line where something was left out. Once. None of
    # what went to a function.
    cdef bytes take(self)

    # For this module only.
    cdef int _pump_or_end(self) except -1
    cdef int _pump(self, int reads) except -1
    cdef Py_ssize_t _read_some(self) except? -1
    cdef int _keep(self, const char *data, Py_ssize_t n) except -1
    cdef int _make_room(self, Py_ssize_t n) except -1


# The input of a child: written as it takes it, then closed.
cdef class Feed(WriteEnd):
    pass
