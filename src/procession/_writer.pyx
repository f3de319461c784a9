"""A WriteEnd as a stream: those who wait in drain() and wait_closed().

A broken pipe is told once, by drain() and wait_closed(), as in asyncio; nothing is logged.
"""
cimport cython

from procession._ends cimport WriteEnd
from procession._engine cimport WRITER, count, Engine
from procession._waiter cimport Waiter


cdef enum:
    # Turns of the loop, as in asyncio.
    NOTICED_AFTER = 2


@cython.no_gc_clear
cdef class Writer(WriteEnd):
    def __cinit__(self, *args, **kwargs):
        count(WRITER, 1)

    def __dealloc__(self):
        count(WRITER, -1)

    cdef int connect(self, Engine engine, int fd) except -1:
        self.loop = engine.loop
        WriteEnd.connect(self, engine, fd)
        # As asyncio keeps it: it is closed at the child's end, not when it is dropped.
        engine.held.add(self)
        return 0

    cdef _on_resume(self):
        self._tell_drainers(None)

    cdef _on_lost(self):
        if self.engine is not None:
            self.engine.held.discard(self)
            self._notice(NOTICED_AFTER)
        self._tell_drainers(self.error)
        if self.closed is not None:
            self._tell_closed()

    def _notice(self, int turns):
        """After a few turns of the loop drain() knows; until then it is as good as done.
        Programs write, close and drain."""
        if turns == 0 or self.engine.gone:
            self.noticed = True
        else:
            self.loop.call_soon(self._notice, turns - 1)

    cdef _tell_drainers(self, error):
        drainers, self.drainers = self.drainers, None
        for waiter in drainers or ():
            self.engine.wake(waiter, error)

    cdef _tell_closed(self):
        if self.closed.done():
            return
        if self.error is None:
            self.closed.set_result(None)
        else:
            self.closed.set_exception(self.error)
            # Nobody has to call wait_closed().
            self.closed._log_traceback = False

    def _begin_drain(self):
        """Return what is done when there is room, or None if there is."""
        if self.noticed:
            raise ConnectionResetError("Connection lost")
        if not self.paused:
            return None
        waiter = Waiter(self.loop)
        if self.drainers is None:
            self.drainers = []
        self.drainers.append(waiter)
        return waiter

    def _end_drain(self, waiter):
        if waiter in (self.drainers or ()):
            self.drainers.remove(waiter)

    def _closed_future(self):
        if self.closed is None:
            self.closed = self.loop.create_future()
            if self.lost:
                self._tell_closed()
        return self.closed
