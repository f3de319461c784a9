/* How a child's end is learnt: reaped here, or by somebody else. */
#ifndef PSN_REAP_H
#define PSN_REAP_H

#include "psn_config.h"

#include "psn_ref.h"

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
int psn_reap_take(struct psn_ref ref, struct psn_exit *exit);

/* Wait for the child's end, timeout_ms at most. Returns whether it has come. */
int psn_reap_wait(struct psn_ref ref, int timeout_ms);

#endif
