#define PY_SSIZE_T_CLEAN
#include "_read_await.h"

/* Bytes. */
#define LARGEST_KEPT 1024

typedef struct {
    PyObject_HEAD PyObject *reader; /* held from the call to the end of the await */
    PyObject *arg;                  /* the call's, or NULL */
    PyObject *coro; /* what waits for the data; NULL while nothing had to wait */
    PyObject *stop; /* a StopIteration used again and again while nobody holds it */
    read_pop pop;
    read_wait wait;
} ReadAwait;

static void finish(ReadAwait *self)
{
    Py_CLEAR(self->reader);
    Py_CLEAR(self->arg);
    Py_CLEAR(self->coro);
}

static int spent(ReadAwait *self)
{
    if (self->reader == NULL)
        PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
    return self->reader == NULL;
}

/* Take one step. PYGEN_RETURN: *result is what was read; PYGEN_NEXT: a future to wait
 * for. */
static PySendResult step(ReadAwait *self, PyObject *sent, PyObject **result)
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
        *result = self->pop(self->reader, self->arg);
        if (*result == Py_None) {
            Py_CLEAR(*result);
            self->coro = self->wait(self->reader, self->arg);
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

static PySendResult await_send(PyObject *op, PyObject *sent, PyObject **result)
{
    return step((ReadAwait *)op, sent, result);
}

static PyObject *raise_stop(PyObject *value)
{
    PyObject *stop = PyObject_CallOneArg(PyExc_StopIteration, value);

    Py_DECREF(value);
    if (stop != NULL)
        PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
    return NULL;
}

/* Leave an await with a value: raise StopIteration(value). An exception object costs
 * more than a short read, so one is kept, and with it the last value that was short;
 * whoever else holds it keeps its value, because then the next read gets another. */
static PyObject *stop_with(ReadAwait *self, PyObject *value)
{
#if PY_VERSION_HEX >= 0x030C0000
    if (PyBytes_CheckExact(value) && PyBytes_GET_SIZE(value) <= LARGEST_KEPT) {
        if (self->stop != NULL && Py_REFCNT(self->stop) == 1) {
            Py_XSETREF(((PyStopIterationObject *)self->stop)->value, value);
        } else {
            Py_XSETREF(self->stop, PyObject_CallOneArg(PyExc_StopIteration, value));
            Py_DECREF(value);
        }
        if (self->stop != NULL)
            PyErr_SetRaisedException(Py_NewRef(self->stop));
        return NULL;
    }
#else
    (void)self;
#endif
    return raise_stop(value);
}

static PyObject *await_send_method(PyObject *op, PyObject *sent)
{
    PyObject *result;

    switch (step((ReadAwait *)op, sent, &result)) {
    case PYGEN_RETURN:
        return stop_with((ReadAwait *)op, result);
    case PYGEN_NEXT:
        return result;
    default:
        return NULL;
    }
}

static PyObject *await_next(PyObject *op)
{
    return await_send_method(op, Py_None);
}

static PyObject *await_throw(PyObject *op, PyObject *args)
{
    ReadAwait *self = (ReadAwait *)op;

    if (spent(self))
        return NULL;
    if (self->coro == NULL)
        self->coro = self->wait(self->reader, self->arg);
    PyObject *method = self->coro ? PyObject_GetAttrString(self->coro, "throw") : NULL;
    PyObject *result = method ? PyObject_CallObject(method, args) : NULL;
    Py_XDECREF(method);
    if (result == NULL)
        finish(self);
    return result;
}

static PyObject *await_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    ReadAwait *self = (ReadAwait *)op;
    PyObject *coro = self->coro;

    self->coro = NULL;
    finish(self);
    if (coro == NULL)
        Py_RETURN_NONE;
    PyObject *result = PyObject_CallMethod(coro, "close", NULL);
    Py_DECREF(coro);
    return result;
}

static PyObject *await_self(PyObject *op)
{
    return Py_NewRef(op);
}

static int await_traverse(PyObject *op, visitproc visit, void *arg)
{
    ReadAwait *self = (ReadAwait *)op;

    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->reader);
    Py_VISIT(self->arg);
    Py_VISIT(self->coro);
    Py_VISIT(self->stop);
    return 0;
}

static int await_clear(PyObject *op)
{
    ReadAwait *self = (ReadAwait *)op;

    finish(self);
    Py_CLEAR(self->stop);
    return 0;
}

static void await_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    await_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef await_methods[] = {
    {"send", await_send_method, METH_O, PyDoc_STR("As a coroutine's send().")},
    {"throw", await_throw, METH_VARARGS, PyDoc_STR("As a coroutine's throw().")},
    {"close", await_close, METH_NOARGS, PyDoc_STR("As a coroutine's close().")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot await_slots[] = {
    {Py_tp_dealloc, await_dealloc},
    {Py_tp_traverse, await_traverse},
    {Py_tp_clear, await_clear},
    {Py_tp_iter, await_self},
    {Py_tp_iternext, await_next},
    {Py_tp_methods, await_methods},
    {Py_am_await, await_self},
    {Py_am_send, await_send},
    {0, NULL},
};

static PyType_Spec await_spec = {
    .name = "procession._reader.ReadAwait",
    .basicsize = sizeof(ReadAwait),
    .flags =
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = await_slots,
};

PyObject *read_await_type(void)
{
    return PyType_FromSpec(&await_spec);
}

PyObject *read_await_for(PyObject *spare, PyObject *type, const struct read_call *call)
{
    ReadAwait *self = (ReadAwait *)spare;

    if (Py_IS_TYPE(spare, (PyTypeObject *)type) && Py_REFCNT(spare) == 1) {
        Py_INCREF(self);
        Py_CLEAR(self->coro);
    } else {
        self = PyObject_GC_New(ReadAwait, (PyTypeObject *)type);
        if (self == NULL)
            return NULL;
        *self = (ReadAwait){.ob_base = self->ob_base};
        PyObject_GC_Track((PyObject *)self);
    }
    self->pop = call->pop;
    self->wait = call->wait;
    Py_XSETREF(self->reader, Py_NewRef(call->reader));
    Py_XSETREF(self->arg, Py_XNewRef(call->arg));
    return (PyObject *)self;
}

void read_await_use(PyTypeObject *class, unaryfunc next)
{
    class->tp_as_async->am_anext = next;
}
