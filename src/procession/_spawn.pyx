"""From a command to a child: the plan, the threads that carry it out, the slow road."""
cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport EINVAL, errno
from libc.signal cimport SIGKILL
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport strdup, strerror
from posix.fcntl cimport F_SETFL, O_CLOEXEC, O_NONBLOCK, O_RDWR, fcntl
from posix.types cimport gid_t, pid_t

from procession._counts cimport count_time, counts, era
from procession._engine cimport Engine, Source
from procession._errors cimport as_int, check, error_of, limit_of, os_error_of
from procession._limits cimport limit_failure, pack_limits
from procession._logbook cimport is_told, log_end, log_failure, log_limit, log_spawn
from procession._psn cimport (
    PSN_POLL_READ,
    PSN_STEP_CHDIR,
    PSN_STEP_EXEC,
    PSN_STEP_LIMIT,
    PSN_STEP_MEMORY,
    PSN_STEP_NONE,
    PSN_STEP_PREEXEC,
    psn_abilities,
    psn_argv,
    psn_argv_extend,
    psn_argv_push,
    psn_argv_push_all,
    psn_child_exec,
    psn_child_exit,
    psn_child_prepare,
    psn_job,
    psn_job_close_ends,
    psn_job_free,
    psn_job_limit,
    psn_job_new,
    psn_job_note_caller,
    psn_job_seal,
    psn_lock_is_held,
    psn_ref,
    psn_ref_bury,
    psn_ref_signal,
    psn_report,
    psn_spawn_probe,
    psn_spawner_abandon,
    psn_spawner_bury,
    psn_spawner_close,
    psn_spawner_event_fd,
    psn_spawner_forget,
    psn_spawner_open,
    psn_spawner_submit,
    psn_spawner_take,
    psn_stack,
    psn_stack_free,
    psn_stack_init,
    psn_stdio_plan,
    psn_sys_close,
    psn_sys_dup,
    psn_sys_now_ns,
    psn_sys_open,
    psn_sys_read,
    psn_sys_write,
)
from procession._reaper cimport Mortal, wants_pidfd

import fcntl as fcntl_module
import gc
import os
import sys
from collections import deque
from subprocess import DEVNULL, PIPE, STDOUT, SubprocessError

cdef extern from "<unistd.h>" nogil:
    int pipe2(int *ends, int flags)
    pid_t c_fork "fork"()
    char **environ
    long syscall(long number, ...)

cdef extern from "<pthread.h>" nogil:
    int pthread_atfork(void (*prepare)() noexcept nogil, void (*parent)() noexcept nogil,
                       void (*child)() noexcept nogil)

cdef extern from "<sys/syscall.h>" nogil:
    enum:
        SYS_pidfd_open

cdef extern from "Python.h":
    bytes PyUnicode_EncodeFSDefault(object)
    void PyOS_BeforeFork()
    void PyOS_AfterFork_Parent()
    void PyOS_AfterFork_Child()

cdef enum:
    # More threads than this only take turns in the kernel.
    MOST_WORKERS = 8
    # Half a millisecond's worth.
    OUTCOMES_PER_TURN = 8
    # The kernel's NGROUPS_MAX.
    MOST_GROUPS = 65536

cdef object NO_FDS = ()
cdef object PREEXEC_FAILED = "Exception occurred in preexec_fn."
cdef object LARGEST_ID = 2 ** 32 - 1
cdef object LARGEST_LONG = 2 ** 63 - 1

# From which descriptor on a process is large, so that its children are made by threads with
# a descriptor table of their own: that costs 10 microseconds, copying so large a table 20.
# Changed by tests only.
TABLES = {"auto": 256, "own": 1}
cdef int _own_table_from = TABLES["auto"]


def use_table(name):
    """Choose whose descriptor table is copied, for engines that are made from now on. For
    tests: by itself each spawn takes what costs less."""
    global _own_table_from
    _own_table_from = TABLES[name]


# Tried out before the first spawn.
cdef psn_abilities _abilities
cdef bint _has_abilities = False

# The value of PATH, and the directories in it.
cdef object _path = None
cdef list _directories = []


