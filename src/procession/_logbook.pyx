"""What is logged of children under the name "procession", and in which words.

Never arguments or environment, which may be secret; what asyncio logs under its own name
is in debuglog.py.
"""
from libc.stdint cimport int64_t

import logging
from time import monotonic

logger = logging.getLogger("procession")

cdef object DEBUG = logging.DEBUG

# Seconds for which a limit that is met again is not told again: a program that tries until
# it succeeds meets it a thousand times a second.
cdef double QUIET = 60.0

# A limit -> when it was told last.
cdef dict _told = {}


cdef bint is_told() except -1:
    return logger.isEnabledFor(DEBUG)


cdef int log_spawn(program, int pid, int64_t ns) except -1:
    logger.debug("process %d is %r, started in %.3f ms", pid, program, ns / 1e6)
    return 0


cdef int log_failure(program, reason, int64_t ns) except -1:
    logger.debug("%r could not be started, after %.3f ms: %s", program, ns / 1e6, reason)
    return 0


cdef int log_end(int pid, returncode, int64_t ns) except -1:
    logger.debug("process %d has ended after %.3f s: returncode %d", pid, ns / 1e9, returncode)
    return 0


cdef int log_limit(limit) except -1:
    now = monotonic()
    if now - _told.get(limit, -QUIET) < QUIET:
        return 0
    # Whoever asked gets an exception as well. Without a handler this would go to stderr.
    if not logger.hasHandlers():
        return 0
    _told[limit] = now
    logger.warning("a process could not be started: the limit of %s is reached", limit)
    return 0
