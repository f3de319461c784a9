"""From a Limits to what the child sets."""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy, memset
from posix.types cimport pid_t

from procession._cgroup cimport Leaf
from procession._errors cimport limit_error_of
from procession._psn cimport (
    PSN_LIMIT_CGROUP,
    PSN_LIMIT_CORE,
    PSN_LIMIT_CPU_SECONDS,
    PSN_LIMIT_CPUS,
    PSN_LIMIT_DIE_WITH_PARENT,
    PSN_LIMIT_FILE_SIZE,
    PSN_LIMIT_IO_PRIORITY,
    PSN_LIMIT_MEMORY,
    PSN_LIMIT_NICE,
    PSN_LIMIT_NO_NEW_PRIVILEGES,
    PSN_LIMIT_OOM_SCORE_ADJ,
    PSN_LIMIT_OPEN_FILES,
    PSN_LIMIT_PROCESSES,
    PSN_LIMIT_STACK,
    psn_limit,
    psn_limits,
    psn_report,
)

from procession._cgroup import make_leaf

cdef extern from "<sys/resource.h>" nogil:
    enum:
        RLIMIT_AS
        RLIMIT_CORE
        RLIMIT_CPU
        RLIMIT_FSIZE
        RLIMIT_NOFILE
        RLIMIT_NPROC
        RLIMIT_STACK
    struct rlimit:
        uint64_t rlim_cur
        uint64_t rlim_max
    int getrlimit(int resource, rlimit *now)

cdef extern from "<unistd.h>" nogil:
    pid_t getpid()

cdef dict NAMES = {
    <int>PSN_LIMIT_CGROUP: "cgroup",
    <int>PSN_LIMIT_OOM_SCORE_ADJ: "oom_score_adj",
    <int>PSN_LIMIT_NICE: "nice",
    <int>PSN_LIMIT_IO_PRIORITY: "io_priority",
    <int>PSN_LIMIT_CPUS: "cpus",
    <int>PSN_LIMIT_NO_NEW_PRIVILEGES: "no_new_privileges",
    <int>PSN_LIMIT_DIE_WITH_PARENT: "die_with_parent",
    <int>PSN_LIMIT_CPU_SECONDS: "cpu_seconds",
    <int>PSN_LIMIT_MEMORY: "memory",
    <int>PSN_LIMIT_OPEN_FILES: "open_files",
    <int>PSN_LIMIT_PROCESSES: "processes",
    <int>PSN_LIMIT_FILE_SIZE: "file_size",
    <int>PSN_LIMIT_CORE: "core",
    <int>PSN_LIMIT_STACK: "stack",
}

# The numbers of ioprio_set(2), and where it has them.
cdef dict IO_CLASSES = {"realtime": 1, "best-effort": 2, "idle": 3}

cdef enum:
    IO_CLASS_SHIFT = 13

cdef object EVERYTHING = 2 ** 64 - 1


cdef object limit_failure(const psn_report *report):
    return limit_error_of(report.err, NAMES[<int>report.limit])


cdef int add(psn_limits *to, psn_limit limit, int resource, amount) except -1:
    if amount is None:
        return 0
    soft, hard = amount if type(amount) is tuple else (amount, amount)
    to.rlimits[to.n_rlimits].limit = limit
    to.rlimits[to.n_rlimits].resource = resource
    # -1, which is no limit, has all bits set there.
    to.rlimits[to.n_rlimits].value.soft = soft & EVERYTHING
    to.rlimits[to.n_rlimits].value.hard = hard & EVERYTHING
    to.n_rlimits += 1
    return 0


cdef object with_notice(seconds):
    """Leave a second between the signal that tells and the one that kills: at a soft limit
    that is the hard one as well the kernel does not tell."""
    cdef rlimit now
    if type(seconds) is tuple or seconds is None or seconds < 0:
        return seconds
    getrlimit(RLIMIT_CPU, &now)
    return seconds, max(seconds, min(seconds + 1, now.rlim_max))


cdef int pack_cpus(psn_limits *to, cpus) except -1:
    cdef bytes mask
    # The kernel's bits lie in words.
    cdef size_t n = (cpus[-1] // 64 + 1) * 8
    mask = sum([1 << cpu for cpu in cpus]).to_bytes(n, "little")
    memset(to.cpus, 0, sizeof(to.cpus))
    memcpy(to.cpus, <const char *>mask, n)
    to.n_cpus = n
    return 0


cdef Leaf pack_limits(psn_limits *to, limits):
    cdef bytes text
    cdef Leaf leaf = None
    memory, processes = limits.memory, limits.processes
    if limits.cgroup is not None:
        leaf = make_leaf(limits.cgroup)
        if memory is not None and leaf.limit_memory(memory):
            memory = None
        if processes is not None and leaf.limit_processes(processes):
            processes = None
        to.cgroup = leaf.open()
    add(to, PSN_LIMIT_CPU_SECONDS, RLIMIT_CPU, with_notice(limits.cpu_seconds))
    add(to, PSN_LIMIT_MEMORY, RLIMIT_AS, memory)
    add(to, PSN_LIMIT_OPEN_FILES, RLIMIT_NOFILE, limits.open_files)
    add(to, PSN_LIMIT_PROCESSES, RLIMIT_NPROC, processes)
    add(to, PSN_LIMIT_FILE_SIZE, RLIMIT_FSIZE, limits.file_size)
    add(to, PSN_LIMIT_CORE, RLIMIT_CORE, limits.core)
    add(to, PSN_LIMIT_STACK, RLIMIT_STACK, limits.stack)
    if limits.nice is not None:
        to.set_nice = True
        to.nice = limits.nice
    if limits.cpus is not None:
        pack_cpus(to, limits.cpus)
    if limits.io_priority is not None:
        kind, level = limits.io_priority
        to.io_priority = IO_CLASSES[kind] << IO_CLASS_SHIFT | level
    if limits.oom_score_adj is not None:
        text = b"%d" % limits.oom_score_adj
        memcpy(to.oom_score_adj, <const char *>text, len(text))
        to.n_oom_score_adj = len(text)
    if limits.die_with_parent:
        to.parent = getpid()
    to.no_new_privileges = bool(limits.no_new_privileges)
    return leaf
