"""The one place where a negative errno of the C core becomes an exception."""
from libc.errno cimport ENOMEM
from libc.string cimport strerror


cdef object error_of(ssize_t rc):
    if rc == -ENOMEM:
        return MemoryError()
    return OSError(-rc, strerror(<int>-rc).decode())


cdef int check(ssize_t rc) except -1:
    if rc < 0:
        raise error_of(rc)
    return 0
