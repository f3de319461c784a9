from procession._engine cimport Engine, Source
from procession._psn cimport psn_outq


cdef class Writer(Source):
    cdef psn_outq outq
    cdef object pieces          # a deque: what the queue borrows its bytes from
    cdef object loop
    cdef object error           # what broke the pipe, None if it was closed in order
    cdef list drainers          # futures of those who wait in drain()
    cdef object closed          # the future of wait_closed(), made on demand
    cdef size_t high            # bytes queued above which drain() waits
    cdef size_t low             # and at which it goes on
    cdef bint paused            # above high, and not yet down to low
    cdef bint closing           # takes no more
    cdef bint lost              # the pipe is closed

    cdef int connect(self, Engine engine, int fd) except -1
    cdef int put(self, data) except -1
    cdef int finish(self) except -1

    # For this module only.
    cdef _lose(self, error)
    cdef _tell_drainers(self, error)
    cdef _tell_closed(self)
    cdef _flush(self)
    cdef _queue(self, data, const char *start, Py_ssize_t n)
