"""The one place where a negative errno of the C core becomes an exception."""
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.number cimport PyNumber_Index
from libc.errno cimport EAGAIN, EMFILE, ENFILE, ENOMEM
from libc.limits cimport INT_MAX, INT_MIN
from libc.string cimport strerror


# What has run out, by the error that says so.
cdef dict LIMITS = {
    EAGAIN: "processes",
    EMFILE: "open files",
    ENFILE: "system open files",
    ENOMEM: "memory",
}


cdef object limit_of(ssize_t rc):
    return LIMITS.get(-rc)


cdef object with_limit(error, ssize_t rc):
    limit = limit_of(rc)
    if limit is not None:
        error.limit = limit
    return error


cdef object error_of(ssize_t rc):
    if rc == -ENOMEM:
        return with_limit(MemoryError(), rc)
    return os_error_of(rc)


cdef object os_error_of(ssize_t rc, filename=None):
    message = strerror(<int>-rc).decode()
    if filename is None:
        return with_limit(OSError(-rc, message), rc)
    return with_limit(OSError(-rc, message, filename), rc)


cdef object limit_error_of(ssize_t rc, str name, filename=None):
    message = f"cannot set limit {name}: {strerror(<int>-rc).decode()}"
    error = OSError(-rc, message) if filename is None else OSError(-rc, message, filename)
    error.limit_name = name
    return with_limit(error, rc)


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
