"""Deadlines of many children: one heap, and one timer of the event loop for all of it."""
from libc.stdint cimport int64_t

from procession._engine cimport Engine, Source
from procession._errors cimport check
from procession._psn cimport (
    psn_sys_now_ns,
    psn_timer,
    psn_timers_first,
    psn_timers_free,
    psn_timers_init,
    psn_timers_set,
    psn_timers_unset,
)

cdef enum:
    # What comes within a millisecond comes in the same turn of the loop.
    TOGETHER_NS = 1000000


cdef class Clock:
    def __cinit__(self, Engine engine):
        self.engine = engine
        psn_timers_init(&self.timers)

    def __dealloc__(self):
        psn_timers_free(&self.timers)

    cdef int set(self, psn_timer *timer, int64_t at_ns) except -1:
        check(psn_timers_set(&self.timers, timer, at_ns))
        if self.handle is None or at_ns < self.armed_ns:
            self._arm(psn_sys_now_ns())
        return 0

    cdef void unset(self, psn_timer *timer) noexcept:
        psn_timers_unset(&self.timers, timer)

    cdef int _arm(self, int64_t now) except -1:
        cdef psn_timer *first = psn_timers_first(&self.timers)
        cdef int64_t left
        self.stop()
        if first == NULL:
            return 0
        left = max(first.at_ns - now, 0)
        self.armed_ns = first.at_ns
        self.handle = self.engine.loop.call_later(left * 1e-9, self.tick)
        return 0

    def stop(self):
        """Have the loop forget the timer."""
        handle, self.handle = self.handle, None
        if handle is not None:
            handle.cancel()

    def tick(self):
        """Tell all whose time has come."""
        cdef psn_timer *timer
        cdef int64_t now = psn_sys_now_ns()
        self.handle = None
        if not self.engine.serving():
            return
        interrupt = None
        self.engine.dispatching = True
        while True:
            timer = psn_timers_first(&self.timers)
            if timer == NULL or timer.at_ns > now + TOGETHER_NS:
                break
            psn_timers_unset(&self.timers, timer)
            # One failure must not cost the others their time.
            try:
                (<Source>timer.owner)._time()
            except Exception as exc:
                self.engine._report(exc)
            except BaseException as exc:
                interrupt = exc
        try:
            self._arm(now)
        finally:
            self.engine.end_turn(interrupt)


cdef Clock clock_of(Engine engine):
    if engine.clock is None:
        engine.clock = Clock(engine)
    return <Clock>engine.clock
