/* streams CHILD K BYTES: reads the output of K children at once, 64 KiB at a time, and
 * drops it. */
#include "limit.h"

#include <sys/epoll.h>
#include <unistd.h>

struct stream {
    struct lim_child child;
    size_t total;
};

/* Read once. Returns whether the output has ended and the child is reaped. */
static int drain(struct stream *stream, int epfd, char *block, size_t wanted)
{
    ssize_t n = read(stream->child.fd[1], block, LIM_BLOCK);
    lim_expect(n >= 0, "read");
    stream->total += (size_t)n;
    if (n > 0)
        return 0;
    lim_expect(stream->total == wanted, "the byte count differs");
    lim_unwatch(epfd, &stream->child.fd[1]);
    lim_expect(lim_reap(&stream->child) == 0, "exit status is not 0");
    return 1;
}

int main(int argc, char **argv)
{
    lim_expect(argc == 4, "streams CHILD K BYTES");
    size_t k = lim_number(argv, 2), wanted = lim_number(argv, 3), ended = 0;
    char *const child_argv[] = {argv[1], argv[3], NULL};
    struct stream *streams = lim_pages(k * sizeof(*streams));
    char *block = lim_pages(LIM_BLOCK);
    int epfd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[64];
    struct lim_meter meter;

    lim_meter_init(&meter);
    lim_meter_begin(&meter);
    for (size_t i = 0; i < k; i++) {
        lim_spawn(&streams[i].child, child_argv, LIM_STDOUT);
        lim_grow(streams[i].child.fd[1]);
        lim_watch(epfd, streams[i].child.fd[1], i);
    }
    while (ended < k) {
        int ready = epoll_wait(epfd, events, 64, -1);
        lim_expect(ready > 0, "epoll_wait");
        for (int i = 0; i < ready; i++)
            ended += drain(&streams[events[i].data.u64], epfd, block, wanted);
    }
    lim_meter_end(&meter);
    lim_meter_print(&meter, k * wanted, "");
    return 0;
}