@cython.no_gc_clear
cdef class Newborn(Mortal):
    def __cinit__(self, *args, **kwargs):
        for i in range(3):
            self.ends[i] = -1

    def __dealloc__(self):
        self.settle_account()
        self.close_ends()
        free_job(self)

    cdef int _born(self) except -1:
        return 0

    cdef int _output_came(self) except -1:
        return 0

    cdef int _output_overflowed(self) except -1:
        return 0

    cdef int _output_ended(self) except -1:
        return 0

    cdef void open_account(self) noexcept:
        self.account = QUEUED
        self.era = era
        counts.queued += 1

    cdef void settle_account(self) noexcept:
        account, self.account = self.account, NOTHING
        # A forked process has inherited the object, not the child.
        if self.era != era:
            return
        if account == QUEUED:
            counts.queued -= 1
        elif account == ALIVE:
            counts.ended += 1

    cdef int64_t note_outcome(self) noexcept:
        cdef int64_t now = psn_sys_now_ns()
        cdef int64_t taken = now - self.since_ns
        self.since_ns = now
        self.settle_account()
        count_time(taken)
        if self.job.born.report.step == PSN_STEP_NONE:
            counts.spawned += 1
            self.account = ALIVE
        else:
            counts.failed += 1
        return taken

    cdef int note_end(self) except -1:
        if self.program is not None:
            log_end(self.pid, self.returncode, psn_sys_now_ns() - self.since_ns)
        return 0

    cdef void close_ends(self) noexcept:
        for i in range(3):
            psn_sys_close(&self.ends[i])

    cdef int leave_cgroup(self) except -1:
        if self.cgroup is not None:
            self.cgroup.leave()
        return 0


cdef int tell_failure(Newborn newborn, reason, limit, int64_t taken_ns) except -1:
    if newborn.program is not None:
        log_failure(newborn.program, reason, taken_ns)
    if limit is not None:
        log_limit(limit)
    return 0


cdef int note_refusal(Newborn newborn, error) except -1:
    counts.failed += 1
    reason = getattr(error, "strerror", None) or type(error).__name__
    limit = getattr(error, "limit", None)
    return tell_failure(newborn, reason, limit, psn_sys_now_ns() - newborn.since_ns)


cdef void free_job(Newborn newborn) noexcept:
    psn_job_free(newborn.job)
    newborn.job = NULL


cdef psn_ref take_ref(Newborn newborn) noexcept:
    cdef psn_ref ref
    ref.pid = newborn.job.born.pid
    ref.pidfd = newborn.job.born.pidfd
    newborn.job.born.pid = newborn.job.born.pidfd = -1
    return ref


cdef int hand_over(Newborn newborn) except -1:
    cdef psn_report report = newborn.job.born.report
    cdef int pid = newborn.job.born.pid
    cdef int64_t taken = newborn.note_outcome()
    # The log comes last: a handler of the program's may raise, or do anything to the child.
    # One that nobody wanted any more is not living: it is ended in the back.
    try:
        newborn._born()
    finally:
        if not newborn.living:
            newborn.settle_account()
        if report.step != PSN_STEP_NONE:
            reason = strerror(-report.err).decode()
            if report.step == PSN_STEP_PREEXEC:
                reason = PREEXEC_FAILED
            tell_failure(newborn, reason, limit_of(report.err), taken)
        elif newborn.program is not None:
            log_spawn(newborn.program, pid, taken)
    return 0


# The spawner's threads


