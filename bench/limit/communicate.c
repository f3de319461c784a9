/* communicate CHILD BYTES: collects all of a child's output in one block of memory,
 * which grows by moving its pages. */
#define _GNU_SOURCE
#include "limit.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { STEP = 1 << 20 };

/* The most that has ever been resident since exec: ru_maxrss also counts what was
 * before it. */
static size_t peak_bytes(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    lim_expect(status != NULL, "/proc/self/status");
    char line[256];
    size_t kib = 0;
    while (kib == 0 && fgets(line, sizeof(line), status) != NULL)
        if (sscanf(line, "VmHWM: %zu", &kib) != 1)
            kib = 0;
    lim_expect(kib > 0, "VmHWM");
    fclose(status);
    return kib << 10;
}

int main(int argc, char **argv)
{
    lim_expect(argc == 3, "communicate CHILD BYTES");
    size_t wanted = lim_number(argv, 2), have = 0, room = STEP, touched = 0;
    char *const child_argv[] = {argv[1], argv[2], NULL};
    struct lim_child child;
    struct lim_meter meter;

    size_t before = peak_bytes();
    lim_meter_init(&meter);
    lim_meter_begin(&meter);
    char *base = lim_pages(room);
    lim_spawn(&child, child_argv, LIM_STDOUT);
    lim_grow(child.fd[1]);
    for (;;) {
        if (have == room) {
            base = mremap(base, room, room * 2, MREMAP_MAYMOVE);
            lim_expect(base != MAP_FAILED, "mremap");
            room *= 2;
        }
        if (have == touched) {
            /* One call for 256 page faults; a kernel before 5.14 refuses it and faults
             * one by one. */
            madvise(base + touched, STEP, MADV_POPULATE_WRITE);
            touched += STEP;
        }
        ssize_t n = read(child.fd[1], base + have, touched - have);
        lim_expect(n >= 0, "read");
        if (n == 0)
            break;
        have += (size_t)n;
    }
    int status = lim_reap(&child);
    lim_meter_end(&meter);
    lim_expect(have == wanted && base[0] == 'x' && base[have - 1] == 'x',
               "the output differs");
    lim_expect(status == 0, "exit status is not 0");
    char more[48];
    snprintf(more, sizeof(more), ", \"peak\": %.4f",
             (double)(peak_bytes() - before) / (double)have);
    lim_meter_print(&meter, have, more);
    return 0;
}
