/* pingpong CHILD N: sends a line of 64 bytes to a child that returns it, N times. */
#include "limit.h"

#include <string.h>
#include <unistd.h>

enum { WIDTH = 64 };

int main(int argc, char **argv)
{
    lim_expect(argc == 3, "pingpong CHILD N");
    size_t n = lim_number(argv, 2);
    char *const child_argv[] = {argv[1], NULL};
    char *sent = lim_pages(4096), *got = lim_pages(4096);
    memset(sent, 'p', WIDTH - 1);
    sent[WIDTH - 1] = '\n';
    struct lim_child child;
    struct lim_meter meter;

    lim_meter_init(&meter);
    lim_spawn(&child, child_argv, LIM_STDIN | LIM_STDOUT);
    lim_meter_begin(&meter);
    for (size_t i = 0; i < n; i++) {
        lim_write(child.fd[0], sent, WIDTH);
        size_t have = 0;
        while (have == 0 || got[have - 1] != '\n') {
            ssize_t came = read(child.fd[1], got + have, 4096 - have);
            lim_expect(came > 0, "read");
            have += (size_t)came;
        }
        lim_expect(have == WIDTH && memcmp(got, sent, WIDTH) == 0, "the line differs");
    }
    lim_meter_end(&meter);
    lim_close(&child.fd[0]);
    lim_expect(lim_reap(&child) == 0, "exit status is not 0");
    lim_meter_print(&meter, n, "");
    return 0;
}
