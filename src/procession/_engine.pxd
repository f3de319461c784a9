from libc.stdint cimport uint32_t

from procession._psn cimport psn_poll
from procession._waiter cimport Waiter


# Something that owns a descriptor and hears of its readiness. Its engine knows it by a
# borrowed reference: whoever drops the last other one closes the descriptor with it.
cdef class Source:
    cdef Engine engine          # None while not watched
    cdef bint serves            # the engine itself: watching it is no use
    cdef int fd                 # owned; -1 means none
    cdef int slot               # in the engine's table, -1 while not watched

    cdef int _ready(self, uint32_t events) except -1
    # The turn of the loop after defer() has come.
    cdef int _turn(self) except -1
    # What it has set in the engine's clock has come.
    cdef int _time(self) except -1
    # The loop was closed. First every source hears of it (a child is killed), then
    # every source lets go (the child is reaped); what was read is kept.
    cdef int _loop_closed(self) except -1
    cdef int _let_go(self) except -1
    # Stop watching and close the descriptor. Twice is fine.
    cdef void close_fd(self) noexcept


cdef struct slot_t:
    void *source                # borrowed; NULL while free
    uint32_t generation         # tells an event from one of the slot's earlier owner


cdef class Engine:
    cdef readonly object loop
    cdef psn_poll poll
    cdef slot_t *slots          # owned array
    cdef int n_slots
    cdef list free_slots
    cdef int users              # sources watched and spawns under way; 0 is idle
    cdef int idle_turns         # turns of the loop since
    cdef bint settling          # a look at whether it still is idle is scheduled
    cdef bint dispatching       # and whoever is woken now goes on at the end of it
    cdef object awake           # waiters that were woken meanwhile, a deque
    cdef bint gone              # the loop was closed
    cdef int forks              # after a fork the other process owns nothing here
    cdef int wake_fd            # borrowed from the spawner: written to, it wakes the loop
    cdef set held               # sources kept alive: children that run, pipes of transports
    cdef int children           # of those held: being started, or running
    cdef readonly long ended    # children that have ended so far
    cdef dict ends              # waiters for the end of any child, in their order
    cdef list deferred          # sources with a turn to come
    cdef Source spawner         # made with the first spawn, closed when all is idle
    cdef Source bell            # the same with the first child without a pidfd
    cdef object clock           # made with the first deadline, a Clock
    cdef void *door             # borrowed: the loop holds it while it watches the poller
    cdef object __weakref__

    cdef bint mine(self) noexcept
    # Whether children can be started here: neither loop nor process has gone.
    cdef bint serving(self) noexcept
    # Use counts. The first user has the loop watch the poller.
    cdef int use(self) except -1
    cdef void unuse(self) noexcept
    # To be called on the loop's thread when the last use may have ended.
    cdef int look_idle(self) except -1
    # Report events of fd to source.
    cdef int watch(self, Source source, int fd, uint32_t events) except -1
    cdef int change(self, Source source, uint32_t events) except -1
    cdef void unwatch(self, Source source) noexcept
    cdef int defer(self, Source source) except -1
    # A child is being started or taken over, and held from now on.
    cdef int enter(self, Source child) except -1
    # It is held no more, and has told who waits for it. Twice is fine.
    cdef int leave(self, Source child) except -1
    # A child has ended.
    cdef int tell_end(self) except -1
    # The wait is over, by an error if it is not None. Return whether it was not before.
    # Nothing of the task runs inside this call.
    cdef bint wake(self, Waiter waiter, error) except -1
    # To be called at the end of what was begun by setting `dispatching`: those who were
    # woken go on, and `interrupt` is raised unless it is None.
    cdef end_turn(self, interrupt)

    # For this module only.
    cdef _open(self)
    cdef _close(self)
    cdef int _free_slot(self) except -1
    cdef dispatch(self)
    cdef bint _may_step(self) except -1
    cdef _report(self, exc)
    cdef loop_closed(self)


cpdef Engine engine_of(loop)

# Living objects by kind, for the tests' leak guard. C integers, because destructors count
# when the interpreter has taken everything else down.
cdef enum kind_t:
    ENGINE
    CHILD
    READER
    WRITER
    KINDS

cdef void count(kind_t kind, int by) noexcept
