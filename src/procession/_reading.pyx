"""The calls by which a stream is read: at once where what they want is there.

Such a call returns an awaitable that takes its result from the buffer or the pipe when it
is awaited. Only where it has to wait is a coroutine made, one of those in streams.py.
"""
cimport cython
from cpython.object cimport PyObject, PyTypeObject

from procession._reader cimport Reader

from collections.abc import Coroutine

ctypedef object (*read_next)(object reader)

cdef extern from "_read_await.h":
    struct read_call:
        PyObject *reader
        PyObject *arg
        read_pop pop
        read_wait wait

    object read_await_type()
    object read_await_for(PyObject *spare, object type, const read_call *call)
    void read_await_use(PyTypeObject *type, read_next next)

cdef object ReadAwait = read_await_type()
Coroutine.register(ReadAwait)


cdef object await_read(PyObject *spare, object owner, object arg, read_pop pop, read_wait wait):
    cdef read_call call
    call.reader = <PyObject *>owner
    call.arg = <PyObject *>arg
    call.pop = pop
    call.wait = wait
    return read_await_for(spare, ReadAwait, &call)


# What is there


cdef object pop_read(object reader, object n):
    if n < 0:
        return (<Reader>reader)._try_all()
    return (<Reader>reader)._try_read(n)


cdef object pop_exactly(object reader, object n):
    if n < 0:
        raise ValueError("readexactly size can not be less than zero")
    return (<Reader>reader)._try_exactly(n)


cdef object pop_until(object reader, object separator):
    cdef list separators
    if type(separator) is bytes and separator:
        found = (<Reader>reader)._take_until(<bytes>separator)
        if found is not None:
            return found
    separators = separators_of(separator)
    (<Reader>reader)._check_error()
    found = (<Reader>reader)._try_until(separators, 0)
    return None if type(found) is int else found


cdef object pop_line(object reader, object _):
    line = (<Reader>reader)._try_line(0)
    return None if type(line) is int else line


cdef object pop_next(object reader, object _):
    line = (<Reader>reader)._try_line(0)
    if type(line) is int:
        return None
    if not line:
        raise StopAsyncIteration
    return line


cdef list separators_of(separator):
    """Return separators as bytes, the shortest first."""
    if type(separator) is bytes and separator:
        return [separator]
    given = sorted(separator, key=len) if isinstance(separator, tuple) else [separator]
    if not given:
        raise ValueError("Separator should contain at least one element")
    if len(given[0]) == 0:
        raise ValueError("Separator should be at least one-byte string")
    return [item if type(item) is bytes else bytes(memoryview(item)) for item in given]


# What has to be waited for


cdef object wait_read(object reader, object n):
    return reader._wait_read(n)


cdef object wait_exactly(object reader, object n):
    return reader._wait_exactly(n)


cdef object wait_until(object reader, object separator):
    return reader._wait_until(separator)


cdef object wait_line(object reader, object _):
    return reader._wait_line()


cdef object wait_next(object reader, object _):
    return reader._wait_next()


cdef object next_of(object reader):
    return (<Reading>reader)._call(None, pop_next, wait_next)


def use_own_next(cls):
    """Spare `async for` on instances of a class the way by the name __anext__."""
    read_await_use(<PyTypeObject *>cls, next_of)


@cython.no_gc_clear
cdef class Reading(Reader):
    cdef object spare           # an awaitable to use again, or None

    cdef object _call(self, object arg, read_pop pop, read_wait wait):
        ready = await_read(<PyObject *>self.spare, self, arg, pop, wait)
        if ready is not self.spare:
            self.spare = ready
        return ready

    def read(self, n=-1):
        """Read up to n bytes as soon as there are any; all up to the end if n is negative.

        Returns b"" at the end of the stream.

        Raises:
            RuntimeError: another task waits for data of this stream.
        """
        return self._call(n, pop_read, wait_read)

    def readexactly(self, n):
        """Read exactly n bytes.

        Raises:
            asyncio.IncompleteReadError: the stream ended before; `partial` has the rest.
            RuntimeError: another task waits for data of this stream.
        """
        return self._call(n, pop_exactly, wait_exactly)

    def readuntil(self, separator=b"\n"):
        """Read up to and with a separator, the earliest that ends if there are several.

        Raises:
            asyncio.IncompleteReadError: the stream ended before; `partial` has the rest.
            asyncio.LimitOverrunError: more than the limit came before a separator; it
                stays in the buffer and can be read.
            RuntimeError: another task waits for data of this stream.
        """
        return self._call(separator, pop_until, wait_until)

    def readline(self):
        r"""Read up to and with b"\n"; what is left at the end of the stream, then b"".

        Raises:
            ValueError: the line is longer than the limit. As in asyncio it is dropped: the
                whole line if its end has come, else all that is in the buffer.
            RuntimeError: another task waits for data of this stream.
        """
        return self._call(None, pop_line, wait_line)

    def __aiter__(self):
        return self

    def __anext__(self):
        return self._call(None, pop_next, wait_next)

    # For the coroutines that wait: once more, from an offset that nothing was found before

    def _retry_read(self, n):
        return pop_read(self, n)

    def _retry_exactly(self, n):
        return pop_exactly(self, n)

    def _retry_until(self, separator, Py_ssize_t offset):
        if offset == 0:
            self._check_error()
        return self._try_until(separators_of(separator), offset)

    def _retry_line(self, Py_ssize_t offset):
        return self._try_line(offset)
