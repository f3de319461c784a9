from cpython.object cimport PyObject
from libc.stdint cimport uint32_t

from procession._ends cimport ReadEnd
from procession._psn cimport psn_buf
from procession._waiter cimport Waiter


cdef class Reader(ReadEnd):
    cdef psn_buf buf
    cdef PyObject *gathered     # owned bytes: what read(-1) has so far, and room; or NULL
    cdef Py_ssize_t gathered_len
    cdef Py_ssize_t most        # with more than this a communicate() gives up
    cdef Py_ssize_t limit       # far from overflow when doubled
    cdef object given_limit     # what the caller said
    cdef object loop
    cdef object error           # set_exception()'s, None while all is well
    cdef Waiter waiter          # of the one who waits for data, or None
    cdef list enders            # waiters for the end of the pipe, or None
    cdef object transport       # of somebody else, who feeds this reader, or None
    cdef bint paused            # that transport is
    cdef bint piped             # reads from a child, or has done so
    cdef bint gathering         # whoever waits wants everything
    cdef bint woken             # who waited has been woken and has not run yet

    # Whether somebody waits for everything: what there is belongs to it.
    cdef bint _is_taken(self) noexcept
    # Whether a system call may be tried now. Counts as one.
    cdef int _may_read(self) except -1
    # Read once into the buffer. Return whether anything changed.
    cdef int _fill(self) except -1
    cdef int _check_error(self) except -1
    # What a cancelled read(-1) had comes before what is in the buffer.
    cdef int _settle_gathered(self) except -1
    cdef object _take_until(self, bytes separator)
    # What the call of that name returns; None if it has to wait, or the offset to go on
    # with then.
    cdef object _try_read(self, size)
    cdef object _try_exactly(self, size)
    cdef object _try_all(self)
    cdef object _try_until(self, list separators, Py_ssize_t offset)
    cdef object _try_line(self, Py_ssize_t offset)
    # Take n bytes out of the buffer.
    cdef int _drop(self, Py_ssize_t n) except -1

    # For this module only.
    cdef _read_ahead(self)
    cdef _keep(self)
    cdef Py_ssize_t _held(self)
    cdef int _wake(self) except -1
    cdef bint _tell(self, Waiter waiter, error) except -1
    cdef int _check_waiter(self, name) except -1
    cdef bytes _take(self, Py_ssize_t n)
    cdef bytes _read_direct(self, Py_ssize_t n)
    cdef object _into(self, char *to, Py_ssize_t n)
    cdef Py_ssize_t _read_to(self, char *to, Py_ssize_t n) except? -1
    cdef Py_ssize_t _scan(self, list separators, Py_ssize_t offset, Py_ssize_t *start)
    cdef bytes _take_all(self)
    cdef object _overrun(self)
    cdef int _gather(self) except -1
    cdef int _gather_for(self) except -1
    cdef int _gather_buffer(self) except -1
    cdef Py_ssize_t _grow(self, Py_ssize_t least) except -1
