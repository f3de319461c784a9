/* Write all of a block, however often write(2) stops short. */
#ifndef BENCH_FULL_H
#define BENCH_FULL_H

#include <stddef.h>
#include <unistd.h>

/* Returns 0, or -1 when the reader is gone. */
static inline int write_full(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, data, n);
        if (done < 0)
            return -1;
        data += done;
        n -= (size_t)done;
    }
    return 0;
}

#endif
