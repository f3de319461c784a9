"""One child of one event loop: how it comes to be, how it is signalled, how it ends."""
cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport ESRCH
from libc.signal cimport SIGKILL
from libc.stdint cimport uint32_t
from posix.wait cimport WEXITSTATUS, WIFSIGNALED, WTERMSIG

from procession._engine cimport CHILD, count, Engine, engine_of
from procession._errors cimport as_int, check
from procession._psn cimport (
    PSN_EXIT_UNKNOWN,
    PSN_POLL_READ,
    PSN_STEP_NONE,
    psn_exit,
    psn_reap_signal,
    psn_reap_take,
    psn_reap_wait,
)
from procession._ends cimport ReadEnd, WriteEnd
from procession._spawn cimport Fork, Newborn, Spawner, failure, fork, free_job, plan, spawner_of

import logging
import warnings
from time import monotonic

logger = logging.getLogger("asyncio")

cdef enum:
    # What asyncio reports where the kernel cannot tell any more.
    UNKNOWN_STATUS = 255
    # How long the end of a loop waits for a killed child before it is reaped in the back.
    LAST_WAIT_MS = 200
    # How often a wait that blocks looks for Ctrl-C.
    SIGNALS_MS = 50


@cython.no_gc_clear
cdef class Child(Newborn):
    """The source's descriptor is the pidfd, -1 before the birth and after the end."""
    cdef object loop
    cdef object command
    cdef object born            # a future, done with the outcome of the spawn
    cdef Fork fork              # on the slow road, until the outcome is known
    cdef object streams         # (stdin, stdout, stderr), kept alive until the exit
    cdef list waiters           # futures of those who wait for the exit
    cdef object owner           # a transport that hears of birth and exit, or None
    cdef bint unwanted          # whoever asked has gone: to be killed and reaped
    cdef readonly int pid
    cdef readonly object returncode

    def __cinit__(self, loop, command, streams, owner=None):
        self.loop = loop
        self.command = command
        self.streams = streams
        self.owner = owner
        self.waiters = []
        count(CHILD, 1)

    def __dealloc__(self):
        count(CHILD, -1)

    # Birth

    cdef _start(self):
        cdef Engine engine = engine_of(self.loop)
        cdef Spawner spawner
        plan(self, self.command)
        engine.use()
        try:
            # Before anything is started, because nothing could be undone without.
            spawner = spawner_of(engine)
            self.born = self.loop.create_future()
            self.engine = engine
            if self.command.preexec_fn is None:
                spawner.submit(self)
            else:
                self.fork = fork(engine, self, self.command.preexec_fn)
        except BaseException:
            engine.unuse()
            engine.look_idle()
            raise
        engine.held.add(self)

    cdef int _born(self) except -1:
        """The outcome of the spawn is known."""
        self.fork = None
        if self.job.born.report.step == PSN_STEP_NONE:
            self.pid = self.job.born.pid
            if self.unwanted:
                self._bury_newborn()
                self._leave()
            else:
                self._live()
        else:
            error = failure(self.job, self.command)
            if self.job.born.pidfd >= 0:
                self._bury_newborn()
            self._leave()
            self._tell(error)
        free_job(self)
        self.command = None
        self.engine.unuse()
        return 0

    cdef _bury_newborn(self):
        pidfd, self.job.born.pidfd = self.job.born.pidfd, -1
        (<Spawner>self.engine.spawner).bury(pidfd)

    cdef _live(self):
        stdin, stdout, stderr = self.streams
        try:
            if stdin is not None:
                (<WriteEnd>stdin).connect(self.engine, self._take_end(0))
            if stdout is not None:
                (<ReadEnd>stdout).connect(self.engine, self._take_end(1))
            if stderr is not None:
                (<ReadEnd>stderr).connect(self.engine, self._take_end(2))
            self.engine.watch(self, self.job.born.pidfd, PSN_POLL_READ)
            self.job.born.pidfd = -1
        except BaseException as error:
            self._bury_newborn()
            self._leave()
            self._tell(error)
            return
        if self.owner is not None and not self.born.done():
            self.owner._started(self)
        if not self._tell(None):
            # Cancelled while this was on its way.
            self._end_unwanted()

    cdef int _take_end(self, int i):
        fd, self.ends[i] = self.ends[i], -1
        return fd

    cdef _leave(self):
        """Nothing more will come of this child."""
        self.close_ends()
        self.streams = self.owner = None
        self.engine.held.discard(self)

    cdef _tell(self, error):
        """Tell the outcome; return whether somebody still wants it."""
        born, self.born = self.born, None
        if born.done():
            return False
        if error is None:
            born.set_result(None)
        else:
            born.set_exception(error)
        return True

    def abandon(self):
        """Kill and reap the child in the back, whatever its state; nobody wants it."""
        if self.unwanted or self.engine is None:
            return
        self.unwanted = True
        if self.fork is not None:
            psn_reap_signal(self.job.born.pidfd, SIGKILL)
        elif self.job != NULL:
            (<Spawner>self.engine.spawner).abandon(self)
            self._leave()
            self.engine.unuse()
        elif self.returncode is None:
            self._end_unwanted()

    cdef _end_unwanted(self):
        self.unwanted = True
        psn_reap_signal(self.fd, SIGKILL)
        self.close_streams()

    def close_streams(self):
        """Close our side of the pipes; what was read stays."""
        if self.streams is None:
            return
        stdin, stdout, stderr = self.streams
        if stdin is not None:
            stdin._abort()
        if stdout is not None:
            stdout._shut()
        if stderr is not None:
            stderr._shut()

    # Life

    def send_signal(self, sig):
        """Send a signal through the pidfd, which cannot mean another process.

        Raises:
            ProcessLookupError: the child is known to have ended.
            PermissionError: the child runs as somebody else now.
        """
        if self.returncode is not None or self.fd < 0:
            raise ProcessLookupError
        cdef int rc = psn_reap_signal(self.fd, as_int(sig))
        if rc != -ESRCH:
            check(rc)

    def poll(self):
        """Ask the kernel; return the returncode, None while the child runs."""
        if self.returncode is None and self.fd >= 0:
            self._ready(0)
        return self.returncode

    def wait_blocking(self, timeout=None):
        """Wait for the exit on this thread, timeout seconds at most; say if it came."""
        deadline = None if timeout is None else monotonic() + timeout
        cdef int ms
        cdef int fd = self.fd
        while self.poll() is None:
            ms = SIGNALS_MS
            if deadline is not None:
                if deadline <= monotonic():
                    return False
                ms = min(ms, max(1, int((deadline - monotonic()) * 1000)))
            with nogil:
                psn_reap_wait(fd, ms)
            PyErr_CheckSignals()
        return True

    def _begin_wait(self):
        """Return a future that is done with the exit."""
        waiter = self.loop.create_future()
        self.waiters.append(waiter)
        return waiter

    def _wait_failed(self, waiter):
        if waiter in self.waiters:
            self.waiters.remove(waiter)

    # Death

    cdef int _ready(self, uint32_t events) except -1:
        cdef psn_exit exit
        cdef int rc
        if self.owner is not None:
            self._hear_out()
            if self.fd < 0:
                return 0
        rc = psn_reap_take(self.fd, &exit)
        check(rc)
        if rc == 1:
            self._ended(&exit)
        return 0

    cdef _hear_out(self):
        """A protocol hears what the child wrote before it hears of its end."""
        for end in self.streams[1:]:
            if end is not None and (<ReadEnd>end).fd >= 0:
                (<ReadEnd>end)._ready(PSN_POLL_READ)

    cdef _ended(self, psn_exit *exit):
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
        self.close_fd()
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(self.returncode)
        if self.owner is not None:
            self.owner._exited(self.returncode)
        self._leave()

    cdef int _loop_closed(self) except -1:
        if self.fork is not None:
            self._bury_newborn()
            free_job(self)
            return 0
        if self.job != NULL:
            (<Spawner>self.engine.spawner).abandon(self)
            return 0
        psn_reap_signal(self.fd, SIGKILL)
        if not self.unwanted:
            warn_killed(self.pid)
        return 0

    cdef int _let_go(self) except -1:
        cdef psn_exit exit
        cdef int fd
        self.waiters.clear()
        self.owner = None
        if self.fd < 0:
            self._leave()
            return 0
        if psn_reap_wait(self.fd, LAST_WAIT_MS) and psn_reap_take(self.fd, &exit) == 1:
            self._ended(&exit)
            return 0
        self.engine.unwatch(self)
        fd, self.fd = self.fd, -1
        (<Spawner>self.engine.spawner).bury(fd)
        self._leave()
        return 0


# noexcept: where warnings are errors, the others still have to be killed.
cdef void warn_killed(int pid) noexcept:
    warnings.warn(f"child process {pid} was still running when its event loop was closed: "
                  f"it is killed", ResourceWarning)


def start(loop, command, streams, owner=None):
    """Ask for a child. Return it with a future that is done when it has exec'ed.

    `streams` are (stdin, stdout, stderr), unconnected, None where there is no pipe. What
    can be found wrong beforehand is raised here, the rest by the future. The owner's
    `_started(child)` is called before anything is read, `_exited(returncode)` at the end.
    """
    cdef Child child = Child(loop, command, streams, owner)
    child._start()
    return child, child.born
