/* What happens to descriptors in the child, worked out beforehand as data: the
 * child only carries the list out. */
#ifndef PSN_STDIO_H
#define PSN_STDIO_H

#include "psn_config.h"

#include <stddef.h>

enum psn_fdop_kind {
    PSN_FDOP_LIFT,   /* from is 0, 1 or 2 and in the way: copy it above 2, remember as
                        `to` */
    PSN_FDOP_MOVE,   /* copy from to `to`, not close-on-exec */
    PSN_FDOP_LIFTED, /* copy what LIFT put aside for `to` to `to`, not close-on-exec */
    PSN_FDOP_KEEP,   /* make from survive exec under its own number */
    PSN_FDOP_CLOSE   /* mark from and all above close-on-exec */
};

struct psn_fdop {
    enum psn_fdop_kind kind;
    int from;
    int to;
};

struct psn_stdio {
    struct psn_fdop *ops; /* owned */
    size_t count;
};

void psn_stdio_init(struct psn_stdio *stdio);
void psn_stdio_free(struct psn_stdio *stdio);

/* Plan that the child's descriptors 0, 1 and 2 are source[0..2] (-1: as inherited),
 * that keep[0..n-1] survive exec and, if close_fds, that nothing else above 2 does.
 * Sources may be 0-2, equal to each other or swapped. Return 0 or -ENOMEM. */
int psn_stdio_plan(struct psn_stdio *stdio, const int source[3], const int *keep,
                   size_t n, int close_fds);

#endif