@cython.no_gc_clear
cdef class Spawner(Source):
    def __cinit__(self):
        self.done = deque()
        self.serves = True

    cdef int submit(self, Newborn newborn) except -1:
        newborn.job.owner = <void *>newborn
        cdef int rc = psn_spawner_submit(self.spawner, newborn.job)
        if rc < 0:
            error = error_of(rc)
            note_refusal(newborn, error)
            raise error
        newborn.open_account()
        return 0

    cdef void abandon(self, Newborn newborn) noexcept:
        cdef psn_job *job = newborn.job
        newborn.job = NULL
        newborn.settle_account()
        if job == NULL or self.spawner == NULL:
            return
        if newborn not in self.done:
            psn_spawner_abandon(self.spawner, job)
            return
        # Taken back from the threads already, not handed over yet.
        self.done.remove(newborn)
        newborn.job = job
        self.bury(take_ref(newborn))
        free_job(newborn)

    cdef void bury(self, psn_ref ref) noexcept:
        if ref.pid > 0 or ref.pidfd >= 0:
            psn_spawner_bury(self.spawner, ref)

    cdef int _ready(self, uint32_t events) except -1:
        cdef psn_job *job = psn_spawner_take(self.spawner)
        cdef Newborn newborn
        while job != NULL:
            newborn = <Newborn>job.owner
            newborn.job = job
            job = job.next
            self.done.append(newborn)
        return self._turn()

    cdef int _turn(self) except -1:
        """Hand over a few outcomes: what the program does with each takes the loop longer
        than this, and other work has to have its turn."""
        failed = None
        for _ in range(min(len(self.done), OUTCOMES_PER_TURN)):
            newborn = self.done.popleft()
            # One that fails must not cost the others their outcome.
            try:
                if (<Newborn>newborn).job != NULL:
                    hand_over(<Newborn>newborn)
            except BaseException as error:
                failed = error
        if self.done:
            self.engine.defer(self)
        if failed is not None:
            raise failed
        return 0

    cdef void close_fd(self) noexcept:
        if self.slot >= 0:
            self.engine.wake_fd = -1
            self.engine.unwatch(self)
        if self.spawner == NULL:
            return
        # A forked process has no threads, and the lock may be held for ever.
        if self.engine.mine():
            psn_spawner_close(self.spawner)
        else:
            psn_spawner_forget(self.spawner)
        self.fd = -1
        self.spawner = NULL


cdef int learn_abilities(psn_abilities *can) except -1:
    """Find out what the kernel lets us do, the first time."""
    global _abilities, _has_abilities
    cdef psn_abilities found
    cdef psn_stack stack
    cdef int rc
    if not _has_abilities:
        check(psn_stack_init(&stack))
        # Several threads may be at it: each finds the same.
        with nogil:
            rc = psn_spawn_probe(&stack, &found)
        psn_stack_free(&stack)
        if rc < 0:
            raise os_error_of(rc)
        _abilities = found
        _has_abilities = True
    can[0] = _abilities
    if not wants_pidfd():
        can.has_pidfd = False
    can.own_table_from = _own_table_from
    return 0


cdef Spawner begin_spawn(Engine engine, Newborn newborn):
    try:
        engine.use()
        try:
            return spawner_of(engine)
        except BaseException:
            end_use(engine)
            raise
    except (MemoryError, OSError) as error:
        note_refusal(newborn, error)
        raise


cdef int end_use(Engine engine) except -1:
    engine.unuse()
    return engine.look_idle()


cdef Spawner spawner_of(Engine engine):
    if engine.spawner is not None:
        return <Spawner>engine.spawner
    cdef Spawner spawner = Spawner()
    cdef int workers = min(len(os.sched_getaffinity(0)), MOST_WORKERS)
    learn_abilities(&spawner.can)
    check(psn_spawner_open(&spawner.spawner, workers, &spawner.can))
    spawner.engine = engine
    engine.spawner = spawner
    try:
        engine.watch(spawner, psn_spawner_event_fd(spawner.spawner), PSN_POLL_READ)
    except BaseException:
        engine.spawner = None
        raise
    engine.wake_fd = spawner.fd
    return spawner


# The plan


cdef int push(psn_argv *argv, bytes item) except -1:
    cdef int rc = psn_argv_push(argv, PyBytes_AS_STRING(item), PyBytes_GET_SIZE(item))
    if rc == -EINVAL:
        raise ValueError("embedded null byte")
    return check(rc)


cdef int extend(psn_argv *argv, char sep, bytes item) except -1:
    cdef int rc = psn_argv_extend(argv, sep, PyBytes_AS_STRING(item), PyBytes_GET_SIZE(item))
    if rc == -EINVAL:
        raise ValueError("embedded null byte")
    return check(rc)


cdef bytes encode(item):
    if type(item) is bytes:
        return item
    if type(item) is str:
        return PyUnicode_EncodeFSDefault(item)
    return os.fsencode(item)


