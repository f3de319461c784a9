# The exception that a negative errno stands for.
cdef object error_of(ssize_t rc)
# Raise it; 0 and counts pass.
cdef int check(ssize_t rc) except -1
# What C functions of the interpreter make of an argument that is to be an int: floats are
# refused, and what does not fit.
cdef int as_int(value) except? -1
