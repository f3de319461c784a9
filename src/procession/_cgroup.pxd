# A cgroup of one child, and of all that it starts.
cdef class Leaf:
    cdef readonly str path
    cdef int owner              # the process whose child is in there
    cdef bint left              # nobody waits for its end any more
    cdef object oom_count       # how many were ended when it was left

    # A descriptor of the directory, the caller's.
    cdef int open(self) except -1
    # Set a limit. Returns whether the leaf has a controller for it.
    cdef bint limit_memory(self, amount) except -1
    cdef bint limit_processes(self, amount) except -1
