from libc.stdint cimport int64_t

from procession._capture cimport Capture, Feed
from procession._clock cimport Clock
from procession._engine cimport Engine
from procession._psn cimport psn_timer
from procession._spawn cimport Fork, Newborn


cdef enum stage_t:
    WAITING                     # not begun
    STARTING                    # with the spawner
    RUNNING
    STOPPING                    # its tree has got SIGTERM
    KILLING                     # and SIGKILL
    OVER


# How the commands of a batch are run: worked out once for all that share it.
cdef class Terms:
    cdef readonly object spec   # a Spec, of which the arguments are not looked at
    cdef readonly object executable  # None: the first argument
    cdef readonly bint shell
    cdef readonly object input  # bytes, or None
    cdef readonly object timeout, idle_timeout  # as given, for messages
    cdef int64_t timeout_ns, idle_ns, eof_grace_ns  # -1: none
    cdef int64_t grace_ns
    cdef Py_ssize_t head, tail  # of each output that are kept; head -1: all
    cdef bint stops_overflow    # more than that ends the child
    cdef bint text
    cdef object encoding, errors
    cdef readonly int retries, priority, weight
    cdef readonly object backoff


# Whoever is told that a shot is over.
cdef class Sink:
    cdef int _over(self, Shot shot) except -1
    # It has ended, somebody else keeps an output open, and that is waited for no more.
    cdef int _held_open(self, Shot shot) except -1


# One command from its start to its result, without a task, a Process or a stream.
cdef class Shot(Newborn):
    cdef readonly Terms terms
    cdef readonly object item   # the command as it was given
    cdef public object args     # what is run: the same, unless it was prepared
    cdef object takers          # functions that get (stdout, stderr) as they come, or None
    cdef list argv
    cdef object executable
    cdef Sink sink              # None: nobody wants the result
    cdef Fork fork              # on the slow road, until the outcome is known
    cdef Capture out, err
    cdef Feed feed
    cdef Clock clock
    cdef psn_timer timer
    cdef stage_t stage
    cdef bint exited
    cdef int early_signal       # to be sent as soon as it is there, the last of several
    cdef bint paused            # no output is taken for now
    cdef bint is_being_born     # its outcome is being taken
    cdef str asked              # why it is to be stopped as soon as that is known, or None
    cdef int64_t asked_grace_ns
    cdef readonly str reason    # why it was ended, None if it was not
    cdef readonly object error  # what it could not be started for, or its output not be kept
    cdef double started         # on the wall clock
    cdef int64_t began_ns       # on the monotonic one, as are these:
    cdef int64_t over_ns
    cdef int64_t active_ns      # when output came last
    cdef int64_t eof_by_ns      # when the ends of the outputs are waited for no more, or 0
    cdef int64_t kill_ns        # when the tree gets SIGKILL, or is left alone
    cdef int64_t pause_ns       # between looks at the tree
    cdef readonly int slot, attempts
    cdef readonly long long index
    cdef tuple taken            # what outputs() has returned
    cdef object future          # of whoever submitted it, or None
    cdef long ended_before      # how many children had ended when it began, for its batch

    # Begin. What can be found wrong beforehand is the result, too; returns whether it is
    # under way.
    cdef bint begin(self, Engine engine, Sink sink) except -1
    # End the tree, for the reason; the sink is told afterwards. Twice is fine.
    cdef int stop(self, str reason, int64_t grace_ns) except -1
    # The outputs as bytes, None where nothing is captured. When it is over.
    cdef tuple outputs(self)

    # For this module only.
    cdef int _connect(self) except -1
    cdef Capture _capture(self, int i)
    cdef int _pause(self, bint paused) except -1
    cdef bint _failed(self, error) except -1
    cdef int _look_over(self) except -1
    cdef int _finish(self) except -1
    cdef int _plan_time(self) except -1
    cdef int _stop_later(self, str reason, int64_t grace_ns) except -1
    cdef int _abandon(self) except -1
    cdef int _kill_on(self, int64_t now) except -1
    cdef int _signal(self, int sig) except -1
    cdef bint _has_others(self) except -1
    cdef int _leave_cgroup(self) except -1
    cdef int _settle_ends(self) except -1
    cdef object _text(self, data, Capture capture)
