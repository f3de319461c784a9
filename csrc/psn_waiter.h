/* A thread that waits for any child to end, where the kernel has no pidfds. It reaps
 * nothing: it rings a bell, and whoever hears it looks after its own children. One
 * thread serves any number of children. */
#ifndef PSN_WAITER_H
#define PSN_WAITER_H

#include "psn_config.h"

#include <pthread.h>

struct psn_waiter {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t go;
    int bell; /* owned: an eventfd, readable when a child may have ended */
    unsigned pokes;
};

/* Start the thread. Returns 0 or a negative errno. */
int psn_waiter_open(struct psn_waiter *waiter);

/* Say that something has changed: a child was started, or some were reaped. */
void psn_waiter_poke(struct psn_waiter *waiter);

/* End the thread and close the bell. */
void psn_waiter_close(struct psn_waiter *waiter);

#endif
