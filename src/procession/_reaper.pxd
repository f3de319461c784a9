from procession._engine cimport Engine, Source
from procession._psn cimport psn_exit, psn_ref, psn_waiter


# A child whose end is to be learnt. The source's descriptor is the pidfd, -1 where there
# is none: before the birth, after the end, and on kernels without.
cdef class Mortal(Source):
    cdef readonly int pid
    cdef readonly object returncode
    cdef bytes usage            # a struct rusage, None where the kernel does not tell
    cdef bint living            # the end is still to come, and to be heard of
    cdef bint by_number         # without a pidfd
    cdef list waiters           # of those who wait for the end, or None

    cdef psn_ref ref(self) noexcept
    # From now on hear of the end. Takes the pidfd over, unless it raises.
    cdef int live(self, Engine engine, int pid, int pidfd) except -1
    # Reap the child if it has ended, and publish that.
    cdef int look(self) except -1
    # Wait for the end, ms at most, and publish it. Returns whether it has come.
    cdef bint outwait(self, int ms) except -1
    # Hear of it no more. Returns what is left, of which the pidfd is the caller's.
    cdef psn_ref forget(self) noexcept
    # The returncode is set and the waiters are woken: what else there is to do.
    cdef int on_end(self) except -1

    # Whoever counts this child need not count it any more. Twice is fine.
    cdef void settle_account(self) noexcept
    # The end is published: to be logged where that is wanted.
    cdef int note_end(self) except -1

    # For this module only.
    cdef int _ended(self, psn_exit *exit) except -1
    cdef void _leave_bell(self) noexcept


# The news of the ends of children without pidfds: that there may be one.
cdef class Bell(Source):
    cdef psn_waiter waiter      # where has_waiter
    cdef bint has_waiter
    cdef set listeners
    cdef bint ticking

    cdef int listen(self, Mortal mortal) except -1

    # For this module only.
    cdef _open(self)
    cdef _ring(self)
    cdef _keep_ticking(self)


# The children of a loop that is closed, which may go on: they are reaped some day. Takes
# the pidfd over.
cdef int leave_behind(psn_ref ref) except -1

# Reap those that have ended.
cdef int sweep() except -1

# Whether children are to have pidfds, given that the kernel has them.
cdef bint wants_pidfd() noexcept
