/* capture CHILD N K: starts N children, K in flight, and collects the 1 KiB that each
 * writes to standard output and the 1 KiB on standard error. */
#include "limit.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { KIB = 1024, ROOM = 4096 };

struct slot {
    struct lim_child child;
    char *page[3]; /* what came from descriptor 1 and 2; 0 is unused */
    size_t have[3];
    int open; /* pipes before their end, plus one for the process */
};

static char wanted[3][KIB];

static void start(struct slot *slot, int epfd, size_t index, char *const argv[])
{
    lim_spawn(&slot->child, argv, LIM_STDOUT | LIM_STDERR);
    slot->open = 3;
    lim_watch(epfd, slot->child.pidfd, index * 4);
    for (size_t i = 1; i < 3; i++) {
        slot->have[i] = 0;
        lim_watch(epfd, slot->child.fd[i], index * 4 + i);
    }
}

static void drain(struct slot *slot, int epfd, size_t i)
{
    size_t have = slot->have[i];
    ssize_t n = read(slot->child.fd[i], slot->page[i] + have, ROOM - have);
    lim_expect(n >= 0 && have + (size_t)n <= KIB, "read");
    slot->have[i] += (size_t)n;
    if (n > 0)
        return;
    lim_expect(slot->have[i] == KIB && memcmp(slot->page[i], wanted[i], KIB) == 0,
               "the output differs");
    lim_unwatch(epfd, &slot->child.fd[i]);
    slot->open--;
}

static void reap(struct slot *slot, int epfd)
{
    lim_expect(epoll_ctl(epfd, EPOLL_CTL_DEL, slot->child.pidfd, NULL) == 0,
               "epoll_ctl");
    lim_expect(lim_reap(&slot->child) == 0, "exit status is not 0");
    slot->open--;
}

int main(int argc, char **argv)
{
    lim_expect(argc == 4, "capture CHILD N K");
    size_t n = lim_number(argv, 2), k = lim_number(argv, 3);
    char *const child_argv[] = {argv[1], NULL};
    struct slot *slots = lim_pages(k * sizeof(*slots));
    char *pages = lim_pages(k * 2 * ROOM);
    for (size_t i = 0; i < k; i++) {
        slots[i].page[1] = pages + i * 2 * ROOM;
        slots[i].page[2] = slots[i].page[1] + ROOM;
    }
    memset(wanted[1], 'o', KIB);
    memset(wanted[2], 'e', KIB);
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[64];
    size_t started = 0, ended = 0;
    struct lim_meter meter;

    lim_meter_init(&meter);
    lim_meter_begin(&meter);
    for (; started < k && started < n; started++)
        start(&slots[started], epfd, started, child_argv);
    while (ended < n) {
        int ready = epoll_wait(epfd, events, 64, -1);
        lim_expect(ready > 0, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            size_t index = events[i].data.u64 / 4, which = events[i].data.u64 % 4;
            struct slot *slot = &slots[index];
            if (which == 0)
                reap(slot, epfd);
            else
                drain(slot, epfd, which);
            if (slot->open > 0)
                continue;
            /* All three events of this child are used up, so the slot is free even
             * while more events of this batch are to come. */
            ended++;
            if (started == n)
                continue;
            start(slot, epfd, index, child_argv);
            started++;
        }
    }
    lim_meter_end(&meter);
    lim_meter_print(&meter, ended, "");
    return 0;
}
