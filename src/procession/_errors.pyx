"""The one place where a negative errno of the C core becomes an exception."""
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.number cimport PyNumber_Index
from libc.errno cimport ENOMEM
from libc.limits cimport INT_MAX, INT_MIN
from libc.string cimport strerror


cdef object error_of(ssize_t rc):
    if rc == -ENOMEM:
        return MemoryError()
    return OSError(-rc, strerror(<int>-rc).decode())


cdef int check(ssize_t rc) except -1:
    if rc < 0:
        raise error_of(rc)
    return 0


cdef int as_int(value) except? -1:
    cdef int overflow = 0
    cdef long long number = PyLong_AsLongLongAndOverflow(PyNumber_Index(value), &overflow)
    if overflow or not INT_MIN <= number <= INT_MAX:
        raise OverflowError("Python int too large to convert to C int")
    return <int>number
