/* spawn CHILD N K STATUS: starts and reaps N children, K in flight. */
#include "limit.h"

#include <stdlib.h>
#include <sys/epoll.h>

int main(int argc, char **argv)
{
    lim_expect(argc == 5, "spawn CHILD N K STATUS");
    size_t n = lim_number(argv, 2), k = lim_number(argv, 3);
    int status = atoi(argv[4]);
    char *const child_argv[] = {argv[1], NULL};
    struct lim_child *slots = lim_pages(k * sizeof(*slots));
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[64];
    size_t started = 0, ended = 0;
    struct lim_meter meter;

    lim_meter_init(&meter);
    lim_meter_begin(&meter);
    for (; started < k && started < n; started++) {
        lim_spawn(&slots[started], child_argv, 0);
        lim_watch(epfd, slots[started].pidfd, started);
    }
    while (ended < n) {
        int ready = epoll_wait(epfd, events, 64, -1);
        lim_expect(ready > 0, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct lim_child *slot = &slots[events[i].data.u64];
            lim_expect(epoll_ctl(epfd, EPOLL_CTL_DEL, slot->pidfd, NULL) == 0,
                       "epoll_ctl");
            lim_expect(lim_reap(slot) == status, "another exit status");
            ended++;
            if (started == n)
                continue;
            lim_spawn(slot, child_argv, 0);
            lim_watch(epfd, slot->pidfd, events[i].data.u64);
            started++;
        }
    }
    lim_meter_end(&meter);
    lim_meter_print(&meter, ended, "");
    return 0;
}
