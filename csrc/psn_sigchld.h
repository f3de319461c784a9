/* SIGCHLD as the news that a child has ended, where the kernel has no pidfds and no
 * thread is wanted. The handler rings the bell of every engine, and calls whoever had
 * the signal before. */
#ifndef PSN_SIGCHLD_H
#define PSN_SIGCHLD_H

#include "psn_config.h"

/* Take part. Returns the bell, an eventfd that is readable when a child may have ended,
 * or a negative errno: -EAGAIN when too many take part. */
int psn_sigchld_open(void);

/* Leave, and close the bell. The last one restores what the first one has found, unless
 * somebody else has taken the signal since: a program that does is not disturbed, and
 * hears of exits from its own handler. */
void psn_sigchld_close(int *bell);

#endif