cdef int pack_env(psn_job *job, env) except -1:
    cdef bytes name
    if env is None:
        # A copy: another task may change the environment before the thread gets to it.
        return check(psn_argv_push_all(&job.env, environ))
    for key, value in env.items():
        name = encode(key)
        if b"=" in name:
            raise ValueError("illegal environment variable name")
        push(&job.env, name)
        extend(&job.env, c"=", encode(value))
    return 0


cdef list directories(env):
    global _path, _directories
    if env is not None:
        return [os.fsencode(directory) for directory in os.get_exec_path(env)]
    path = os.environ.get("PATH")
    if path is None:
        return [os.fsencode(directory) for directory in os.get_exec_path()]
    if path != _path:
        _directories = [os.fsencode(directory) for directory in path.split(os.pathsep)]
        _path = path
    return _directories


cdef int pack_paths(psn_job *job, bytes program, env) except -1:
    cdef bytes directory
    if b"/" in program:
        return push(&job.paths, program)
    for directory in directories(env):
        if not directory:
            push(&job.paths, program)
        elif directory.endswith(b"/"):
            push(&job.paths, directory + program)
        else:
            push(&job.paths, directory)
            extend(&job.paths, c"/", program)
    return 0


cdef int64_t as_id(value, str name) except? -1:
    """Return a user or group id, -1 for None. The words are the interpreter's."""
    if value is None:
        return -1
    if value > LARGEST_LONG:
        raise OverflowError(f"{name} is greater than maximum")
    if value > LARGEST_ID:
        raise OverflowError(f"{name} is less than minimum")
    return value


cdef int pack_options(psn_job *job, command) except -1:
    cdef bytes cwd
    cdef Py_ssize_t i, n
    if command.cwd is not None:
        cwd = encode(command.cwd)
        if b"\0" in cwd:
            raise ValueError("embedded null byte")
        job.cwd = strdup(PyBytes_AS_STRING(cwd))
        if job.cwd == NULL:
            raise MemoryError
    job.plan.umask = as_int(command.umask)
    job.plan.restore_signals = bool(command.restore_signals)
    job.plan.new_session = bool(command.start_new_session)
    job.plan.process_group = as_int(command.process_group)
    job.plan.uid = as_id(command.uid, "uid")
    job.plan.gid = as_id(command.gid, "gid")
    if command.gids is not None:
        n = len(command.gids)
        if n > MOST_GROUPS:
            raise ValueError("too many extra_groups")
        job.groups = <gid_t *>malloc(max(n, 1) * sizeof(gid_t))
        if job.groups == NULL:
            raise MemoryError
        for i in range(n):
            try:
                job.groups[i] = as_id(command.gids[i], "gid")
            except OverflowError:
                raise ValueError("invalid group id") from None
        job.plan.n_groups = n
        job.plan.set_groups = True
    return 0


cdef int open_pipe(Newborn newborn, int i, pipesize) except -1:
    cdef int ends[2]
    cdef int child = 0 if i == 0 else 1
    if pipe2(ends, O_CLOEXEC) < 0:
        raise os_error_of(-errno)
    newborn.job.ends[i] = ends[child]
    newborn.ends[i] = ends[1 - child]
    # Ours only: the child's end is another open file description and stays blocking.
    fcntl(newborn.ends[i], F_SETFL, O_NONBLOCK)
    if pipesize > 0:
        # The module's, for what it makes of a size that is out of range.
        fcntl_module.fcntl(ends[1], fcntl_module.F_SETPIPE_SZ, pipesize)
    return 0


cdef int own(int fd) except -1:
    """Return a copy of the caller's descriptor: what it does with its own in the meantime
    does not matter then."""
    cdef int copy = psn_sys_dup(fd)
    if copy < 0:
        raise os_error_of(copy)
    return copy


cdef int lend(psn_job *job, int i, int fd) except -1:
    """Return what the child gets as the stream that is the caller's descriptor: a copy, but
    of a file by which this process holds a record lock. The lock would go with the copy; and
    whoever holds one does not close the descriptor, with which it would go as well."""
    if psn_lock_is_held(fd):
        return fd
    job.ends[i] = own(fd)
    return job.ends[i]


