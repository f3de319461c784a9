#include "psn_reap.h"

#include <poll.h>

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
    if (pidfd >= 0 && ioctl(pidfd, PSN_PIDFD_GET_INFO, &info) == 0 &&
        (info.mask & PSN_PIDFD_INFO_EXIT)) {
        exit->source = PSN_EXIT_INFO;
        exit->status = info.exit_code;
    }
}

int psn_reap_take(struct psn_ref ref, struct psn_exit *exit)
{
    siginfo_t info;

    memset(exit, 0, sizeof *exit);
    int rc = psn_ref_wait(ref, WNOHANG, &info, &exit->usage);
    if (rc == -ECHILD) {
        ask_kernel(ref.pidfd, exit);
        return 1;
    }
    if (rc <= 0)
        return rc;
    exit->source = PSN_EXIT_WAITID;
    exit->status = status_of(&info);
    return 1;
}

static int poll_pidfd(int pidfd, int timeout_ms)
{
    struct pollfd pollfd = {.fd = pidfd, .events = POLLIN};
    int rc;

    do
        rc = poll(&pollfd, 1, timeout_ms);
    while (rc < 0 && errno == EINTR);
    return rc > 0;
}

int psn_reap_wait(struct psn_ref ref, int timeout_ms)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    siginfo_t info;

    if (ref.pidfd >= 0)
        return poll_pidfd(ref.pidfd, timeout_ms);
    for (int ms = 0;; ms++) {
        if (psn_ref_wait(ref, WNOHANG | WNOWAIT, &info, NULL) != 0)
            return 1;
        if (ms >= timeout_ms)
            return 0;
        nanosleep(&pause, NULL);
    }
}
