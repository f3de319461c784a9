from procession._ends cimport WriteEnd


cdef class Writer(WriteEnd):
    cdef object loop
    cdef list drainers          # of those who wait in drain(), or None
    cdef object closed          # the future of wait_closed(), made on demand
    cdef bint noticed           # drain() knows that the pipe is closed

    # For this module only.
    cdef _tell_drainers(self, error)
    cdef _tell_closed(self)
