"""How the ends of children are learnt: a pidfd each, or a bell for all.

Where the kernel has no pidfds, or a filter refuses them, a thread waits for any child, or a
handler of SIGCHLD does; each rings the bell of every engine, which then looks after its own
children. A clock rings, too, for what neither can tell: that somebody else has reaped one,
or has taken the signal.
"""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport ECHILD, EINTR, ESRCH, errno
from libc.stdint cimport uint32_t, uint64_t
from posix.types cimport pid_t
from posix.wait cimport WEXITSTATUS, WIFSIGNALED, WTERMSIG

from procession._engine cimport Engine, engine_of, Source
from procession._errors cimport as_int, check, error_of
from procession._psn cimport (
    PSN_EXIT_UNKNOWN,
    PSN_EXIT_WAITID,
    PSN_POLL_READ,
    psn_exit,
    psn_ref_signal,
    psn_reap_take,
    psn_reap_wait,
    psn_ref,
    psn_ref_is_there,
    psn_sigchld_close,
    psn_sigchld_open,
    psn_sys_close,
    psn_sys_read,
    psn_sys_write,
    psn_waiter_close,
    psn_waiter_open,
    psn_waiter_poke,
    rusage,
)
from procession._waiter cimport Waiter

import logging
import sys
from time import monotonic

cdef extern from "<sys/syscall.h>" nogil:
    enum:
        SYS_pidfd_open

cdef extern from "<unistd.h>" nogil:
    long syscall(long number, ...)

cdef extern from "<sys/wait.h>" nogil:
    enum:
        P_PID
        WEXITED
        WNOHANG
        WNOWAIT
    ctypedef struct siginfo_t:
        pass
    int waitid(int kind, int id, siginfo_t *info, int options)

logger = logging.getLogger("asyncio")

cdef enum:
    # What asyncio reports where the kernel cannot tell any more.
    UNKNOWN_STATUS = 255
    # How often a wait that blocks looks for Ctrl-C.
    SIGNALS_MS = 50

# Seconds between looks that nobody rang for.
cdef double TICK = 0.1

# The way to be tried first: by pidfd, by a thread, by SIGCHLD. Changed by tests only.
cdef enum backend_t:
    BY_PIDFD
    BY_THREAD
    BY_SIGCHLD

cdef backend_t _backend = BY_PIDFD

BACKENDS = {"pidfd": <int>BY_PIDFD, "thread": <int>BY_THREAD, "sigchld": <int>BY_SIGCHLD}


def use_backend(name):
    """Choose how ends are learnt by engines that are made from now on. For tests: by
    itself each engine takes the best that works."""
    global _backend
    _backend = <backend_t><int>BACKENDS[name]


cdef bint wants_pidfd() noexcept:
    return _backend == BY_PIDFD


def rusage_of(bytes usage):
    """Return a struct rusage as resource.getrusage() would."""
    cdef const rusage *used = <const rusage *>PyBytes_AS_STRING(usage)
    from resource import struct_rusage
    return struct_rusage((
        used.ru_utime.tv_sec + used.ru_utime.tv_usec * 1e-6,
        used.ru_stime.tv_sec + used.ru_stime.tv_usec * 1e-6,
        used.ru_maxrss, used.ru_ixrss, used.ru_idrss, used.ru_isrss,
        used.ru_minflt, used.ru_majflt, used.ru_nswap,
        used.ru_inblock, used.ru_oublock, used.ru_msgsnd, used.ru_msgrcv,
        used.ru_nsignals, used.ru_nvcsw, used.ru_nivcsw))


