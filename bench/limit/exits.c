/* exits CHILD N FILE: how long after a child's last instruction its status is here.
 * The child stores the time of its exit in FILE. */
#include "limit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    lim_expect(argc == 4, "exits CHILD N FILE");
    size_t n = lim_number(argv, 2);
    char *const child_argv[] = {argv[1], argv[3], "1000", NULL};
    int64_t *late_ns = lim_pages(n * sizeof(*late_ns));
    int file = open(argv[3], O_RDONLY | O_CLOEXEC);
    lim_expect(file >= 0, argv[3]);
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event;
    struct lim_child child;
    struct lim_meter meter;

    lim_meter_init(&meter);
    lim_meter_begin(&meter);
    for (size_t i = 0; i < n; i++) {
        lim_spawn(&child, child_argv, 0);
        lim_watch(epfd, child.pidfd, 0);
        lim_expect(epoll_wait(epfd, &event, 1, -1) == 1, "epoll_wait");
        lim_expect(epoll_ctl(epfd, EPOLL_CTL_DEL, child.pidfd, NULL) == 0, "epoll_ctl");
        lim_expect(lim_reap(&child) == 0, "exit status is not 0");
        int64_t now_ns = lim_now_ns(), stamp_ns;
        lim_expect(pread(file, &stamp_ns, sizeof(stamp_ns), 0) == sizeof(stamp_ns),
                   "pread");
        late_ns[i] = now_ns - stamp_ns;
        lim_expect(late_ns[i] > 0, "the stamp is missing");
    }
    lim_meter_end(&meter);
    qsort(late_ns, n, sizeof(*late_ns), compare);
    char more[64];
    snprintf(more, sizeof(more), ", \"p50\": %.9f", (double)late_ns[n / 2] / 1e9);
    lim_meter_print(&meter, n, more);
    return 0;
}
