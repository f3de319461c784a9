from libc.stdint cimport int64_t

from procession._engine cimport Engine
from procession._psn cimport psn_timer, psn_timers


# The deadlines of one engine. The loop knows of the earliest only, and not again of each
# that comes after it.
cdef class Clock:
    cdef Engine engine
    cdef psn_timers timers
    cdef object handle          # the loop's timer, or None
    cdef int64_t armed_ns       # when that goes off

    # The timer's owner is a Source, whose _time() is called; it has to unset the timer
    # before it goes.
    cdef int set(self, psn_timer *timer, int64_t at_ns) except -1
    cdef void unset(self, psn_timer *timer) noexcept

    # For this module only.
    cdef int _arm(self, int64_t now) except -1


cdef Clock clock_of(Engine engine)
