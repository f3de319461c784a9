from libc.stdint cimport int64_t, uint64_t

from procession._engine cimport Engine, Source
from procession._psn cimport psn_abilities, psn_job, psn_ref, psn_spawner
from procession._reaper cimport Mortal


# What a spawn is counted as.
cdef enum account_t:
    NOTHING
    QUEUED
    ALIVE


# What a spawn is made for.
cdef class Newborn(Mortal):
    cdef psn_job *job           # lent to the spawner while the spawn is under way
    cdef uint64_t mark          # of the child and all that it starts: see psn_tree.h
    cdef int ends[3]            # owned: our side of the pipes, -1 where there is none
    cdef account_t account
    cdef int era                # of the counters that know the account
    cdef int64_t since_ns       # when it was asked for, then when it was born
    cdef object program         # None unless the log is to tell of it
    cdef readonly object cgroup  # the Leaf that the child is born in, or None

    # The spawn has come to its end, good or bad: the job is ours again.
    cdef int _born(self) except -1
    # An output that is gathered for it: something came; it is more than is kept; its end
    # has come.
    cdef int _output_came(self) except -1
    cdef int _output_overflowed(self) except -1
    cdef int _output_ended(self) except -1
    cdef void close_ends(self) noexcept
    # The child has ended, or is none of ours any more: its cgroup may go.
    cdef int leave_cgroup(self) except -1

    # The spawn is under way; its outcome is known: returns how long it took.
    cdef void open_account(self) noexcept
    cdef int64_t note_outcome(self) noexcept


# The threads of one engine that make its children.
cdef class Spawner(Source):
    cdef psn_spawner *spawner   # owned until close_fd()
    cdef psn_abilities can
    cdef object done            # a deque of newborns whose outcome waits to be handed over

    # Spawn newborn.job; newborn has to be kept alive by the caller until _born().
    cdef int submit(self, Newborn newborn) except -1
    # Undo the spawn of newborn, whose job is gone then.
    cdef void abandon(self, Newborn newborn) noexcept
    # Kill and reap in the back. Takes the pidfd over.
    cdef void bury(self, psn_ref ref) noexcept


# Waits for the outcome of a fork with a preexec_fn.
cdef class Fork(Source):
    cdef Newborn newborn


cdef Spawner spawner_of(Engine engine)

# Use the engine for a spawn, and return its spawner; after an error, or a spawn that was
# not submitted, nothing is used any more.
cdef Spawner begin_spawn(Engine engine, Newborn newborn)
cdef int end_use(Engine engine) except -1

# A spawn has come to nothing before it was under way. What is declared here does this
# itself.
cdef int note_refusal(Newborn newborn, error) except -1

# Make newborn.job and newborn.ends from a command, checking all that can be checked.
# The command's own arguments and executable are not looked at.
cdef int plan(Newborn newborn, command, args, executable) except -1

# Fork with the interpreter's hooks and call the command's preexec_fn in the child.
cdef Fork fork(Engine engine, Newborn newborn, command)

# The exception for a spawn that failed.
cdef object failure(psn_job *job, command, executable)

cdef void free_job(Newborn newborn) noexcept

# The child of newborn.job, which the job does not know any more.
cdef psn_ref take_ref(Newborn newborn) noexcept
