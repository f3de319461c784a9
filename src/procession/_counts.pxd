from libc.stdint cimport int64_t

cdef enum:
    # Spawn times up to 1, 2, 4 ... microseconds; the last but one is 67 seconds, what took
    # longer is in the last.
    TIMES = 28

# What has happened in this process, of all its engines. Plain integers: whoever adds to
# them holds the interpreter's lock, which an interpreter that could do without gets back
# with the first of these modules.
cdef struct counts_t:
    int64_t spawned             # spawns with a child
    int64_t failed              # and those without
    int64_t ended               # children whose end was learnt of, or that were given up
    int64_t queued              # spawns whose outcome is not known
    int64_t bytes_read
    int64_t bytes_written
    int64_t times[<int>TIMES]   # how many of the spawned and failed took how long

cdef counts_t counts

# How many forks lie between the start of the program and this process. What was counted
# before belongs to another one.
cdef int era

# A spawn has taken so long.
cdef void count_time(int64_t ns) noexcept