cdef int plan_stdio(Newborn newborn, command) except -1:
    cdef psn_job *job = newborn.job
    cdef int source[3]
    cdef int *keep = NULL
    cdef int fd
    cdef Py_ssize_t n = 0
    for i, wish in enumerate((command.stdin, command.stdout, command.stderr)):
        source[i] = -1
        if wish is None:
            pass
        elif wish == PIPE:
            open_pipe(newborn, i, command.pipesize)
            source[i] = job.ends[i]
        elif wish == DEVNULL:
            fd = psn_sys_open("/dev/null", O_RDWR | O_CLOEXEC)
            if fd < 0:
                raise os_error_of(fd)
            source[i] = job.ends[i] = fd
        elif i == 2 and wish == STDOUT:
            source[2] = source[1]
            if source[1] < 0:
                source[2] = lend(job, 2, as_int(sys.__stdout__.fileno()))
        elif isinstance(wish, int):
            source[i] = lend(job, i, as_int(wish))
        else:
            fd = as_int(wish.fileno())
            # As in Popen: no descriptor is no redirection.
            if fd != -1:
                source[i] = lend(job, i, fd)
    pass_fds = command.pass_fds
    if pass_fds is not NO_FDS:
        pass_fds = sorted(map(int, set(pass_fds)))
    try:
        if pass_fds:
            if pass_fds[0] < 0 or pass_fds[-1] > 0x7fffffff:
                raise ValueError("bad value(s) in fds_to_keep")
            n = len(pass_fds)
            keep = <int *>malloc(n * sizeof(int))
            if keep == NULL:
                raise MemoryError
            for i in range(n):
                keep[i] = pass_fds[i]
        check(psn_stdio_plan(&job.plan.stdio, source, keep, n, bool(command.close_fds)))
    finally:
        free(keep)
    return 0


# The mark of the latest child; 0 before the first one. Not from 1 on, because the children
# of others, who run this package as well, have theirs.
cdef uint64_t _mark = 0


cdef void forget_marks() noexcept nogil:
    global _mark
    _mark = 0


# A forked process would give the marks of its parent's next children.
check(-pthread_atfork(NULL, NULL, forget_marks))


cdef uint64_t new_mark() except 0:
    """Return a number that no other child on this machine has. With 62 bits, it is far from
    any that a person would choose as a limit, and from the kernel's infinity."""
    global _mark
    if _mark == 0:
        _mark = int.from_bytes(os.urandom(8), "little") >> 3 | 1 << 61
    _mark += 1
    return _mark


cdef int plan(Newborn newborn, command, args, executable) except -1:
    newborn.since_ns = psn_sys_now_ns()
    if is_told():
        newborn.program = executable
    try:
        return make_plan(newborn, command, args, executable)
    except (MemoryError, OSError) as error:
        note_refusal(newborn, error)
        raise


cdef int make_plan(Newborn newborn, command, args, executable) except -1:
    cdef psn_job *job = psn_job_new()
    if job == NULL:
        raise MemoryError
    newborn.job = job
    plan_stdio(newborn, command)
    sys.audit("subprocess.Popen", executable, args, command.cwd, command.env)
    pack_env(job, command.env)
    program = encode(executable)
    pack_paths(job, program, command.env)
    for arg in args:
        push(&job.argv, program if arg is executable else encode(arg))
    pack_options(job, command)
    job.plan.mark = newborn.mark = new_mark()
    psn_job_note_caller(job)
    if command.limits is not None:
        check(psn_job_limit(job))
        newborn.cgroup = pack_limits(job.limits, command.limits)
    return check(psn_job_seal(job))


cdef object failure(psn_job *job, command, executable):
    cdef psn_report *report = &job.born.report
    if report.step == PSN_STEP_PREEXEC:
        return SubprocessError(PREEXEC_FAILED)
    if report.step == PSN_STEP_MEMORY:
        return error_of(report.err)
    if report.step == PSN_STEP_LIMIT:
        return limit_failure(report)
    filename = None
    if report.step == PSN_STEP_EXEC:
        filename = executable
    elif report.step == PSN_STEP_CHDIR:
        filename = command.cwd
    return os_error_of(report.err, filename)


