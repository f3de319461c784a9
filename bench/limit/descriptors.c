/* descriptors CHILD N FEW MANY [pad]: starts and reaps N children, one at a time, with
 * FEW other descriptors open and then with MANY. */
#include "limit.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void open_copies(int *copies, size_t n)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    lim_expect(null >= 0, "/dev/null");
    for (size_t i = 0; i < n; i++)
        lim_expect((copies[i] = fcntl(null, F_DUPFD_CLOEXEC, 0)) >= 0, "F_DUPFD");
    lim_close(&null);
}

static void close_copies(int *copies, size_t n)
{
    for (size_t i = 0; i < n; i++)
        lim_close(&copies[i]);
}

static void spawn(char *const argv[], size_t n, int pad)
{
    struct lim_child child;
    for (size_t i = 0; i < n; i++) {
        if (pad >= 0)
            lim_spawn_from_pad(&child, argv, 0, pad);
        else
            lim_spawn(&child, argv, 0);
        lim_expect(lim_reap(&child) == 7, "exit status is not 7");
    }
}

int main(int argc, char **argv)
{
    lim_expect(argc == 5 || argc == 6, "descriptors CHILD N FEW MANY [pad]");
    size_t n = lim_number(argv, 2), few = lim_number(argv, 3);
    size_t many = lim_number(argv, 4);
    char *const child_argv[] = {argv[1], NULL};
    int pad = argc == 6 ? lim_open_pad() : -1;
    int *copies = lim_pages((few + many) * sizeof(*copies));
    struct lim_meter meter;

    open_copies(copies, few);
    int64_t begin_ns = lim_now_ns();
    spawn(child_argv, n, pad);
    double few_seconds = (double)(lim_now_ns() - begin_ns) / 1e9;
    close_copies(copies, few);

    open_copies(copies, many);
    lim_meter_init(&meter);
    lim_meter_begin(&meter);
    spawn(child_argv, n, pad);
    lim_meter_end(&meter);
    char more[96];
    snprintf(more, sizeof(more), ", \"few\": %.9f, \"growth\": %.9f", few_seconds,
             (double)(meter.end_ns - meter.begin_ns) / 1e9 / few_seconds);
    lim_meter_print(&meter, n, more);
    return 0;
}
