"""Lines by the batch, and lines of any length.

Both are cut from the reader's own buffer, one at a time or all at once, so that calls can
be mixed and a call that is cancelled loses nothing.
"""
cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from libc.string cimport memchr

from procession._psn cimport psn_buf_len, psn_buf_peek
from procession._reader cimport Reader
from procession._reading cimport await_read

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX
    # Without an exception for what is too large it takes the largest there is.
    Py_ssize_t PyNumber_AsSsize_t(object, void *) except? -1

cdef enum:
    # What a pipe holds.
    CHUNK = 64 * 1024


def try_lines(Reader reader, Py_ssize_t offset):
    """Return what readlines() returns, or the offset to go on with after a wait."""
    # With room for the first line, so that nothing can fail once it was taken.
    cdef list lines = [None]
    first = reader._try_line(offset)
    if type(first) is int:
        return first
    if not first:
        return []
    lines[0] = first
    cut(reader, lines, max(<Py_ssize_t>CHUNK, 2 * reader.limit) - len(<bytes>first))
    return lines


cdef int cut(Reader reader, list lines, Py_ssize_t most) except -1:
    """Move the lines that are whole among the next `most` bytes from the buffer to a list.

    What is wrong with a line, its length or that there is no memory for it, is left to
    the next call as its error.
    """
    # Nothing in the loop runs code of a program, which might read here: the garbage
    # collector is not set off by objects that it does not track.
    cdef Py_ssize_t held = psn_buf_len(&reader.buf)
    cdef const char *start = psn_buf_peek(&reader.buf)
    cdef const char *line = start
    cdef const char *stop = start + min(held, most)
    cdef const char *end
    cdef Py_ssize_t length
    try:
        while line < stop:
            end = <const char *>memchr(line, b"\n", stop - line)
            length = (stop if end == NULL else end) - line
            if length > reader.limit:
                break
            if end != NULL:
                length += 1
            elif not reader.eof or held > most:
                break
            lines.append(PyBytes_FromStringAndSize(line, length))
            line += length
    except MemoryError:
        pass
    if line > start:
        reader._drop(line - start)
    return 0


cdef object pop_line(object lines, object _):
    line = (<Lines>lines)._next(0)
    if type(line) is int:
        return None
    if line is None:
        raise StopAsyncIteration
    return line


cdef object wait_line(object lines, object _):
    return (<Lines>lines).reader._next_of(lines)


@cython.final
cdef class Lines:
    """What StreamReader.lines() returns: an asynchronous iterator."""
    cdef Reader reader
    cdef Py_ssize_t longest     # of what is handed out, far from overflow
    cdef bint keepends
    cdef object spare           # an awaitable to use again, or None

    def __cinit__(self, Reader reader not None, max_line, bint keepends):
        self.reader = reader
        self.longest = PY_SSIZE_T_MAX // 4
        if max_line is not None:
            if max_line <= 0:
                raise ValueError("max_line cannot be <= 0")
            self.longest = min(self.longest, PyNumber_AsSsize_t(max_line, NULL))
        self.keepends = keepends

    def __aiter__(self):
        return self

    def __anext__(self):
        ready = await_read(<PyObject *>self.spare, self, None, pop_line, wait_line)
        if ready is not self.spare:
            self.spare = ready
        return ready

    def _try_next(self, Py_ssize_t offset):
        """Return the next line, the offset to go on with after a wait, or None at the end."""
        return self._next(offset)

    cdef object _next(self, Py_ssize_t offset):
        cdef Reader reader = self.reader
        cdef Py_ssize_t held, stop
        cdef const char *start
        cdef const char *newline
        if reader._is_taken():
            return offset
        if offset == 0:
            reader._check_error()
            if reader.gathered_len:
                reader._settle_gathered()
        while True:
            held = psn_buf_len(&reader.buf)
            stop = min(held, self.longest + 1)
            if offset < stop:
                start = psn_buf_peek(&reader.buf)
                newline = <const char *>memchr(start + offset, b"\n", stop - offset)
                if newline != NULL:
                    return self._take(newline - start, 1)
                if held > self.longest:
                    return self._take(self.longest, 0)
            if reader.eof:
                return self._take(held, 0) if held else None
            offset = held
            if not reader._may_read() or not reader._fill():
                return offset
            reader._check_error()

    cdef bytes _take(self, Py_ssize_t n, Py_ssize_t newline):
        """Take n bytes out of the buffer, and the end of the line."""
        line = PyBytes_FromStringAndSize(psn_buf_peek(&self.reader.buf),
                                         n + newline if self.keepends else n)
        self.reader._drop(n + newline)
        return line
