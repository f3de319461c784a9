#include "psn_reap.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int status_of(const siginfo_t *info)
{
    switch (info->si_code) {
    case CLD_EXITED:
        return (info->si_status & 0xff) << 8;
    case CLD_DUMPED:
        return info->si_status | 0x80;
    default:
        return info->si_status;
    }
}

/* Somebody else has reaped the child, or SIGCHLD is ignored and nobody had to. */
static void ask_kernel(int pidfd, struct psn_exit *exit)
{
    struct psn_pidfd_info info = {.mask = PSN_PIDFD_INFO_EXIT};

    exit->source = PSN_EXIT_UNKNOWN;
    if (ioctl(pidfd, PSN_PIDFD_GET_INFO, &info) == 0 &&
        (info.mask & PSN_PIDFD_INFO_EXIT)) {
        exit->source = PSN_EXIT_INFO;
        exit->status = info.exit_code;
    }
}

int psn_reap_take(int pidfd, struct psn_exit *exit)
{
    siginfo_t info;
    long rc;

    memset(&info, 0, sizeof info);
    memset(exit, 0, sizeof *exit);
    /* The system call has a fifth argument that the C library's function lacks. */
    do
        rc = syscall(SYS_waitid, PSN_P_PIDFD, pidfd, &info, WEXITED | WNOHANG,
                     &exit->usage);
    while (rc < 0 && errno == EINTR);
    if (rc < 0 && errno == ECHILD) {
        ask_kernel(pidfd, exit);
        return 1;
    }
    if (rc < 0)
        return -errno;
    if (info.si_pid == 0)
        return 0;
    exit->source = PSN_EXIT_WAITID;
    exit->status = status_of(&info);
    return 1;
}

int psn_reap_wait(int pidfd, int timeout_ms)
{
    struct pollfd pollfd = {.fd = pidfd, .events = POLLIN};
    int rc;

    do
        rc = poll(&pollfd, 1, timeout_ms);
    while (rc < 0 && errno == EINTR);
    return rc > 0;
}

int psn_reap_signal(int pidfd, int sig)
{
    return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}
