"""Counters of what has happened, added to where it happens and read by stats().

A process that was forked begins at zero: neither the children nor the pipes are its own.
"""
from libc.stdint cimport int64_t
from libc.string cimport memset

from procession._errors cimport check

cdef extern from "<pthread.h>" nogil:
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil,
                       void (*child)() noexcept nogil)


cdef void begin_anew() noexcept nogil:
    global era
    memset(&counts, 0, sizeof(counts))
    era += 1


check(-pthread_atfork(NULL, NULL, begin_anew))


cdef void count_time(int64_t ns) noexcept:
    cdef int i = 0
    while i < TIMES - 1 and ns > <int64_t>1000 << i:
        i += 1
    counts.times[i] += 1


def read_counts():
    """Return the counters by the names of Stats."""
    bounds = [2 ** i / 1e6 for i in range(TIMES - 1)] + [float("inf")]
    return {
        "spawned": counts.spawned,
        "alive": counts.spawned - counts.ended,
        "failed": counts.failed,
        "ended": counts.ended,
        "queued": counts.queued,
        "bytes_read": counts.bytes_read,
        "bytes_written": counts.bytes_written,
        "spawn_times": tuple((bounds[i], counts.times[i]) for i in range(TIMES)),
    }
