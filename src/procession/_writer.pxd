from procession._ends cimport WriteEnd
from procession._engine cimport Engine


cdef class Writer(WriteEnd):
    cdef object loop
    cdef list drainers          # futures of those who wait in drain()
    cdef object closed          # the future of wait_closed(), made on demand

    cdef int connect(self, Engine engine, int fd) except -1

    # For this module only.
    cdef _tell_drainers(self, error)
    cdef _tell_closed(self)
