from procession._ends cimport ReadEnd, WriteEnd


# The native half of a pipe's transport: reads, and calls the protocol.
cdef class ReadCore(ReadEnd):
    cdef object loop
    cdef object context         # in which the protocol is called
    cdef object transport       # the other half, None after connection_lost()
    cdef object protocol
    cdef bint closing

    # For this module only.
    cdef _pump(self)
    cdef _close_with(self, exc)


# The same for writing.
cdef class WriteCore(WriteEnd):
    cdef object loop
    cdef object context
    cdef object transport
    cdef object protocol

    # For this module only.
    cdef _report(self, message, exc)
