/* What `reader.__anext__()` returns: an awaitable that has its line at once, or else
 * hands over to a coroutine that waits for it. Written by hand because the
 * interpreter's two fast roads out of an await (am_send up to 3.11, tp_iternext
 * from 3.12 on) are slots that a generated class cannot fill without a traceback entry
 * per line. */
#ifndef PROCESSION_LINE_AWAIT_H
#define PROCESSION_LINE_AWAIT_H

#include <Python.h>

/* Returns a new reference to the next line; None when it has to be waited for; NULL
 * with an exception set, StopAsyncIteration at the end. */
typedef PyObject *(*line_pop)(PyObject *reader);

/* Returns a new reference to a coroutine that waits for the next line. */
typedef PyObject *(*line_wait)(PyObject *reader);

/* Make the type. Returns a new reference, NULL with an exception set. */
PyObject *line_await_type(void);

/* Returns a new reference to an awaitable for the next line of reader: spare (borrowed)
 * if it is one that nobody but the caller holds, else a new one. Nothing is taken from
 * the reader before it is awaited, so one that is dropped loses nothing. */
PyObject *line_await_for(PyObject *spare, PyObject *type, PyObject *reader,
                         line_pop pop, line_wait wait);

#endif
