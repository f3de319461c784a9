/* The way of a descriptor from one table to another of the same process: a socket that
 * carries it, together with a number that says what it belongs to. */
#ifndef PSN_COURIER_H
#define PSN_COURIER_H

#include "psn_config.h"

#include <stdint.h>
#include <sys/types.h>

struct psn_courier {
    int in;    /* owned: where descriptors arrive; -1 where there is none */
    int out;   /* owned: where they are sent, from whichever table has a copy of it */
    ino_t ino; /* tells a copy of out from another file that has its number by now */
};

void psn_courier_init(struct psn_courier *courier);

/* Returns 0 or a negative errno. */
int psn_courier_open(struct psn_courier *courier);
void psn_courier_close(struct psn_courier *courier);

/* Whether a descriptor of the calling thread's is a copy of out. */
int psn_courier_is_out(const struct psn_courier *courier, int out);

/* Send a copy of fd. Returns 0 or a negative errno: -EAGAIN when too many are on their
 * way. */
int psn_courier_send(int out, uint64_t owner, int fd);

/* Take what has arrived. Returns 1 with *owner and *fd, which is the caller's and
 * close-on-exec, or -1 where there was no number for it; else 0. What the kernel could
 * not deliver for want of memory arrives later. */
int psn_courier_receive(const struct psn_courier *courier, uint64_t *owner, int *fd);

#endif