@cython.no_gc_clear
cdef class Mortal(Source):
    cdef psn_ref ref(self) noexcept:
        cdef psn_ref ref
        ref.pid = self.pid
        ref.pidfd = self.fd
        return ref

    cdef int live(self, Engine engine, int pid, int pidfd) except -1:
        self.engine = engine
        if pidfd >= 0:
            engine.watch(self, pidfd, PSN_POLL_READ)
        else:
            engine.use()
            try:
                bell_of(engine).listen(self)
            except BaseException:
                engine.unuse()
                raise
            self.by_number = True
        self.pid = pid
        self.living = True
        return 0

    cdef int _ready(self, uint32_t events) except -1:
        return self.look()

    cdef int look(self) except -1:
        cdef psn_exit exit
        cdef int rc
        if not self.living:
            return 0
        rc = psn_reap_take(self.ref(), &exit)
        check(rc)
        if rc == 1:
            self._ended(&exit)
        return 0

    cdef bint outwait(self, int ms) except -1:
        if self.living and psn_reap_wait(self.ref(), ms):
            self.look()
        return not self.living

    cdef int _ended(self, psn_exit *exit) except -1:
        """Reaping and publishing are one step of the loop: the number of a child whose
        returncode is None is never free."""
        if exit.source == PSN_EXIT_UNKNOWN:
            self.returncode = UNKNOWN_STATUS
            logger.warning("child process pid %d exit status already read: "
                           " will report returncode 255", self.pid)
        elif WIFSIGNALED(exit.status):
            self.returncode = -WTERMSIG(exit.status)
        else:
            self.returncode = WEXITSTATUS(exit.status)
        if exit.source == PSN_EXIT_WAITID:
            self.usage = PyBytes_FromStringAndSize(<char *>&exit.usage, sizeof(rusage))
        self.living = False
        self.settle_account()
        self.close_fd()
        self._leave_bell()
        waiters, self.waiters = self.waiters, None
        for waiter in waiters or ():
            self.engine.wake(waiter, None)
        self.engine.ended += 1
        self.engine.tell_end()
        # Last, since a handler of the program's may be interrupted.
        try:
            self.on_end()
        finally:
            self.note_end()
        return 0

    cdef int on_end(self) except -1:
        return 0

    cdef void settle_account(self) noexcept:
        pass

    cdef int note_end(self) except -1:
        return 0

    cdef void _leave_bell(self) noexcept:
        if not self.by_number:
            return
        self.by_number = False
        bell = <Bell>self.engine.bell
        if bell is not None:
            bell.listeners.discard(self)
        self.engine.unuse()

    cdef psn_ref forget(self) noexcept:
        cdef psn_ref ref = self.ref()
        self.living = False
        self.settle_account()
        if self.slot >= 0:
            self.engine.unwatch(self)
        self.fd = -1
        self._leave_bell()
        return ref

    def send_signal(self, sig):
        """Send a signal to the child, and to no other process.

        Raises:
            ProcessLookupError: the child is known to have ended.
            PermissionError: the child runs as somebody else now.
        """
        cdef int number = as_int(sig)
        if not self.living:
            raise ProcessLookupError
        sys.audit("os.kill", self.pid, sig)
        cdef int rc = psn_ref_signal(self.ref(), number)
        if rc != -ESRCH:
            check(rc)

    @property
    def rusage(self):
        """What the child has used; None before the end, and if somebody else reaped it."""
        return None if self.usage is None else rusage_of(self.usage)

    def poll(self):
        """Ask the kernel; return the returncode, None while the child runs."""
        self.look()
        return self.returncode

    def wait_blocking(self, timeout=None):
        """Wait for the end on this thread, timeout seconds at most; say if it came."""
        deadline = None if timeout is None else monotonic() + timeout
        cdef int ms
        cdef psn_ref ref = self.ref()
        while self.living and self.poll() is None:
            ms = SIGNALS_MS
            if deadline is not None:
                if deadline <= monotonic():
                    return False
                ms = min(ms, max(1, int((deadline - monotonic()) * 1000)))
            with nogil:
                psn_reap_wait(ref, ms)
            PyErr_CheckSignals()
        return True

    def _begin_wait(self):
        """Return what is done with the end."""
        waiter = Waiter(self.engine.loop)
        if self.waiters is None:
            self.waiters = []
        self.waiters.append(waiter)
        return waiter

    def _wait_failed(self, waiter):
        if waiter in (self.waiters or ()):
            self.waiters.remove(waiter)


# The bell


