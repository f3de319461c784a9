from libc.stdint cimport uint32_t

from procession._engine cimport Engine, Source
from procession._psn cimport psn_outq

cdef enum:
    # What a pipe holds, before it is grown.
    CHUNK = 64 * 1024
    # Reads in a row before the loop gets a turn, so that a stream that always has data
    # does not starve the rest. With 16 the others were late by four times as much, and
    # the stream came no faster.
    BUDGET = 4


# Our end of a pipe that others write to: what is known of its readiness. What becomes
# of the bytes is the subclass's.
cdef class ReadEnd(Source):
    cdef bint stopped           # by a transport's pause_reading()
    cdef bint eof               # the end was reached, or the pipe was closed here
    cdef bint more              # the pipe may hold more than was read
    cdef bint hung_up           # nobody writes any more: what is in the pipe is the rest
    cdef bint deferred          # has a turn to come
    cdef int full_reads         # that got all they asked for, since the start
    cdef bint keeps_size        # the pipe is not to be grown
    cdef int budget             # system calls before the loop gets a turn

    cdef int connect(self, Engine engine, int fd) except -1
    # Have a turn of the loop later.
    cdef int _schedule(self) except -1
    # Note what a read of at most `wanted` bytes has returned. Return whether anything
    # changed: bytes, the end, or an error.
    cdef int _after_read(self, ssize_t n, ssize_t wanted) except -1
    # Read at most n bytes into the object that is returned; None if there are none.
    cdef bytes _read_block(self, Py_ssize_t n)
    cdef void _count_full(self) noexcept
    # The end has come, with an exception if it was no orderly one.
    cdef int _end(self, exc) except -1


# Our end of a pipe that others read from: written to at once, the rest queued. Who is
# told of it is the subclass's.
cdef class WriteEnd(Source):
    cdef psn_outq outq
    cdef object pieces          # a deque: what the queue borrows its bytes from
    cdef int full_writes        # that the pipe did not take whole, since the start
    cdef bint keeps_size        # the pipe is not to be grown
    cdef uint32_t idle_events   # watched for while nothing is queued
    cdef object error           # what broke the pipe, None if it was closed in order
    cdef size_t high            # bytes queued above which writers should pause
    cdef size_t low             # and at which they go on
    cdef bint paused            # above high, and not yet down to low
    cdef bint closing           # takes no more
    cdef bint lost              # the pipe is closed

    cdef int connect(self, Engine engine, int fd) except -1
    cdef int put(self, data) except -1
    cdef int finish(self) except -1
    # Close the pipe: at its end, or because of an error.
    cdef _lose(self, error)

    # For subclasses: the queue grew above the high mark, is down to the low one; the
    # pipe is closed.
    cdef _on_pause(self)
    cdef _on_resume(self)
    cdef _on_lost(self)

    # For this module only.
    cdef _flush(self)
    cdef _queue(self, data, const char *start, Py_ssize_t n)
    cdef _mark(self)
    cdef void _count_full(self) noexcept
    cdef uint32_t _wanted(self) noexcept
