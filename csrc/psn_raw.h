/* System calls for the code between clone and exec, past the C library. */
#ifndef PSN_RAW_H
#define PSN_RAW_H

#include "psn_config.h"

#include <errno.h>
#include <unistd.h>

/* Returns what the kernel does: a count or a negative errno. A fifth argument is 0.
 * syscall(2) touches nothing but errno, which is the suspended parent thread's and
 * which that thread does not look at. */
static inline long psn_raw(long number, long a, long b, long c, long d)
{
    long rc;

    /* All signals are blocked, but some file systems say so of their own accord. */
    do
        rc = syscall(number, a, b, c, d, 0L);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : rc;
}

#endif
