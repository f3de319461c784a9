/* fairness CHILD BYTES: reads a child's output, 64 KiB at a time, beside a tick each
 * millisecond, and tells how late the ticks are. */
#define _GNU_SOURCE
#include "limit.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD_NS = 1000000, MOST_TICKS = 1 << 20 };

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    lim_expect(argc == 3, "fairness CHILD BYTES");
    size_t wanted = lim_number(argv, 2), total = 0, ticks = 0;
    char *const child_argv[] = {argv[1], argv[2], NULL};
    char *block = lim_pages(LIM_BLOCK);
    int64_t *late_ns = lim_pages(MOST_TICKS * sizeof(*late_ns));
    struct lim_child child;
    struct lim_meter meter;

    lim_meter_init(&meter);
    lim_meter_begin(&meter);
    int64_t due_ns = meter.begin_ns + PERIOD_NS;
    lim_spawn(&child, child_argv, LIM_STDOUT);
    lim_grow(child.fd[1]);
    struct pollfd output = {.fd = child.fd[1], .events = POLLIN};
    int ended = 0;
    /* One more tick after the end, so that a stall up to the last moment is counted. */
    for (int last = 0; !last;) {
        int64_t now_ns = lim_now_ns();
        if (now_ns >= due_ns) {
            lim_expect(ticks < MOST_TICKS, "too many ticks");
            late_ns[ticks++] = now_ns - due_ns;
            due_ns = now_ns + PERIOD_NS;
            last = ended;
            continue;
        }
        struct timespec left = {.tv_nsec = due_ns - now_ns};
        if (ppoll(&output, !ended, &left, NULL) <= 0)
            continue;
        ssize_t n = read(child.fd[1], block, LIM_BLOCK);
        lim_expect(n >= 0, "read");
        total += (size_t)n;
        if (n > 0)
            continue;
        lim_expect(lim_reap(&child) == 0, "exit status is not 0");
        lim_meter_end(&meter);
        ended = 1;
    }
    lim_expect(total == wanted, "the byte count differs");
    qsort(late_ns, ticks, sizeof(*late_ns), compare);
    char more[96];
    snprintf(more, sizeof(more), ", \"max\": %.9f, \"p99\": %.9f",
             (double)late_ns[ticks - 1] / 1e9,
             (double)late_ns[(ticks * 99 + 99) / 100 - 1] / 1e9);
    lim_meter_print(&meter, total, more);
    return 0;
}
