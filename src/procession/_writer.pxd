from procession._ends cimport WriteEnd


cdef class Writer(WriteEnd):
    cdef object loop
    cdef list drainers          # futures of those who wait in drain()
    cdef object closed          # the future of wait_closed(), made on demand

    # For this module only.
    cdef _tell_drainers(self, error)
    cdef _tell_closed(self)
