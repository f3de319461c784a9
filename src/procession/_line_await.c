#define PY_SSIZE_T_CLEAN
#include "_line_await.h"

typedef struct {
    PyObject_HEAD PyObject
        *reader;    /* held from __anext__() to the end of the await, else NULL */
    PyObject *coro; /* what waits for the line; NULL while nothing had to wait */
    PyObject *stop; /* a StopIteration used again and again while nobody holds it */
    line_pop pop;
    line_wait wait;
} LineAwait;

static void finish(LineAwait *self)
{
    Py_CLEAR(self->reader);
    Py_CLEAR(self->coro);
}

static int spent(LineAwait *self)
{
    if (self->reader == NULL)
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited __anext__()");
    return self->reader == NULL;
}

/* Take one step. PYGEN_RETURN: *result is the line; PYGEN_NEXT: a future to wait for.
 */
static PySendResult step(LineAwait *self, PyObject *sent, PyObject **result)
{
    *result = NULL;
    if (spent(self))
        return PYGEN_ERROR;
    PySendResult outcome = PYGEN_ERROR;
    if (self->coro == NULL && sent != Py_None && sent != NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "can't send non-None value to a just-started coroutine");
        return PYGEN_ERROR;
    }
    if (self->coro == NULL) {
        *result = self->pop(self->reader);
        if (*result == Py_None) {
            Py_CLEAR(*result);
            self->coro = self->wait(self->reader);
        } else if (*result != NULL) {
            outcome = PYGEN_RETURN;
        }
    }
    if (self->coro != NULL)
        outcome = PyIter_Send(self->coro, sent, result);
    if (outcome != PYGEN_NEXT)
        finish(self);
    return outcome;
}

static PySendResult line_send(PyObject *op, PyObject *sent, PyObject **result)
{
    return step((LineAwait *)op, sent, result);
}

/* Leave an await with a value: raise StopIteration(value). An exception object costs
 * more than a line, so one is kept; whoever else holds it keeps its value, because then
 * the next line gets another. */
static PyObject *stop_with(LineAwait *self, PyObject *value)
{
#if PY_VERSION_HEX >= 0x030C0000
    if (self->stop != NULL && Py_REFCNT(self->stop) == 1) {
        Py_XSETREF(((PyStopIterationObject *)self->stop)->value, value);
    } else {
        Py_XSETREF(self->stop, PyObject_CallOneArg(PyExc_StopIteration, value));
        Py_DECREF(value);
    }
    if (self->stop != NULL)
        PyErr_SetRaisedException(Py_NewRef(self->stop));
#else
    (void)self;
    PyErr_SetObject(PyExc_StopIteration, value);
    Py_DECREF(value);
#endif
    return NULL;
}

static PyObject *line_send_method(PyObject *op, PyObject *sent)
{
    PyObject *result;

    switch (step((LineAwait *)op, sent, &result)) {
    case PYGEN_RETURN:
        return stop_with((LineAwait *)op, result);
    case PYGEN_NEXT:
        return result;
    default:
        return NULL;
    }
}

static PyObject *line_next(PyObject *op)
{
    return line_send_method(op, Py_None);
}

static PyObject *line_throw(PyObject *op, PyObject *args)
{
    LineAwait *self = (LineAwait *)op;

    if (spent(self))
        return NULL;
    if (self->coro == NULL)
        self->coro = self->wait(self->reader);
    PyObject *method = self->coro ? PyObject_GetAttrString(self->coro, "throw") : NULL;
    PyObject *result = method ? PyObject_CallObject(method, args) : NULL;
    Py_XDECREF(method);
    if (result == NULL)
        finish(self);
    return result;
}

static PyObject *line_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    LineAwait *self = (LineAwait *)op;
    PyObject *coro = self->coro;

    self->coro = NULL;
    Py_CLEAR(self->reader);
    if (coro == NULL)
        Py_RETURN_NONE;
    PyObject *result = PyObject_CallMethod(coro, "close", NULL);
    Py_DECREF(coro);
    return result;
}

static PyObject *line_self(PyObject *op)
{
    return Py_NewRef(op);
}

static int line_traverse(PyObject *op, visitproc visit, void *arg)
{
    LineAwait *self = (LineAwait *)op;

    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->reader);
    Py_VISIT(self->coro);
    Py_VISIT(self->stop);
    return 0;
}

static int line_clear(PyObject *op)
{
    LineAwait *self = (LineAwait *)op;

    Py_CLEAR(self->reader);
    Py_CLEAR(self->coro);
    Py_CLEAR(self->stop);
    return 0;
}

static void line_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    line_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef line_methods[] = {
    {"send", line_send_method, METH_O, PyDoc_STR("As a coroutine's send().")},
    {"throw", line_throw, METH_VARARGS, PyDoc_STR("As a coroutine's throw().")},
    {"close", line_close, METH_NOARGS, PyDoc_STR("As a coroutine's close().")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot line_slots[] = {
    {Py_tp_dealloc, line_dealloc},
    {Py_tp_traverse, line_traverse},
    {Py_tp_clear, line_clear},
    {Py_tp_iter, line_self},
    {Py_tp_iternext, line_next},
    {Py_tp_methods, line_methods},
    {Py_am_await, line_self},
    {Py_am_send, line_send},
    {0, NULL},
};

static PyType_Spec line_spec = {
    .name = "procession._reader.LineAwait",
    .basicsize = sizeof(LineAwait),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = line_slots,
};

PyObject *line_await_type(void)
{
    return PyType_FromSpec(&line_spec);
}

PyObject *line_await_for(PyObject *spare, PyObject *type, PyObject *reader,
                         line_pop pop, line_wait wait)
{
    LineAwait *self = (LineAwait *)spare;

    if (Py_IS_TYPE(spare, (PyTypeObject *)type) && Py_REFCNT(spare) == 1) {
        Py_INCREF(self);
        Py_CLEAR(self->coro);
        Py_XSETREF(self->reader, Py_NewRef(reader));
        return spare;
    }
    self = PyObject_GC_New(LineAwait, (PyTypeObject *)type);
    if (self == NULL)
        return NULL;
    *self = (LineAwait){.ob_base = self->ob_base,
                        .reader = Py_NewRef(reader),
                        .pop = pop,
                        .wait = wait};
    PyObject_GC_Track((PyObject *)self);
    return (PyObject *)self;
}
