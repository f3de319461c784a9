/* A child, as its parent can reach it: by its pidfd, which never means another process;
 * by its number where the kernel has no pidfds, which is safe as long as nobody but us
 * reaps. */
#ifndef PSN_REF_H
#define PSN_REF_H

#include "psn_sys.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

struct psn_ref {
    pid_t pid; /* -1: nobody */
    int pidfd; /* -1: to be reached by the number */
};

/* waitid(2) for an end, with the fifth argument that the C library's function lacks.
 * Returns 1 if the child has ended, 0 while it runs, or a negative errno. */
static inline int psn_ref_wait(struct psn_ref ref, int options, siginfo_t *info,
                               struct rusage *usage)
{
    int kind = ref.pidfd >= 0 ? PSN_P_PIDFD : (int)P_PID;
    int id = ref.pidfd >= 0 ? ref.pidfd : ref.pid;
    long rc;

    memset(info, 0, sizeof *info);
    do
        rc = syscall(SYS_waitid, kind, id, info, WEXITED | options, usage);
    while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return -errno;
    return info->si_pid != 0;
}

/* Whether nobody has reaped the child yet, so that its number means nobody else. */
static inline int psn_ref_is_there(struct psn_ref ref)
{
    siginfo_t info;

    return psn_ref_wait(ref, WNOHANG | WNOWAIT, &info, NULL) >= 0;
}

/* Open the pidfd of a child by its number. Returns -1 where there is none, or the
 * number is no child's any more. */
static inline int psn_ref_open(pid_t pid)
{
    struct psn_ref ref = {pid, (int)syscall(SYS_pidfd_open, pid, 0)};

    /* In this order: whom the pidfd means has not been replaced by another since. */
    if (ref.pidfd >= 0 && !psn_ref_is_there(ref))
        psn_sys_close(&ref.pidfd);
    return ref.pidfd;
}

/* Returns 0 or a negative errno: -ESRCH after the reap. */
static inline int psn_ref_signal(struct psn_ref ref, int sig)
{
    siginfo_t info;

    if (ref.pidfd >= 0)
        return syscall(SYS_pidfd_send_signal, ref.pidfd, sig, NULL, 0) < 0 ? -errno : 0;
    /* The number is the child's until it is reaped. That somebody else reaps it
     * between these two lines is what pidfds are for. */
    if (ref.pid <= 0 || psn_ref_wait(ref, WNOHANG | WNOWAIT, &info, NULL) == -ECHILD)
        return -ESRCH;
    return kill(ref.pid, sig) < 0 ? -errno : 0;
}

/* Wait for the end of a child that was killed or has failed, however long, and reap
 * it. Closes the pidfd. */
static inline void psn_ref_bury(struct psn_ref ref)
{
    siginfo_t info;

    /* ECHILD, because SIGCHLD is ignored or somebody waits for everything, is as good
     * as a reap. */
    if (ref.pidfd >= 0 || ref.pid > 0)
        psn_ref_wait(ref, 0, &info, NULL);
    psn_sys_close(&ref.pidfd);
}

#endif