@cython.no_gc_clear
cdef class Bell(Source):
    def __cinit__(self):
        self.listeners = set()
        self.serves = True

    cdef _open(self):
        """Get a bell from the best that works; without any the clock has to do."""
        cdef int fd = -1
        if _backend != BY_SIGCHLD and psn_waiter_open(&self.waiter) == 0:
            self.has_waiter = True
            fd = self.waiter.bell
        else:
            fd = psn_sigchld_open()
        if fd < 0:
            return
        try:
            self.engine.watch(self, fd, PSN_POLL_READ)
        except BaseException:
            self.fd = fd
            self.close_fd()
            raise

    cdef int listen(self, Mortal mortal) except -1:
        cdef uint64_t one = 1
        self.listeners.add(mortal)
        self._keep_ticking()
        # It may have ended before there was a bell to be rung.
        if self.fd >= 0:
            psn_sys_write(self.fd, &one, sizeof(one))
        if self.has_waiter:
            psn_waiter_poke(&self.waiter)
        return 0

    cdef int _ready(self, uint32_t events) except -1:
        cdef uint64_t rings
        # Before the look: who ends after it rings again.
        psn_sys_read(self.fd, &rings, sizeof(rings))
        self._ring()
        return 0

    cdef _ring(self):
        cdef Mortal mortal
        failed = None
        sweep()
        for listener in tuple(self.listeners):
            mortal = listener
            # One that fails must not cost the others their end.
            try:
                mortal._ready(PSN_POLL_READ)
            except BaseException as error:
                failed = error
        if self.has_waiter:
            psn_waiter_poke(&self.waiter)
        if failed is not None:
            raise failed

    cdef _keep_ticking(self):
        if not self.ticking and self.listeners:
            self.ticking = True
            self.engine.loop.call_later(TICK, self.tick)

    def tick(self):
        """Look, though nobody has rung."""
        self.ticking = False
        if self.engine.bell is not self or not self.engine.mine():
            return
        failed = None
        self.engine.dispatching = True
        try:
            self._ring()
        except BaseException as error:
            failed = error
        self._keep_ticking()
        self.engine.end_turn(failed)

    # Touches nothing of its own that the destructor has cleared.
    cdef void close_fd(self) noexcept:
        if self.slot >= 0:
            self.engine.unwatch(self)
        # A forked process has no threads; the bell there is the parent's.
        if not self.engine.mine():
            psn_sys_close(&self.fd)
        elif self.has_waiter:
            psn_waiter_close(&self.waiter)
            self.fd = -1
        elif self.fd >= 0:
            psn_sigchld_close(&self.fd)
        self.has_waiter = False


cdef Bell bell_of(Engine engine):
    cdef Bell bell
    if engine.bell is None:
        bell = Bell()
        bell.engine = engine
        bell._open()
        engine.bell = bell
    return <Bell>engine.bell


# Children without a loop


@cython.final
cdef class LeftBehind:
    cdef psn_ref ref

    def __dealloc__(self):
        psn_sys_close(&self.ref.pidfd)


cdef list _left_behind = []


cdef int leave_behind(psn_ref ref) except -1:
    cdef LeftBehind child = LeftBehind()
    child.ref = ref
    _left_behind.append(child)
    return 0


cdef int sweep() except -1:
    global _left_behind
    cdef psn_exit exit
    if not _left_behind:
        return 0
    children, _left_behind = _left_behind, []
    for child in children:
        if psn_reap_take((<LeftBehind>child).ref, &exit) == 0:
            _left_behind.append(child)
    return 0


# Children of the program's own


@cython.no_gc_clear
cdef class Adopted(Mortal):
    """A child that the program has started itself."""

    cdef int _let_go(self) except -1:
        self.waiters = None
        self.forget_quietly()
        return 0

    cdef forget_quietly(self):
        cdef psn_ref ref = self.forget()
        psn_sys_close(&ref.pidfd)
        self.engine.leave(self)

    cdef int on_end(self) except -1:
        self.engine.leave(self)
        return 0

    def _wait_failed(self, waiter):
        Mortal._wait_failed(self, waiter)
        # With nobody to tell, the child is left to whoever reaps it.
        if not self.waiters and self.living:
            self.forget_quietly()
            self.engine.look_idle()


cdef bint is_child(pid_t pid) except -1:
    cdef siginfo_t info
    while waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0:
        if errno == ECHILD:
            return False
        if errno != EINTR:
            raise error_of(-errno)
    return True


def adopt(loop, pid):
    """Return what has the end of a child of this process, by its number.

    Raises:
        ChildProcessError: it is no child of this process, or was reaped.
    """
    cdef Engine engine = engine_of(loop)
    cdef pid_t number = as_int(pid)
    cdef int pidfd = -1
    cdef Adopted adopted
    for held in engine.held:
        if isinstance(held, Mortal) and (<Mortal>held).living and (<Mortal>held).pid == number:
            # Somebody else may have reaped it, and its number be another child's.
            if psn_ref_is_there((<Mortal>held).ref()) or not is_child(number):
                return held
    if number <= 0:
        raise ValueError(f"pid must be a positive number, not {number}")
    adopted = Adopted()
    engine.use()
    if wants_pidfd():
        # Where it is refused, the child is learnt of by its number.
        pidfd = <int>syscall(SYS_pidfd_open, number, 0)
    try:
        # In this order: whom the pidfd means has not been replaced by another since.
        if not is_child(number):
            raise ChildProcessError(ECHILD, f"process {number} is no child of this process")
        adopted.live(engine, number, pidfd)
    except BaseException:
        psn_sys_close(&pidfd)
        raise
    finally:
        engine.unuse()
        engine.look_idle()
    engine.enter(adopted)
    return adopted
