cdef enum state_t:
    PENDING
    DONE
    CANCELLED


# What a task waits for when it waits for the engine. To asyncio it is a future without a
# result: done, failed or cancelled.
cdef class Waiter:
    cdef readonly object _loop
    cdef public bint _asyncio_future_blocking   # the task's, as the protocol has it
    cdef state_t state
    cdef object error           # what the one who waits will raise, or None
    cdef object callback        # the first callback, almost always a task's only one
    cdef object context         # where it is to run
    cdef list others            # the further ones, as (callback, context), or None

    # Settle, once; return whether it was pending. The callbacks are the caller's affair:
    # step() or schedule().
    cdef bint settle(self, error) noexcept
    # Run the first callback now, and have the loop run the others in its next turn. The
    # task goes on inside this call, and may do anything there; no task may be current.
    cdef step(self)
    # Have the loop run all callbacks in its next turn.
    cdef schedule(self)

    # For this module only.
    cdef list _callbacks(self)
