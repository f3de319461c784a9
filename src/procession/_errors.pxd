# The exception that a negative errno stands for. Where it says that something has run out
# the exception has an attribute `limit` that names it.
cdef object error_of(ssize_t rc)
# The same for errors of the kernel, whose ENOMEM is an OSError, as in the interpreter.
cdef object os_error_of(ssize_t rc, filename=*)
# What has run out by such an errno, or None.
cdef object limit_of(ssize_t rc)
# The same for a limit of a child that could not be set: its name is in the message and in
# the attribute `limit_name`.
cdef object limit_error_of(ssize_t rc, str name, filename=*)
# Raise it; 0 and counts pass.
cdef int check(ssize_t rc) except -1
# What C functions of the interpreter make of an argument that is to be an int: floats are
# refused, and what does not fit.
cdef int as_int(value) except? -1
