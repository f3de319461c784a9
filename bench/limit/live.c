/* live CHILD N [pad]: starts N children with three pipes each, then kills and reaps
 * all. */
#include "limit.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    lim_expect(argc == 3 || argc == 4, "live CHILD N [pad]");
    size_t n = lim_number(argv, 2);
    char *const child_argv[] = {argv[1], NULL};
    unsigned pipes = LIM_STDIN | LIM_STDOUT | LIM_STDERR;
    struct lim_child *children = lim_pages(n * sizeof(*children));
    struct lim_meter meter;
    int pad = argc == 4 ? lim_open_pad() : -1;

    lim_meter_init(&meter);
    lim_meter_begin(&meter);
    for (size_t i = 0; i < n; i++) {
        if (pad >= 0)
            lim_spawn_from_pad(&children[i], child_argv, pipes, pad);
        else
            lim_spawn(&children[i], child_argv, pipes);
    }
    int64_t started_ns = lim_now_ns();
    for (size_t i = 0; i < n; i++)
        lim_kill(&children[i]);
    for (size_t i = 0; i < n; i++) {
        lim_expect(lim_reap(&children[i]) == -9, "the child was not killed");
        for (int j = 0; j < 3; j++)
            lim_close(&children[i].fd[j]);
    }
    lim_meter_end(&meter);
    char more[96];
    snprintf(more, sizeof(more), ", \"start\": %.9f, \"end\": %.9f",
             (double)(started_ns - meter.begin_ns) / 1e9,
             (double)(meter.end_ns - started_ns) / 1e9);
    lim_meter_print(&meter, n, more);
    return 0;
}
