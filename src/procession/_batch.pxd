from procession._engine cimport Engine
from procession._shot cimport Shot, Sink, Terms
from procession._waiter cimport Waiter


# The result of one command for one task.
cdef class Single(Sink):
    cdef object loop
    cdef readonly Shot shot
    cdef Waiter waiter


# Commands in a queue or from an iterator, some of them running, and results that wait to
# be taken. A weight is how many places a command takes of the capacity.
cdef class Batch(Sink):
    cdef readonly object loop
    cdef Terms terms            # of commands that have none of their own
    cdef object terms_of        # makes (terms, args) of other items
    cdef readonly Py_ssize_t capacity
    cdef readonly Py_ssize_t ahead  # results that may wait before no more is begun
    cdef readonly Py_ssize_t used  # weight of what runs
    cdef list queue             # a heap of (-priority, number, shot)
    cdef Py_ssize_t withdrawn   # how many of these are over, because nobody wants them
    cdef dict wanted            # index -> the shot, of those that have a future
    cdef readonly set running
    cdef readonly dict delayed  # shot to be tried again -> the loop's timer
    cdef object source          # an iterator, None when it has come to its end
    cdef public bint feeding    # commands still come from elsewhere
    cdef bint ordered
    cdef bint stops_on_error
    cdef public object prepare  # called with each shot before it is begun, or None
    cdef public object trace    # add(completed) is called with each result, or None
    cdef object ready           # a deque of results
    cdef dict held              # the same by index, where they are ordered
    cdef long long begun        # commands taken so far
    cdef long long given        # results given so far
    cdef readonly long long done  # results there were
    cdef readonly long long failed
    cdef readonly long long retried
    cdef list slots             # a heap of those that are free
    cdef int most_slots
    cdef readonly Waiter stalled  # done with the end of a child, for want of which we wait
    cdef readonly object stall  # the error that says what is wanting
    cdef object next_look       # the timer of the loop for when none ends
    cdef bint is_hopeless       # none was started since a limit was met by the only one
    cdef int allowed            # how many may be begun at a limit, or UNLIMITED
    cdef Waiter consumer        # of whoever waits for a result
    cdef Waiter feeder          # and for room to put another command
    cdef list idlers            # waiters for the end of all
    cdef readonly object failure  # what the iterator has raised, the trace or backoff()
    cdef readonly bint closing
    cdef bint filling
    cdef bint scheduled
    cdef readonly int pid       # of the process that it belongs to

    cdef Shot _shot_of(self, item)
    cdef Shot _pull(self)
    cdef int _queue(self, Shot shot) except -1
    cdef Shot _first(self)
    cdef list _wanted_of(self, list queue)
    cdef bint _has_room(self)
    cdef bint _begin_next(self) except -1
    cdef int _prepare(self, Shot shot) except -1
    cdef int _seat(self, Shot shot) except -1
    cdef int _unseat(self, Shot shot) except -1
    cdef Shot _renewed(self, Shot shot, int attempts)
    cdef int _schedule(self) except -1
    cdef int _ended(self, Shot shot) except -1
    cdef int _give(self, Shot shot, result) except -1
    cdef int _note(self, result) except -1
    cdef int _fail(self, error) except -1
    cdef bint _stall(self, Shot shot) except -1
    cdef int _allow(self, int more) except -1
    cdef int _wait_no_more(self) except -1
    cdef bint _again(self, Shot shot) except -1
    cdef object _pop(self)
    cdef int _push(self, result) except -1
    cdef bint _is_idle(self) except -1
    cdef int _look_finished(self) except -1
    cdef int _wake_all(self) except -1
    cdef int _wake_feeder(self) except -1
