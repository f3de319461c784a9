from cpython.object cimport PyObject

cdef extern from "_read_await.h":
    ctypedef object (*read_pop)(object owner, object arg)
    ctypedef object (*read_wait)(object owner, object arg)


# An awaitable for what owner hands out, as read_await_for() makes it. `spare` is one to
# use again, or None, by a pointer that does not count as one who holds it.
cdef object await_read(PyObject *spare, object owner, object arg, read_pop pop, read_wait wait)
