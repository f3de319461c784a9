#include "psn_child.h"

#include "psn_raw.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

/* The kernel's struct sigaction; the C library's has another layout and its
 * sigaction() refuses the two signals that it keeps for itself. */
struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

/* The kernel's struct linux_dirent64, up to the name. */
struct kernel_dirent {
    uint64_t ino;
    int64_t off;
    unsigned short reclen;
    unsigned char type;
    char name[];
};

static int fail(struct psn_report *report, enum psn_step step, long err)
{
    report->step = step;
    report->err = (int)err;
    return -1;
}

static long keep_open(int fd)
{
    return psn_raw(SYS_fcntl, fd, F_SETFD, 0, 0);
}

static int parse_fd(const char *name)
{
    int fd = 0;

    for (const char *p = name; *p; p++) {
        if (*p < '0' || *p > '9')
            return -1;
        fd = fd * 10 + (*p - '0');
    }
    return *name ? fd : -1;
}

/* Mark every descriptor from `first` on close-on-exec, one by one. */
static long mark_by_proc(int first)
{
    char buffer[2048] __attribute__((aligned(8)));
    long dir = psn_raw(SYS_openat, AT_FDCWD, (long)"/proc/self/fd",
                       O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (dir < 0)
        return dir;
    long n;
    while ((n = psn_raw(SYS_getdents64, dir, (long)buffer, sizeof buffer, 0)) > 0) {
        for (long at = 0; at < n;) {
            struct kernel_dirent *entry = (struct kernel_dirent *)(buffer + at);
            int fd = parse_fd(entry->name);
            if (fd >= first)
                psn_raw(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC, 0);
            at += entry->reclen;
        }
    }
    psn_raw(SYS_close, dir, 0, 0, 0);
    return n;
}

/* Marking is ten times cheaper than closing when thousands are open, and moves the
 * work past the point where the parent goes on. close_range is from Linux 5.9, the
 * flag from 5.11, and a filter may refuse either. */
static long close_from(int first)
{
    long rc = psn_raw(SYS_close_range, first, ~0u, PSN_CLOSE_RANGE_CLOEXEC, 0);

    return rc == 0 ? 0 : mark_by_proc(first);
}

static long move_descriptors(const struct psn_stdio *stdio)
{
    int lifted[3] = {-1, -1, -1};

    for (size_t i = 0; i < stdio->count; i++) {
        const struct psn_fdop *op = &stdio->ops[i];
        long rc = 0;
        switch (op->kind) {
        case PSN_FDOP_LIFT:
            rc = psn_raw(SYS_fcntl, op->from, F_DUPFD_CLOEXEC, 3, 0);
            if (rc == -EINVAL) /* 3 is beyond the limit */
                rc = -EMFILE;
            lifted[op->to] = (int)rc;
            break;
        case PSN_FDOP_LIFTED:
            rc = psn_raw(SYS_dup3, lifted[op->to], op->to, 0, 0);
            break;
        case PSN_FDOP_MOVE:
            rc = psn_raw(SYS_dup3, op->from, op->to, 0, 0);
            break;
        case PSN_FDOP_KEEP:
            if (op->from < 3)
                rc = keep_open(op->from);
            break;
        case PSN_FDOP_CLOSE:
            break;
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

static long close_descriptors(const struct psn_stdio *stdio)
{
    for (size_t i = 0; i < stdio->count; i++) {
        const struct psn_fdop *op = &stdio->ops[i];
        long rc = 0;
        if (op->kind == PSN_FDOP_CLOSE)
            rc = close_from(op->from);
        else if (op->kind == PSN_FDOP_KEEP && op->from >= 3)
            rc = keep_open(op->from);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A signal that is delivered here would run the parent's handler, in the parent's
 * memory: no handler may be left when the mask is opened. The kernel knows the
 * numbers that the C library hides; a number it does not know is skipped. */
static void reset_signals(const struct psn_plan *plan)
{
    const struct kernel_sigaction dfl = {.handler = SIG_DFL};

    if (plan->handlers_are_cleared) {
        if (plan->restore_signals) {
            psn_raw(SYS_rt_sigaction, SIGPIPE, (long)&dfl, 0, PSN_SIGMASK_BYTES);
            psn_raw(SYS_rt_sigaction, SIGXFSZ, (long)&dfl, 0, PSN_SIGMASK_BYTES);
        }
        return;
    }
    for (int sig = 1; sig < PSN_NSIG; sig++) {
        struct kernel_sigaction now;
        if (psn_raw(SYS_rt_sigaction, sig, 0, (long)&now, PSN_SIGMASK_BYTES) < 0)
            continue;
        int restored = plan->restore_signals && (sig == SIGPIPE || sig == SIGXFSZ);
        if (now.handler != SIG_DFL && (now.handler != SIG_IGN || restored))
            psn_raw(SYS_rt_sigaction, sig, (long)&dfl, 0, PSN_SIGMASK_BYTES);
    }
}

static long join_session(const struct psn_plan *plan)
{
    long rc = 0;

    if (plan->new_session)
        rc = psn_raw(SYS_setsid, 0, 0, 0, 0);
    if (rc >= 0 && plan->process_group >= 0)
        rc = psn_raw(SYS_setpgid, 0, plan->process_group, 0, 0);
    return rc;
}

/* Groups, group, user: each needs the privilege that the next one gives away. Raw
 * calls, because the C library's would set the ids of every thread of the parent. */
static long take_credentials(const struct psn_plan *plan)
{
    long rc = 0;

    if (plan->set_groups)
        rc = psn_raw(SYS_setgroups, (long)plan->n_groups, (long)plan->groups, 0, 0);
    if (rc >= 0 && plan->gid >= 0)
        rc = psn_raw(SYS_setregid, plan->gid, plan->gid, 0, 0);
    if (rc >= 0 && plan->uid >= 0)
        rc = psn_raw(SYS_setreuid, plan->uid, plan->uid, 0, 0);
    return rc;
}

/* A soft limit of file locks, which no kernel since 2.4.25 applies. Best effort: one
 * that is below the mark already stays. */
static void take_mark(uint64_t mark)
{
    struct rlimit64 limit;

    if (psn_raw(SYS_prlimit64, 0, RLIMIT_LOCKS, 0, (long)&limit) < 0 ||
        limit.rlim_max < mark)
        return;
    limit.rlim_cur = mark;
    psn_raw(SYS_prlimit64, 0, RLIMIT_LOCKS, (long)&limit, 0);
}

static int fail_limit(struct psn_report *report, enum psn_limit limit, long err)
{
    report->limit = limit;
    return fail(report, limit == PSN_LIMIT_NONE ? PSN_STEP_ABANDONED : PSN_STEP_LIMIT,
                err);
}

int psn_child_prepare(const struct psn_plan *plan, struct psn_report *report)
{
    enum psn_limit limit;
    long rc = move_descriptors(&plan->stdio);

    if (rc < 0)
        return fail(report, PSN_STEP_STDIO, rc);
    if (plan->cwd != NULL) {
        rc = psn_raw(SYS_chdir, (long)plan->cwd, 0, 0, 0);
        if (rc < 0)
            return fail(report, PSN_STEP_CHDIR, rc);
    }
    if (plan->umask >= 0)
        psn_raw(SYS_umask, plan->umask, 0, 0, 0);
    /* Best effort, as inheritance is: lowering a nice value needs a privilege. */
    if (plan->set_nice)
        psn_raw(SYS_setpriority, PRIO_PROCESS, 0, plan->nice, 0);
    if (plan->affinity != NULL)
        psn_raw(SYS_sched_setaffinity, 0, (long)plan->n_affinity, (long)plan->affinity,
                0);
    if (plan->mark != 0)
        take_mark(plan->mark);
    if (plan->limits != NULL) {
        rc = psn_limits_begin(plan->limits, plan->in_cgroup, &limit);
        if (rc < 0)
            return fail_limit(report, limit, rc);
    }
    reset_signals(plan);
    rc = join_session(plan);
    if (rc < 0)
        return fail(report, PSN_STEP_SESSION, rc);
    rc = take_credentials(plan);
    if (rc < 0)
        return fail(report, PSN_STEP_CREDENTIALS, rc);
    return 0;
}

/* Try each path as execvpe(3) does: an error that says more than "not here" wins. */
static long exec_paths(const struct psn_plan *plan)
{
    long saved = 0, rc = -ENOENT;

    for (char *const *path = plan->paths; *path != NULL; path++) {
        rc = psn_raw(SYS_execve, (long)*path, (long)plan->argv, (long)plan->envp, 0);
        if (rc != -ENOENT && rc != -ENOTDIR && saved == 0)
            saved = rc;
    }
    return saved ? saved : rc;
}

void psn_child_exec(const struct psn_plan *plan, struct psn_report *report)
{
    /* Whoever abandons sets the flag and then signals the pidfd, which the kernel
     * stored before this code began: one of the two sees the other. */
    if (atomic_load(plan->abandoned)) {
        fail(report, PSN_STEP_ABANDONED, -ECANCELED);
        return;
    }
    long rc = close_descriptors(&plan->stdio);
    if (rc < 0) {
        fail(report, PSN_STEP_STDIO, rc);
        return;
    }
    if (plan->limits != NULL) {
        enum psn_limit limit;
        rc = psn_limits_finish(plan->limits, &limit);
        if (rc < 0) {
            fail_limit(report, limit, rc);
            return;
        }
    }
    if (plan->signal_mask != NULL)
        psn_raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)plan->signal_mask, 0,
                PSN_SIGMASK_BYTES);
    /* A program that was written a moment ago may still be open for writing in
     * another child that is between clone and exec (golang/go#22315). 126 ms in
     * all, after which it is the caller's own descriptor. */
    struct timespec pause = {.tv_nsec = 2000000};
    while ((rc = exec_paths(plan)) == -ETXTBSY && pause.tv_nsec <= 64000000) {
        psn_raw(SYS_nanosleep, (long)&pause, 0, 0, 0);
        pause.tv_nsec *= 2;
    }
    fail(report, PSN_STEP_EXEC, rc);
}

void psn_child_exit(int status)
{
    for (;;)
        psn_raw(SYS_exit_group, status, 0, 0, 0);
}
