/* EINTR-safe wrappers of system calls: a count or 0, else a negative errno. */
#ifndef PSN_SYS_H
#define PSN_SYS_H

#include "psn_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Close *fd unless it is -1, and set it to -1. Linux frees the number even when
 * close reports an error, so there is nothing to retry. */
static inline void psn_sys_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Copy a descriptor to a number of its own above 0-2, close-on-exec. Returns it or a
 * negative errno. */
static inline int psn_sys_dup(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    if (copy >= 0)
        return copy;
    /* EINVAL: 3 is beyond the limit, so there is no such number. */
    return errno == EINVAL ? -EMFILE : -errno;
}

static inline int psn_sys_open(const char *path, int flags)
{
    int fd;

    do
        fd = open(path, flags);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static inline ssize_t psn_sys_read(int fd, void *to, size_t n)
{
    ssize_t rc;

    do
        rc = read(fd, to, n);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : rc;
}

static inline ssize_t psn_sys_write(int fd, const void *from, size_t n)
{
    ssize_t rc;

    do
        rc = write(fd, from, n);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : rc;
}

static inline ssize_t psn_sys_writev(int fd, const struct iovec *iov, int n)
{
    ssize_t rc;

    do
        rc = writev(fd, iov, n);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -errno : rc;
}

static inline int64_t psn_sys_now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

#endif
