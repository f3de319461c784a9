"""Ends of pipes that call a protocol: the native halves of the transports.

What a protocol hears comes in the order in which asyncio tells it: data as it is read,
then eof_received() and connection_lost() through the loop. The engine keeps a half from
connect() to its connection_lost(), and the half keeps its transport.
"""
cimport cython
from libc.errno cimport EIO
from libc.stdint cimport uint32_t

from procession._ends cimport BUDGET, CHUNK, ReadEnd, WriteEnd
from procession._engine cimport READER, WRITER, count, Engine, engine_of
from procession._errors cimport check
from procession._psn cimport PSN_POLL_HANGUP, PSN_POLL_READ, psn_sys_dup

import logging
from contextvars import copy_context

logger = logging.getLogger("asyncio")


cdef int duplicate(int fd) except -1:
    """Return a descriptor of our own for a pipe of the caller's, which may be watched
    elsewhere, too, and which it may close at any time."""
    cdef int copy = psn_sys_dup(fd)
    check(copy)
    return copy


ctypedef fused end_t:
    ReadEnd
    WriteEnd


cdef start(end_t end, loop):
    """Have the engine watch a half of a pipe of the caller's."""
    cdef Engine engine = engine_of(loop)
    engine.use()
    try:
        end.connect(engine, end.fd)
    finally:
        engine.unuse()
        engine.look_idle()


cdef leave(Engine engine, source):
    """The engine need not keep a half any more, and perhaps nothing at all."""
    if engine is not None:
        engine.held.discard(source)
        engine.look_idle()


@cython.no_gc_clear
cdef class ReadCore(ReadEnd):
    def __cinit__(self, *args, **kwargs):
        count(READER, 1)

    def __dealloc__(self):
        count(READER, -1)

    def __init__(self, loop, transport, protocol):
        self.loop = loop
        self.context = copy_context()
        self.transport = transport
        self.protocol = protocol

    cdef int connect(self, Engine engine, int fd) except -1:
        engine.watch(self, fd, PSN_POLL_READ)
        engine.held.add(self)
        return 0

    def open(self, int fd):
        """Take a pipe of the caller's."""
        self.fd = duplicate(fd)
        self.keeps_size = True

    def start(self):
        """Read from it from now on, unless it was closed meanwhile."""
        if not self.closing:
            start(self, self.loop)

    # What the kernel tells

    cdef int _ready(self, uint32_t events) except -1:
        self.more = True
        if events & PSN_POLL_HANGUP:
            self.hung_up = True
        self._pump()
        return 0

    cdef int _turn(self) except -1:
        self.deferred = False
        self._pump()
        return 0

    cdef int _let_go(self) except -1:
        self.close_fd()
        self.eof = True
        self.transport = self.protocol = None
        if self.engine is not None:
            self.engine.held.discard(self)
        return 0

    cdef _pump(self):
        cdef int reads = BUDGET
        while self.more and not self.stopped and not self.closing:
            if reads == 0:
                self._schedule()
                return
            reads -= 1
            data = self._read_block(CHUNK)
            if data is None:
                return
            try:
                self.context.run(self.protocol.data_received, data)
            except (SystemExit, KeyboardInterrupt):
                self._schedule()
                raise
            except BaseException as exc:
                self.loop.call_exception_handler({
                    "message": "Exception in callback data_received()", "exception": exc,
                    "transport": self.transport, "protocol": self.protocol})

    cdef int _end(self, exc) except -1:
        self.more = False
        if exc is None:
            if self.loop.get_debug():
                logger.info("%r was closed by peer", self.transport)
            self.loop.call_soon(self.protocol.eof_received, context=self.context)
        elif isinstance(exc, OSError) and exc.errno == EIO:
            # The end of a terminal.
            if self.loop.get_debug():
                logger.debug("%r: Fatal read error on pipe transport", self.transport)
        else:
            self.loop.call_exception_handler({
                "message": "Fatal read error on pipe transport", "exception": exc,
                "transport": self.transport, "protocol": self.protocol})
        self._close_with(exc)
        return 0

    cdef _close_with(self, exc):
        self.closing = self.eof = True
        self.close_fd()
        self.loop.call_soon(self._lost, exc, context=self.context)

    def _lost(self, exc):
        cdef Engine engine = self.engine
        transport, self.transport = self.transport, None
        protocol, self.protocol = self.protocol, None
        leave(engine, self)
        if transport is None:
            return
        try:
            protocol.connection_lost(exc)
        finally:
            transport._closed_now()

    # What the transport shows

    def _shut(self):
        """Close the pipe; connection_lost() follows."""
        if not self.closing:
            self._close_with(None)

    def _stopped(self):
        return self.stopped or self.closing

    def is_closing(self):
        return self.closing

    def _get_protocol(self):
        return self.protocol

    def _set_protocol(self, protocol):
        self.protocol = protocol


@cython.no_gc_clear
cdef class WriteCore(WriteEnd):
    def __cinit__(self, *args, **kwargs):
        count(WRITER, 1)

    def __dealloc__(self):
        count(WRITER, -1)

    def __init__(self, loop, transport, protocol, bint is_socket=False):
        self.loop = loop
        self.context = copy_context()
        self.transport = transport
        self.protocol = protocol
        self.idle_events = PSN_POLL_READ if is_socket else 0

    cdef int connect(self, Engine engine, int fd) except -1:
        WriteEnd.connect(self, engine, fd)
        engine.held.add(self)
        return 0

    def open(self, int fd):
        """Take a pipe of the caller's. It can be written to at once."""
        self.fd = duplicate(fd)
        self.keeps_size = True

    def start(self):
        """Hear of its readiness from now on, unless it was closed meanwhile."""
        if not self.lost:
            start(self, self.loop)

    cdef int _ready(self, uint32_t events) except -1:
        # As in asyncio, which cannot tell input from a hang-up.
        if events & PSN_POLL_READ:
            events |= PSN_POLL_HANGUP
        if events & PSN_POLL_HANGUP and self.loop.get_debug():
            logger.info("%r was closed by peer", self.transport)
        return WriteEnd._ready(self, events)

    cdef int _let_go(self) except -1:
        self.close_fd()
        self.closing = self.lost = True
        self.transport = self.protocol = None
        if self.engine is not None:
            self.engine.held.discard(self)
        return 0

    cdef _on_pause(self):
        # From within write(): in the caller's context.
        try:
            self.protocol.pause_writing()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._report("protocol.pause_writing() failed", exc)

    cdef _on_resume(self):
        try:
            self.context.run(self.protocol.resume_writing)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._report("protocol.resume_writing() failed", exc)

    cdef _report(self, message, exc):
        self.loop.call_exception_handler({
            "message": message, "exception": exc,
            "transport": self.transport, "protocol": self.protocol})

    cdef _on_lost(self):
        self.loop.call_soon(self._tell_lost, context=self.context)

    def _tell_lost(self):
        cdef Engine engine = self.engine
        transport, self.transport = self.transport, None
        protocol, self.protocol = self.protocol, None
        leave(engine, self)
        if transport is None:
            return
        try:
            protocol.connection_lost(self.error)
        finally:
            transport._closed_now()

    def _get_protocol(self):
        return self.protocol

    def _set_protocol(self, protocol):
        self.protocol = protocol
