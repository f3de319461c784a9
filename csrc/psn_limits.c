#include "psn_limits.h"

#include "psn_raw.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* ioprio_set(2): the process that calls. */
#define IOPRIO_WHO_PROCESS 1

/* Write to a file that is opened for that alone. */
static long write_to(int directory, const char *name, const char *text, size_t n)
{
    long fd = psn_raw(SYS_openat, directory, (long)name, O_WRONLY | O_CLOEXEC, 0);

    if (fd < 0)
        return fd;
    long rc = psn_raw(SYS_write, fd, (long)text, (long)n, 0);
    psn_raw(SYS_close, fd, 0, 0, 0);
    return rc < 0 ? rc : 0;
}

/* Limits belong to a process and not to its memory, so those of the parent, whose
 * memory this may be, are not touched. */
static long set_rlimit(int resource, const struct psn_rlimit *value)
{
    return psn_raw(SYS_prlimit64, 0, resource, (long)value, 0);
}

/* Raising a hard limit needs the privilege that is given away next. The soft limit, by
 * which the kernel goes, stays as it is until the second half. */
static long raise_hard(int resource, const struct psn_rlimit *value)
{
    struct psn_rlimit now;
    long rc = psn_raw(SYS_prlimit64, 0, resource, 0, (long)&now);

    if (rc < 0 || now.hard >= value->hard)
        return rc;
    now.hard = value->hard;
    return set_rlimit(resource, &now);
}

long psn_limits_begin(const struct psn_limits *limits, int is_in_cgroup,
                      enum psn_limit *which)
{
    long rc;

    /* The first of all: a cgroup has a say in which processors there are. */
    *which = PSN_LIMIT_CGROUP;
    if (limits->cgroup >= 0 && !is_in_cgroup) {
        rc = write_to(limits->cgroup, "cgroup.procs", "0", 1);
        if (rc < 0)
            return rc;
    }
    /* The value belongs to the memory, but not for a child of vfork: the kernel leaves
     * the parent's alone. */
    *which = PSN_LIMIT_OOM_SCORE_ADJ;
    if (limits->n_oom_score_adj > 0) {
        rc = write_to(AT_FDCWD, "/proc/self/oom_score_adj", limits->oom_score_adj,
                      limits->n_oom_score_adj);
        if (rc < 0)
            return rc;
    }
    *which = PSN_LIMIT_NICE;
    if (limits->set_nice) {
        rc = psn_raw(SYS_setpriority, PRIO_PROCESS, 0, limits->nice, 0);
        if (rc < 0)
            return rc;
    }
    *which = PSN_LIMIT_IO_PRIORITY;
    if (limits->io_priority >= 0) {
        rc = psn_raw(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, limits->io_priority, 0);
        if (rc < 0)
            return rc;
    }
    *which = PSN_LIMIT_CPUS;
    if (limits->n_cpus > 0) {
        rc = psn_raw(SYS_sched_setaffinity, 0, (long)limits->n_cpus, (long)limits->cpus,
                     0);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < limits->n_rlimits; i++) {
        *which = limits->rlimits[i].limit;
        rc = raise_hard(limits->rlimits[i].resource, &limits->rlimits[i].value);
        if (rc < 0)
            return rc;
    }
    *which = PSN_LIMIT_NONE;
    return 0;
}

/* A parent in another pid namespace has the number 0 here. */
static int is_orphan(const struct psn_limits *limits)
{
    long parent = psn_raw(SYS_getppid, 0, 0, 0, 0);

    return parent != limits->parent && parent != 0;
}

long psn_limits_finish(const struct psn_limits *limits, enum psn_limit *which)
{
    long rc;

    *which = PSN_LIMIT_NO_NEW_PRIVILEGES;
    if (limits->no_new_privileges) {
        rc = psn_raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0);
        if (rc < 0)
            return rc;
    }
    /* A change of credentials clears it, so it comes after those; and a parent that
     * died before this did not signal, so the look at it comes after the call. */
    *which = PSN_LIMIT_DIE_WITH_PARENT;
    if (limits->parent > 0) {
        rc = psn_raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
        if (rc < 0)
            return rc;
        if (is_orphan(limits)) {
            *which = PSN_LIMIT_NONE;
            return -ECANCELED;
        }
    }
    /* Last of all, because they hold at once: for the descriptors that are moved and
     * listed, for a preexec_fn, and, of processes, for the change to a user who has
     * many, which would make the exec fail. */
    for (size_t i = 0; i < limits->n_rlimits; i++) {
        *which = limits->rlimits[i].limit;
        rc = set_rlimit(limits->rlimits[i].resource, &limits->rlimits[i].value);
        if (rc < 0)
            return rc;
    }
    *which = PSN_LIMIT_NONE;
    return 0;
}
