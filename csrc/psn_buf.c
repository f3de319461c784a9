#include "psn_buf.h"

#include "psn_sys.h"

#include <stdlib.h>
#include <string.h>

/* Some processors copy into a block that starts 16 bytes into a page, as malloc's
 * large ones do, at a third of the speed. */
#define PAGE 4096

/* What a pipe holds, so that one read can empty it. */
#define SMALLEST (64 * 1024)

void psn_buf_init(struct psn_buf *buf)
{
    memset(buf, 0, sizeof *buf);
}

void psn_buf_free(struct psn_buf *buf)
{
    free(buf->base);
    psn_buf_init(buf);
}

int psn_buf_reserve(struct psn_buf *buf, size_t n)
{
    size_t len = psn_buf_len(buf);

    if (n <= buf->cap - buf->tail)
        return 0;
    if (n <= buf->cap - len && len <= buf->cap / 2) {
        memmove(buf->base, buf->base + buf->head, len);
        buf->head = 0;
        buf->tail = len;
        return 0;
    }
    if (n > (size_t)-1 / 4 - len)
        return -ENOMEM;
    size_t cap = SMALLEST;
    while (cap < len + n)
        cap *= 2;
    char *base;
    if (posix_memalign((void **)&base, PAGE, cap) != 0)
        return -ENOMEM;
    if (len > 0)
        memcpy(base, buf->base + buf->head, len);
    free(buf->base);
    *buf = (struct psn_buf){base, 0, len, cap};
    return 0;
}

int psn_buf_append(struct psn_buf *buf, const char *from, size_t n)
{
    if (n == 0)
        return 0;
    int rc = psn_buf_reserve(buf, n);
    if (rc < 0)
        return rc;
    memcpy(buf->base + buf->tail, from, n);
    buf->tail += n;
    return 0;
}

ssize_t psn_buf_fill(struct psn_buf *buf, int fd, size_t max)
{
    ssize_t n = psn_buf_reserve(buf, max);

    if (n < 0)
        return n;
    n = psn_sys_read(fd, buf->base + buf->tail, max);
    if (n > 0)
        buf->tail += (size_t)n;
    else if (psn_buf_len(buf) == 0)
        psn_buf_free(buf);
    return n;
}

void psn_buf_drop(struct psn_buf *buf, size_t n)
{
    buf->head += n;
    if (buf->head == buf->tail)
        buf->head = buf->tail = 0;
}

ssize_t psn_buf_find(const struct psn_buf *buf, size_t from, const char *what, size_t n)
{
    size_t len = psn_buf_len(buf);

    if (from >= len)
        return -1;
    const char *start = psn_buf_peek(buf);
    const char *at = n == 1 ? memchr(start + from, what[0], len - from)
                            : memmem(start + from, len - from, what, n);
    return at == NULL ? -1 : at - start;
}