# The slow road


@cython.no_gc_clear
cdef class Fork(Source):
    cdef int _ready(self, uint32_t events) except -1:
        cdef psn_job *job = self.newborn.job
        # Nothing but the end of file: the child's end was closed by exec.
        psn_sys_read(self.fd, &job.born.report, sizeof(job.born.report))
        self.close_fd()
        newborn, self.newborn = self.newborn, None
        hand_over(<Newborn>newborn)
        return 0


cdef void be_child(psn_job *job, int *gate, int report_fd, preexec_fn,
                   bint inherits_env) noexcept:
    """The child's side of fork. Never returns."""
    cdef psn_report *report = &job.born.report
    cdef char byte
    psn_sys_close(&gate[1])
    psn_sys_read(gate[0], &byte, 1)
    psn_sys_close(&gate[0])
    # Nothing was blocked for the fork, and what preexec_fn changes has to stay.
    job.plan.signal_mask = NULL
    if psn_child_prepare(&job.plan, report) == 0:
        try:
            preexec_fn()
        except BaseException:
            report.step = PSN_STEP_PREEXEC
        else:
            # What preexec_fn did to the environment counts.
            if inherits_env:
                job.plan.envp = environ
            psn_child_exec(&job.plan, report)
    psn_sys_write(report_fd, report, sizeof(job.born.report))
    psn_child_exit(255)


cdef void end_at_once(Newborn newborn) noexcept:
    cdef psn_ref ref = take_ref(newborn)
    psn_ref_signal(ref, SIGKILL)
    psn_ref_bury(ref)


cdef Fork fork(Engine engine, Newborn newborn, command):
    try:
        waiting = begin_fork(engine, newborn, command)
    except (MemoryError, OSError) as error:
        note_refusal(newborn, error)
        raise
    newborn.open_account()
    return waiting


cdef Fork begin_fork(Engine engine, Newborn newborn, command):
    cdef psn_job *job = newborn.job
    cdef Fork waiting = Fork()
    cdef int ends[2]
    # Where the child waits until the parent has all that it needs: one that has ended may
    # be reaped by somebody else, and its number be another's, before there is a pidfd.
    cdef int gate[2]
    cdef int report_fd, err
    if pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0:
        raise os_error_of(-errno)
    waiting.fd = ends[0]
    try:
        # Out of the way of the child's stdio.
        report_fd = own(ends[1])
    finally:
        psn_sys_close(&ends[1])
    if pipe2(gate, O_CLOEXEC) < 0:
        err = -errno
        psn_sys_close(&report_fd)
        raise os_error_of(err)
    collects = gc.isenabled()
    gc.disable()
    PyOS_BeforeFork()
    job.born.pid = c_fork()
    if job.born.pid == 0:
        PyOS_AfterFork_Child()
        be_child(job, gate, report_fd, command.preexec_fn, command.env is None)
    err = -errno
    PyOS_AfterFork_Parent()
    if collects:
        gc.enable()
    psn_sys_close(&report_fd)
    psn_job_close_ends(job)
    try:
        if job.born.pid < 0:
            raise os_error_of(err)
        waiting.newborn = newborn
        attend(engine, waiting)
        # By a byte, since another child of a fork may hold a copy of this end; and while
        # the other end is open here, so that nothing is signalled if the child is gone.
        psn_sys_write(gate[1], b"\0", 1)
    finally:
        psn_sys_close(&gate[0])
        psn_sys_close(&gate[1])
    return waiting


cdef int attend(Engine engine, Fork waiting) except -1:
    """Get what is needed to hear of a child that waits at its gate, else end it."""
    cdef psn_job *job = waiting.newborn.job
    try:
        if (<Spawner>engine.spawner).can.has_pidfd:
            job.born.pidfd = <int>syscall(SYS_pidfd_open, job.born.pid, 0)
            if job.born.pidfd < 0:
                raise os_error_of(-errno)
        return engine.watch(waiting, waiting.fd, PSN_POLL_READ)
    except BaseException:
        end_at_once(waiting.newborn)
        raise
