"""One command of many: started, fed, gathered, timed and ended by the engine alone.

A shot goes WAITING, STARTING, RUNNING, OVER; if it is stopped, by STOPPING and KILLING. It
is over when the child is reaped and its outputs have come to their ends, and then its sink
is told, once. It can be stopped in the middle of anything that allocates: the collector may
run there, and find a batch that was dropped. See "The path of a batch" in docs/architecture.md.
"""
cimport cython
from libc.signal cimport SIGKILL, SIGTERM
from libc.stdint cimport int64_t

from procession._capture cimport Capture, Feed
from procession._clock cimport clock_of
from procession._engine cimport CHILD, Engine, Source, count
from procession._psn cimport (
    PSN_STEP_NONE,
    psn_ref,
    psn_ref_signal,
    psn_sys_now_ns,
)
from procession._reaper cimport sweep
from procession._spawn cimport (
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
from procession._tree cimport living, signal_tree

import logging
import os
from time import time

from procession.completed import Completed
from procession.spec import UNIX_SHELL

logger = logging.getLogger("procession")

cdef enum:
    # How long the end of a loop waits for a killed child before it is reaped in the back.
    LAST_WAIT_MS = 200
    # Between looks at a tree that is being ended: from this to that.
    FIRST_PAUSE_NS = 5000000
    LAST_PAUSE_NS = 100000000

# How long an exec may take once the child is to be ended.
cdef int64_t HUNG_NS = 1000000000

# How long after SIGKILL a tree that is still there is given up: it hangs in the kernel.
cdef int64_t GIVE_UP_NS = 5000000000

# What the shell reports of a command that it cannot find, or cannot execute; and what
# timeout(1) and others report of one that they have not started.
NOT_FOUND = 127
NOT_EXECUTABLE = 126
NOT_STARTED = 125


cdef int64_t nanoseconds(seconds, str name) except? -2:
    """Return a time as a count, -1 for None or for ever."""
    if seconds is None:
        return -1
    cdef double value = seconds
    if value != value:
        raise ValueError(f"{name} must be a number of seconds, not nan")
    if value > 1e9:
        return -1
    return <int64_t>(max(value, 0.0) * 1e9)


cdef class Terms:
    def __init__(self, spec, *, executable=None, shell=False, input=None, timeout=None,
                 idle_timeout=None, eof_grace=None, grace=5.0, max_output=None,
                 stops_overflow=False, text=False, encoding=None, errors=None, retries=0,
                 backoff=None, priority=0, weight=1):
        self.spec = spec
        self.executable = executable
        self.shell = shell
        self.input = input
        self.timeout = timeout
        self.idle_timeout = idle_timeout
        self.timeout_ns = nanoseconds(timeout, "timeout")
        self.idle_ns = nanoseconds(idle_timeout, "idle_timeout")
        self.eof_grace_ns = nanoseconds(eof_grace, "eof_grace")
        self.grace_ns = nanoseconds(grace, "grace")
        self.head = -1
        if max_output is not None:
            self.tail = 0 if stops_overflow else max_output // 2
            self.head = max_output - self.tail
        self.stops_overflow = stops_overflow
        self.text = text
        self.encoding = encoding
        self.errors = errors
        self.retries = retries
        self.backoff = backoff
        self.priority = priority
        self.weight = weight

    def decode(self, data, bint is_cut=False):
        """Return an output as it was asked for: bytes, or text with its line ends made one."""
        if not self.text or data is None:
            return data
        # Where it was cut there may be half a character.
        errors = "replace" if is_cut and self.errors == "strict" else self.errors
        return (<bytes>data).decode(self.encoding, errors).replace(
            "\r\n", "\n").replace("\r", "\n")


def argv_of(args, bint shell, executable):
    """Return the arguments of a command as subprocess.Popen takes it.

    Raises:
        TypeError: it is nothing that can be run.
        ValueError: it is empty.
    """
    if isinstance(args, (str, bytes)):
        args = [args]
    elif isinstance(args, os.PathLike):
        if shell:
            raise TypeError("path-like args is not allowed when shell is true")
        args = [args]
    else:
        args = list(args)
        if not args:
            raise ValueError("a command must have at least one argument")
    if shell:
        # A shell is told its own name, other programs the one that the caller gives.
        return [executable or UNIX_SHELL, "-c", *args]
    return args


cdef class Sink:
    cdef int _over(self, Shot shot) except -1:
        return 0

    cdef int _held_open(self, Shot shot) except -1:
        return 0


@cython.no_gc_clear
cdef class Shot(Newborn):
    def __cinit__(self, Terms terms, args, long long index=0, int attempts=1):
        self.terms = terms
        self.item = self.args = args
        self.index = index
        self.attempts = attempts
        self.slot = -1
        self.stage = WAITING
        self.timer.owner = <void *>self
        count(CHILD, 1)

    def __dealloc__(self):
        if self.clock is not None:
            self.clock.unset(&self.timer)
        count(CHILD, -1)

    # What whoever prepares it can do

    def relay(self, out, err):
        """Give the outputs to functions as they come. Before it is begun."""
        self.takers = out, err

    def pause(self):
        """Take no more output, so that the child waits when its pipes are full."""
        self._pause(True)

    def resume(self):
        """Take output again."""
        self._pause(False)

    cdef int _pause(self, bint paused) except -1:
        self.paused = paused
        for capture in (self.out, self.err):
            if capture is not None:
                (<Capture>capture)._stop(paused)
        return 0

    def end(self, str reason="cancelled", grace=None):
        """End the tree, seconds after SIGTERM by SIGKILL."""
        self.stop(reason, self.terms.grace_ns if grace is None else <int64_t>(grace * 1e9))

    def send_signal(self, int sig):
        """Send a signal to the tree, if it is not being ended: as soon as it is there."""
        if self.stage == RUNNING:
            self._signal(sig)
        elif self.stage == STARTING:
            self.early_signal = sig

    # Birth

    cdef bint begin(self, Engine engine, Sink sink) except -1:
        cdef Terms terms = self.terms
        cdef Spawner spawner
        self.sink = sink
        self.started = time()
        self.began_ns = self.active_ns = psn_sys_now_ns()
        try:
            self.argv = argv_of(self.args, terms.shell, terms.executable)
            self.executable = self.argv[0] if terms.executable is None else terms.executable
            plan(self, terms.spec, self.argv, self.executable)
            sweep()
            # Before anything is started, because nothing could be undone without.
            spawner = begin_spawn(engine, self)
        except Exception as error:
            self.leave_cgroup()
            self.close_ends()
            free_job(self)
            return self._failed(error)
        try:
            self.engine = engine
            if terms.spec.preexec_fn is None:
                spawner.submit(self)
            else:
                self.fork = fork(engine, self, terms.spec)
        except BaseException as error:
            end_use(engine)
            self.leave_cgroup()
            self.close_ends()
            free_job(self)
            if not isinstance(error, Exception):
                raise
            return self._failed(error)
        # What is begun uses the engine until it is over, its tree included.
        engine.enter(self)
        if self.stage == OVER:
            # Stopped before it was under way.
            self.stage = STARTING
            self.stop(self.reason, 0)
            return True
        self.stage = STARTING
        if terms.timeout_ns >= 0:
            self.clock = clock_of(engine)
            self._plan_time()
        return True

    cdef bint _failed(self, error) except -1:
        """It could not be started."""
        self.error = error
        self.stage = OVER
        self.over_ns = psn_sys_now_ns()
        return False

    cdef int _born(self) except -1:
        """The outcome of the spawn is known."""
        cdef Engine engine = self.engine
        self.fork = None
        self.is_being_born = True
        try:
            if self.job.born.report.step != PSN_STEP_NONE:
                raise failure(self.job, self.terms.spec, self.executable)
            if self.stage == STARTING:
                self._connect()
        except BaseException as error:
            # An interruption is for whoever awaits the result.
            if self.stage == STARTING or not isinstance(error, Exception):
                self.error = error
        if self.error is not None or self.stage != STARTING:
            (<Spawner>engine.spawner).bury(take_ref(self))
            self._settle_ends()
            free_job(self)
            return self._finish()
        take_ref(self)
        free_job(self)
        self.stage = RUNNING
        self.is_being_born = False
        if self.terms.idle_ns >= 0:
            self._plan_time()
        if self.feed is not None:
            self.feed.put(self.terms.input or b"")
            self.feed.finish()
        if self.early_signal:
            self._signal(self.early_signal)
        if self.asked is not None:
            self.stop(self.asked, self.asked_grace_ns)
        return 0

    cdef int _connect(self) except -1:
        cdef Engine engine = self.engine
        if self.ends[0] >= 0:
            self.feed = Feed()
            self.feed.keeps_size = self.terms.spec.pipesize > 0
            self.feed.connect(engine, self.ends[0])
            self.ends[0] = -1
        self.out = self._capture(1)
        self.err = self._capture(2)
        self.live(engine, self.job.born.pid, self.job.born.pidfd)
        return 0

    cdef Capture _capture(self, int i):
        cdef Terms terms = self.terms
        cdef Capture capture
        if self.ends[i] < 0:
            return None
        capture = Capture(terms.head, terms.tail)
        if self.takers is not None and self.takers[i - 1] is not None:
            capture.relay(self.takers[i - 1])
        capture.stopped = self.paused
        capture.keeps_size = terms.spec.pipesize > 0
        capture.connect(self.engine, self.ends[i])
        capture.keeper = <void *>self
        self.ends[i] = -1
        return capture

    # What is heard of it

    cdef int on_end(self) except -1:
        self.exited = True
        if self.terms.eof_grace_ns >= 0:
            self.eof_by_ns = psn_sys_now_ns() + self.terms.eof_grace_ns
            self._plan_time()
        return self._look_over()

    cdef int _output_ended(self) except -1:
        if (self.out is not None and self.out.error is not None) or (
                self.err is not None and self.err.error is not None):
            # Nobody can take what it writes.
            self.stop("cancelled" if self.takers is not None else "output limit",
                      self.terms.grace_ns)
        return self._look_over()

    cdef int _output_came(self) except -1:
        if self.terms.idle_ns >= 0:
            self.active_ns = psn_sys_now_ns()
        return 0

    cdef int _output_overflowed(self) except -1:
        if self.terms.stops_overflow:
            self.stop("output limit", self.terms.grace_ns)
        return 0

    cdef int _look_over(self) except -1:
        """Finish if there is nothing to wait for."""
        if not self.exited or self.stage == OVER:
            return 0
        if (self.out is not None and not self.out.eof) or (
                self.err is not None and not self.err.eof):
            return 0
        if self.stage >= STOPPING and self._has_others():
            return 0
        return self._finish()

    # Its time

    cdef int _plan_time(self) except -1:
        """Set the timer for what comes first."""
        cdef int64_t at = -1
        cdef Terms terms = self.terms
        if self.stage >= STOPPING:
            at = min(psn_sys_now_ns() + self.pause_ns, self.kill_ns)
        else:
            if terms.timeout_ns >= 0:
                at = self.began_ns + terms.timeout_ns
            if terms.idle_ns >= 0 and self.stage == RUNNING and not self.exited:
                at = earlier(at, self.active_ns + terms.idle_ns)
            if self.eof_by_ns:
                at = earlier(at, self.eof_by_ns)
        if at < 0:
            return 0
        if self.clock is None:
            self.clock = clock_of(self.engine)
        return self.clock.set(&self.timer, at)

    cdef int _time(self) except -1:
        cdef Terms terms = self.terms
        cdef int64_t now = psn_sys_now_ns()
        # The clock rings a little early.
        cdef int64_t due = now + 1000000
        # The result may be the last to hold this.
        cdef Shot this = self
        if this.stage == OVER:
            return 0
        if this.stage >= STOPPING:
            return this._kill_on(due)
        if this.stage == STARTING and this.asked is not None:
            return this._abandon()
        if terms.timeout_ns >= 0 and due >= this.began_ns + terms.timeout_ns:
            return this.stop("timeout", terms.grace_ns)
        if this.eof_by_ns and due >= this.eof_by_ns:
            if this.sink is not None:
                this.sink._held_open(this)
            this._settle_ends()
            return this._finish()
        if (terms.idle_ns >= 0 and this.stage == RUNNING and not this.exited
                and due >= this.active_ns + terms.idle_ns):
            return this.stop("idle", terms.grace_ns)
        return this._plan_time()

    # Its end before its time

    cdef int stop(self, str reason, int64_t grace_ns) except -1:
        cdef psn_ref ref
        if self.stage == OVER:
            return 0
        if self.stage >= STOPPING:
            # Asked again: less patience, no other reason.
            if self.stage == STOPPING and grace_ns >= 0:
                self.kill_ns = min(self.kill_ns, psn_sys_now_ns() + grace_ns)
                return self._kill_on(psn_sys_now_ns())
            return 0
        if self.is_being_born or (self.stage == STARTING and self.fork is None):
            return self._stop_later(reason, grace_ns)
        self.reason = reason
        if self.stage == WAITING:
            self.stage = OVER
            return 0
        if self.stage == STARTING:
            # Its outcome comes soon, and ends it.
            self.stage = KILLING
            if self.clock is not None:
                self.clock.unset(&self.timer)
            ref.pid = self.job.born.pid
            ref.pidfd = self.job.born.pidfd
            psn_ref_signal(ref, SIGKILL)
            return 0
        self.pause_ns = FIRST_PAUSE_NS
        if grace_ns != 0:
            self.stage = STOPPING
            self.kill_ns = (1 << 62) if grace_ns < 0 else psn_sys_now_ns() + grace_ns
            self._signal(SIGTERM)
        else:
            self.kill_ns = psn_sys_now_ns()
            self.stage = STOPPING
            return self._kill_on(self.kill_ns)
        return self._plan_time()

    cdef int _stop_later(self, str reason, int64_t grace_ns) except -1:
        """Stop when the outcome of the spawn is known: the child may be there already, and
        have started others. An exec that hangs is not waited for."""
        if self.asked is None:
            self.asked = reason
            self.asked_grace_ns = grace_ns
        elif grace_ns >= 0 and (self.asked_grace_ns < 0 or grace_ns < self.asked_grace_ns):
            self.asked_grace_ns = grace_ns
        if self.is_being_born:
            return 0
        self.clock = clock_of(self.engine)
        return self.clock.set(&self.timer, psn_sys_now_ns() + HUNG_NS)

    cdef int _abandon(self) except -1:
        self.reason = self.asked
        (<Spawner>self.engine.spawner).abandon(self)
        self._settle_ends()
        return self._finish()

    cdef int _kill_on(self, int64_t now) except -1:
        """Go on with ending the tree: look whether it has gone, else press on."""
        self.pause_ns = min(self.pause_ns * 2, LAST_PAUSE_NS)
        if self.stage == STOPPING and now >= self.kill_ns:
            self.stage = KILLING
            self.kill_ns = now + GIVE_UP_NS
            self.pause_ns = FIRST_PAUSE_NS
        if self.stage == KILLING:
            if now >= self.kill_ns:
                self._settle_ends()
                if not self.exited:
                    (<Spawner>self.engine.spawner).bury(self.forget())
                return self._finish()
            self._signal(SIGKILL)
        self.look()
        if self.stage == OVER:
            return 0
        if self.exited and not self._has_others():
            # Whoever else holds an output is none of the tree.
            self._settle_ends()
            return self._finish()
        return self._plan_time()

    # A walk through the processes can fail for want of a descriptor or of memory: then the
    # child itself has the signal, and the others have theirs by the walks to come.

    cdef int _signal(self, int sig) except -1:
        try:
            signal_tree(self, sig)
        except (OSError, MemoryError) as error:
            logger.debug("the tree of process %d is not to be seen now: %s", self.pid, error)
            psn_ref_signal(self.ref(), sig)
        return 0

    cdef bint _has_others(self) except -1:
        try:
            return bool(living(self))
        except (OSError, MemoryError) as error:
            logger.debug("the tree of process %d is not to be seen now: %s", self.pid, error)
            return True

    cdef int _settle_ends(self) except -1:
        """Take what is in the pipes, and close them."""
        self.close_ends()
        for capture in (self.out, self.err):
            if capture is not None:
                (<Capture>capture).settle()
        if self.feed is not None:
            self.feed._lose(None)
        return 0

    cdef int _finish(self) except -1:
        cdef Sink sink
        if self.stage == OVER:
            return 0
        self.stage = OVER
        self.over_ns = psn_sys_now_ns()
        if self.clock is not None:
            self.clock.unset(&self.timer)
        self.close_ends()
        if self.feed is not None:
            self.feed._lose(None)
        self._leave_cgroup()
        self.engine.leave(self)
        self.engine.unuse()
        self.engine.look_idle()
        sink, self.sink = self.sink, None
        if sink is not None:
            sink._over(self)
        return 0

    cdef int _leave_cgroup(self) except -1:
        if self.cgroup is None:
            return 0
        if self.reason is None and self.returncode == -SIGKILL and self.cgroup.oom_killed():
            self.reason = "out of memory"
        return self.leave_cgroup()

    # The end of the loop

    cdef int _loop_closed(self) except -1:
        if self.fork is not None:
            # Each holds the other.
            self.fork = None
            (<Spawner>self.engine.spawner).bury(take_ref(self))
            free_job(self)
        elif self.job != NULL:
            (<Spawner>self.engine.spawner).abandon(self)
        elif self.living or self.stage >= STOPPING:
            # The rest of a tree that is being ended has no later.
            self._signal(SIGKILL)
        return 0

    cdef int _let_go(self) except -1:
        self.waiters = None
        self.sink = None
        self.stage = OVER
        if self.clock is not None:
            self.clock.unset(&self.timer)
        for end in (self.out, self.err, self.feed):
            if end is not None:
                (<Source>end)._let_go()
        if self.living and not self.outwait(LAST_WAIT_MS):
            (<Spawner>self.engine.spawner).bury(self.forget())
        self.close_ends()
        self.leave_cgroup()
        self.engine.leave(self)
        return 0

    # Its result

    cdef tuple outputs(self):
        if self.taken is None:
            self.taken = (None if self.out is None else self.out.take(),
                          None if self.err is None else self.err.take())
        return self.taken

    cdef object _text(self, data, Capture capture):
        try:
            return self.terms.decode(data, capture is not None and capture.left_out() > 0)
        except Exception as error:
            # Whatever a codec or a handler of errors that the program has registered raises.
            if self.error is None:
                self.error = error
            return data

    def result(self):
        """Return the Completed, when it is over."""
        out, err = self.outputs()
        out, err = self._text(out, self.out), self._text(err, self.err)
        cdef long long left_out = 0
        for capture in (self.out, self.err):
            if capture is not None:
                left_out += (<Capture>capture).left_out()
                if self.error is None:
                    self.error = (<Capture>capture).error
        reason = self.reason
        returncode = self.returncode
        if returncode is None:
            if self.error is not None:
                reason = "spawn error"
                is_missing = isinstance(self.error, FileNotFoundError)
                returncode = NOT_FOUND if is_missing else NOT_EXECUTABLE
            else:
                returncode = NOT_STARTED if self.pid == 0 else -SIGKILL
        elif reason is None:
            reason = "exit" if returncode >= 0 else "signal"
            if left_out > 0 and self.terms.stops_overflow:
                # It has ended by itself before it could be ended.
                reason = "output limit"
        return Completed(
            self.args, returncode, out, err, self.pid or None, reason, self.started,
            (self.over_ns - self.began_ns) * 1e-9 if self.over_ns else 0.0,
            self.usage, left_out, self.error, self.attempts, self.slot, self.index)


cdef inline int64_t earlier(int64_t a, int64_t b) noexcept:
    return b if a < 0 or b < a else a
