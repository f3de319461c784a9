#include "psn_stdio.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

void psn_stdio_init(struct psn_stdio *stdio)
{
    stdio->ops = NULL;
    stdio->count = 0;
}

void psn_stdio_free(struct psn_stdio *stdio)
{
    free(stdio->ops);
    psn_stdio_init(stdio);
}

static void add(struct psn_stdio *stdio, enum psn_fdop_kind kind, int from, int to)
{
    stdio->ops[stdio->count++] = (struct psn_fdop){kind, from, to};
}

int psn_stdio_plan(struct psn_stdio *stdio, const int source[3], const int *keep,
                   size_t n, int close_fds)
{
    if (n > SIZE_MAX / sizeof(struct psn_fdop) - 7)
        return -ENOMEM;
    stdio->ops = malloc((n + 7) * sizeof(struct psn_fdop));
    if (stdio->ops == NULL)
        return -ENOMEM;
    /* A source among 0-2 could be overwritten by an earlier move, so it goes
     * out of the way first: stdin=1, stdout=0 swaps the two. */
    int in_the_way[3];
    for (int to = 0; to < 3; to++) {
        in_the_way[to] = source[to] >= 0 && source[to] < 3 && source[to] != to;
        if (in_the_way[to])
            add(stdio, PSN_FDOP_LIFT, source[to], to);
    }
    for (int to = 0; to < 3; to++) {
        if (in_the_way[to])
            add(stdio, PSN_FDOP_LIFTED, source[to], to);
        else if (source[to] == to)
            add(stdio, PSN_FDOP_KEEP, to, to);
        else if (source[to] >= 0)
            add(stdio, PSN_FDOP_MOVE, source[to], to);
    }
    /* Everything is marked before the few that stay are unmarked. */
    if (close_fds)
        add(stdio, PSN_FDOP_CLOSE, 3, -1);
    for (size_t i = 0; i < n; i++)
        add(stdio, PSN_FDOP_KEEP, keep[i], keep[i]);
    return 0;
}
