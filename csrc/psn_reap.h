/* How a child's end is learnt, and how it is signalled: through its pidfd, never
 * through a number that may belong to somebody else by now. */
#ifndef PSN_REAP_H
#define PSN_REAP_H

#include "psn_config.h"

#include <sys/resource.h>

enum psn_exit_source {
    PSN_EXIT_WAITID, /* reaped here: status and usage are right */
    PSN_EXIT_INFO,   /* reaped by somebody else; the kernel kept the status */
    PSN_EXIT_UNKNOWN /* reaped by somebody else, the status is lost */
};

struct psn_exit {
    enum psn_exit_source source;
    int status;          /* as wait(2) gives it */
    struct rusage usage; /* the child's own, from PSN_EXIT_WAITID only */
};

/* Reap the child if it has ended. Returns 1 with *exit filled in, 0 while it runs, or
 * a negative errno. */
int psn_reap_take(int pidfd, struct psn_exit *exit);

/* Wait for the child's end, timeout_ms at most. Returns whether it has come. */
int psn_reap_wait(int pidfd, int timeout_ms);

/* pidfd_send_signal(2). Returns 0 or a negative errno: -ESRCH after the reap. */
int psn_reap_signal(int pidfd, int sig);

#endif
