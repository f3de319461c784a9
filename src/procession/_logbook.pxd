from libc.stdint cimport int64_t

# Whether single children are logged. Asked once for each, when it is asked for.
cdef bint is_told() except -1

# A program was started or not, so long after it was asked for; a child has ended, so long
# after its start.
cdef int log_spawn(program, int pid, int64_t ns) except -1
cdef int log_failure(program, reason, int64_t ns) except -1
cdef int log_end(int pid, returncode, int64_t ns) except -1

# A spawn has met this limit: a warning, but a rare one.
cdef int log_limit(limit) except -1
