/* stream CHILD BYTES: reads a child's output, 64 KiB at a time, and drops it. */
#include "limit.h"

#include <unistd.h>

int main(int argc, char **argv)
{
    lim_expect(argc == 3, "stream CHILD BYTES");
    size_t wanted = lim_number(argv, 2), total = 0;
    char *const child_argv[] = {argv[1], argv[2], NULL};
    char *block = lim_pages(LIM_BLOCK);
    struct lim_child child;
    struct lim_meter meter;

    lim_meter_init(&meter);
    lim_meter_begin(&meter);
    lim_spawn(&child, child_argv, LIM_STDOUT);
    lim_grow(child.fd[1]);
    ssize_t n;
    while ((n = read(child.fd[1], block, LIM_BLOCK)) > 0)
        total += (size_t)n;
    int status = lim_reap(&child);
    lim_meter_end(&meter);
    lim_expect(n == 0 && total == wanted, "the byte count differs");
    lim_expect(status == 0, "exit status is not 0");
    lim_meter_print(&meter, total, "");
    return 0;
}
