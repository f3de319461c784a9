"""What a task waits for: a future that the engine can step the task of by itself.

A task that is woken by asyncio's future goes on in the next turn of the loop. Between the
two lies another look at all that the loop watches, which costs more than all the rest of
a short wait. See "Waking a task" in docs/architecture.md.
"""
cimport cython
from cpython.contextvars cimport PyContext_Enter, PyContext_Exit

from asyncio import CancelledError, InvalidStateError
from contextvars import copy_context


@cython.final
@cython.freelist(32)
cdef class Waiter:
    def __cinit__(self, loop):
        self._loop = loop
        self.state = PENDING

    def __repr__(self):
        words = {PENDING: "pending", DONE: "done", CANCELLED: "cancelled"}
        return f"<Waiter {words[self.state]}>"

    cdef bint settle(self, error) noexcept:
        if self.state != PENDING:
            return False
        self.state = DONE
        self.error = error
        return True

    cdef step(self):
        callback, context = self.callback, self.context
        self.callback = self.context = None
        if self.others is not None:
            self.schedule()
        if callback is None:
            return
        PyContext_Enter(context)
        try:
            callback(self)
        finally:
            PyContext_Exit(context)

    cdef schedule(self):
        for callback, context in self._callbacks():
            self._loop.call_soon(callback, self, context=context)
        self.callback = self.context = self.others = None

    # The protocol of futures, as far as tasks and asyncio's functions use it

    def get_loop(self):
        """Return the event loop."""
        return self._loop

    def done(self):
        """Return True if the wait is over."""
        return self.state != PENDING

    def cancelled(self):
        """Return True if whoever waited was cancelled."""
        return self.state == CANCELLED

    def cancel(self, msg=None):
        """Cancel the wait; return False if it is over."""
        if self.state != PENDING:
            return False
        self.state = CANCELLED
        self.error = CancelledError() if msg is None else CancelledError(msg)
        self.schedule()
        return True

    def expire(self, error):
        """End the wait with an exception; return False if it is over."""
        if not self.settle(error):
            return False
        self.schedule()
        return True

    def result(self):
        """Return None, or raise what went wrong."""
        if self.state == PENDING:
            raise InvalidStateError("Result is not set.")
        if self.error is not None:
            raise self.error

    def exception(self):
        """Return what went wrong, or None."""
        if self.state == PENDING:
            raise InvalidStateError("Exception is not set.")
        if self.state == CANCELLED:
            raise self.error
        return self.error

    def add_done_callback(self, fn, *, context=None):
        """Call fn(waiter) when the wait is over."""
        if context is None:
            context = copy_context()
        if self.state != PENDING:
            self._loop.call_soon(fn, self, context=context)
        elif self.callback is None:
            self.callback, self.context = fn, context
        elif self.others is None:
            self.others = [(fn, context)]
        else:
            self.others.append((fn, context))

    def remove_done_callback(self, fn):
        """Forget callbacks that equal fn; return how many there were."""
        callbacks = self._callbacks()
        kept = [pair for pair in callbacks if pair[0] != fn]
        removed = len(callbacks) - len(kept)
        self.callback = self.context = None
        if kept:
            self.callback, self.context = kept.pop(0)
        self.others = kept or None
        return removed

    cdef list _callbacks(self):
        first = [] if self.callback is None else [(self.callback, self.context)]
        return first + (self.others or [])

    def __await__(self):
        return self

    __iter__ = __await__

    def __next__(self):
        if self.state == PENDING:
            self._asyncio_future_blocking = True
            return self
        if self.error is not None:
            raise self.error
        raise StopIteration
