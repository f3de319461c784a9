"""One child of one event loop: how it comes to be, how it is signalled, how it ends."""
cimport cython
from libc.signal cimport SIGKILL
from libc.stdint cimport uint32_t

from procession._ends cimport ReadEnd, WriteEnd
from procession._engine cimport CHILD, count, Engine, engine_of, Source
from procession._psn cimport (
    PSN_POLL_READ,
    PSN_STEP_NONE,
    psn_ref_signal,
    psn_ref,
)
from procession._reaper cimport leave_behind, sweep
from procession._spawn cimport (
    Fork,
    Newborn,
    Spawner,
    begin_spawn,
    end_use,
    failure,
    fork,
    free_job,
    plan,
    take_ref,
)
from procession._waiter cimport Waiter

import warnings

cdef enum:
    # How long the end of a loop waits for a killed child before it is reaped in the back.
    LAST_WAIT_MS = 200


@cython.no_gc_clear
cdef class Child(Newborn):
    cdef object loop
    cdef object command
    cdef Waiter born            # done with the outcome of the spawn
    cdef Fork fork              # on the slow road, until the outcome is known
    cdef object streams         # (stdin, stdout, stderr), kept alive until the exit
    cdef object owner           # a transport that hears of birth and exit, or None
    cdef bint unwanted          # whoever asked has gone: to be killed and reaped
    cdef readonly bint detached  # may outlive the loop

    def __cinit__(self, loop, command, streams, owner=None):
        self.loop = loop
        self.command = command
        self.streams = streams
        self.owner = owner
        count(CHILD, 1)

    def __dealloc__(self):
        count(CHILD, -1)

    # Birth

    cdef _start(self):
        cdef Engine engine = engine_of(self.loop)
        cdef Spawner spawner
        plan(self, self.command, self.command.args, self.command.executable)
        sweep()
        # Before anything is started, because nothing could be undone without.
        spawner = begin_spawn(engine, self)
        try:
            self.born = Waiter(self.loop)
            self.engine = engine
            if self.command.preexec_fn is None:
                spawner.submit(self)
            else:
                self.fork = fork(engine, self, self.command)
        except BaseException:
            self.leave_cgroup()
            end_use(engine)
            raise
        engine.enter(self)

    cdef int _born(self) except -1:
        """The outcome of the spawn is known."""
        self.fork = None
        if self.job.born.report.step == PSN_STEP_NONE:
            if self.unwanted:
                self._bury_newborn()
                self._leave()
            else:
                self._live()
        else:
            error = failure(self.job, self.command, self.command.executable)
            self._bury_newborn()
            self._leave()
            self._tell(error)
        free_job(self)
        self.command = None
        self.engine.unuse()
        return 0

    cdef _bury_newborn(self):
        (<Spawner>self.engine.spawner).bury(take_ref(self))

    cdef _live(self):
        stdin, stdout, stderr = self.streams
        # The caller has chosen a size.
        keeps_size = self.command.pipesize > 0
        try:
            if stdin is not None:
                (<WriteEnd>stdin).keeps_size = keeps_size
                (<WriteEnd>stdin).connect(self.engine, self.ends[0])
                self.ends[0] = -1
            if stdout is not None:
                (<ReadEnd>stdout).keeps_size = keeps_size
                (<ReadEnd>stdout).connect(self.engine, self.ends[1])
                self.ends[1] = -1
            if stderr is not None:
                (<ReadEnd>stderr).keeps_size = keeps_size
                (<ReadEnd>stderr).connect(self.engine, self.ends[2])
                self.ends[2] = -1
            self.live(self.engine, self.job.born.pid, self.job.born.pidfd)
            take_ref(self)
        except BaseException as error:
            self._bury_newborn()
            for end in self.streams:
                if end is not None:
                    (<Source>end)._let_go()
            self._leave()
            self._tell(error)
            return
        if self.owner is not None and not self.born.done():
            self.owner._started(self)
        if not self._tell(None):
            # Cancelled while this was on its way: a protocol that was never connected
            # hears of nothing.
            self.owner = None
            for end in self.streams:
                if end is not None:
                    (<Source>end)._let_go()
            self._end_unwanted()

    cdef _leave(self):
        """Nothing more will come of this child."""
        self.close_ends()
        self.leave_cgroup()
        self.streams = self.owner = None
        self.engine.leave(self)

    cdef _tell(self, error):
        """Tell the outcome; return whether somebody still wants it."""
        born, self.born = self.born, None
        return self.engine.wake(born, error)

    def abandon(self):
        """Kill and reap the child in the back, whatever its state; nobody wants it."""
        if self.unwanted or self.engine is None:
            return
        self.unwanted = True
        if self.fork is not None:
            self._kill_newborn()
        elif self.job != NULL:
            (<Spawner>self.engine.spawner).abandon(self)
            self._leave()
            self.engine.unuse()
        elif self.living:
            self._end_unwanted()

    cdef _kill_newborn(self):
        cdef psn_ref ref
        ref.pid = self.job.born.pid
        ref.pidfd = self.job.born.pidfd
        psn_ref_signal(ref, SIGKILL)

    cdef _end_unwanted(self):
        self.unwanted = True
        psn_ref_signal(self.ref(), SIGKILL)
        self.close_streams()

    def detach(self):
        """The end of the loop is not to be the child's."""
        self.detached = True

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

    # Death

    cdef int _ready(self, uint32_t events) except -1:
        if self.owner is not None:
            self._hear_out()
        return self.look()

    cdef _hear_out(self):
        """A protocol hears what the child wrote before it hears of its end."""
        for end in (self.streams or ())[1:]:
            if end is not None and (<ReadEnd>end).fd >= 0:
                (<ReadEnd>end)._ready(PSN_POLL_READ)

    cdef int on_end(self) except -1:
        try:
            if self.owner is not None:
                self.owner._exited(self.returncode)
        finally:
            self._leave()
        return 0

    cdef int _loop_closed(self) except -1:
        if self.fork is not None:
            # Each holds the other.
            self.fork = None
            self._bury_newborn()
            free_job(self)
            return 0
        if self.job != NULL:
            (<Spawner>self.engine.spawner).abandon(self)
            return 0
        if self.detached:
            return 0
        psn_ref_signal(self.ref(), SIGKILL)
        if not self.unwanted:
            warn_killed(self.pid)
        return 0

    cdef int _let_go(self) except -1:
        self.waiters = None
        self.owner = None
        if self.detached:
            leave_behind(self.forget())
        elif not self.outwait(LAST_WAIT_MS):
            (<Spawner>self.engine.spawner).bury(self.forget())
        self._leave()
        return 0


# noexcept: where warnings are errors, the others still have to be killed.
cdef void warn_killed(int pid) noexcept:
    warnings.warn(f"child process {pid} was still running when its event loop was closed: "
                  f"it is killed", ResourceWarning)


def start(loop, command, streams, owner=None):
    """Ask for a child. Return it with what is done when it has exec'ed.

    `streams` are (stdin, stdout, stderr), unconnected, None where there is no pipe. What
    can be found wrong beforehand is raised here, the rest by awaiting. The owner's
    `_started(child)` is called before anything is read, `_exited(returncode)` at the end.
    """
    cdef Child child = Child(loop, command, streams, owner)
    child._start()
    return child, child.born
