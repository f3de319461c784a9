/* What `reader.readline()` and its kin return: an awaitable that has its result at
 * once, or else hands over to a coroutine that waits for it. Written by hand because
 * the interpreter's two fast roads out of an await (am_send up to 3.11, tp_iternext
 * from 3.12 on) are slots that a generated class cannot fill without a traceback entry
 * per await. */
#ifndef PROCESSION_READ_AWAIT_H
#define PROCESSION_READ_AWAIT_H

#include <Python.h>

/* Returns a new reference to what was read; None when it has to be waited for; NULL
 * with an exception set. */
typedef PyObject *(*read_pop)(PyObject *reader, PyObject *arg);

/* Returns a new reference to a coroutine that waits for it. */
typedef PyObject *(*read_wait)(PyObject *reader, PyObject *arg);

/* All borrowed. */
struct read_call {
    PyObject *reader;
    PyObject *arg; /* what pop and wait are given; NULL if they look at none */
    read_pop pop;
    read_wait wait;
};

/* Make the type. Returns a new reference, NULL with an exception set. */
PyObject *read_await_type(void);

/* Returns a new reference to an awaitable for a call: spare (borrowed) if it is one
 * that nobody but the caller holds, else a new one. Nothing is taken from the reader
 * before it is awaited, so one that is dropped loses nothing. */
PyObject *read_await_for(PyObject *spare, PyObject *type, const struct read_call *call);

/* Have `async for` on instances of a class call `next` (am_anext) without a look at the
 * class: a class in Python does not inherit the slot of one in Cython. Whoever
 * overrides
 * __anext__() in a class derived from it is called as ever. */
void read_await_use(PyTypeObject *class, unaryfunc next);

#endif
