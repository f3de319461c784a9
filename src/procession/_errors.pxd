# The exception that a negative errno stands for.
cdef object error_of(ssize_t rc)
# Raise it; 0 and counts pass.
cdef int check(ssize_t rc) except -1
