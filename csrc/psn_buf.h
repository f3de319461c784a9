/* Received bytes: appended at the tail, found and taken at the head. */
#ifndef PSN_BUF_H
#define PSN_BUF_H

#include "psn_config.h"

#include <stddef.h>
#include <sys/types.h>

struct psn_buf {
    char *base;  /* owned, page-aligned; NULL while there is nothing to keep */
    size_t head; /* first byte that was not taken */
    size_t tail; /* one past the last byte */
    size_t cap;
};

void psn_buf_init(struct psn_buf *buf);
void psn_buf_free(struct psn_buf *buf);

static inline size_t psn_buf_len(const struct psn_buf *buf)
{
    return buf->tail - buf->head;
}

/* The bytes, valid until the next call that is not a find. */
static inline const char *psn_buf_peek(const struct psn_buf *buf)
{
    return buf->base + buf->head;
}

/* Make room for n more bytes. Returns 0, or -ENOMEM with buf unchanged. */
int psn_buf_reserve(struct psn_buf *buf, size_t n);

/* Append n bytes. Returns 0 or -ENOMEM. */
int psn_buf_append(struct psn_buf *buf, const char *from, size_t n);

/* One read(2) of at most max bytes into buf. Returns the byte count, 0 at end of
 * file, -EAGAIN when nothing is there yet, or another negative errno. */
ssize_t psn_buf_fill(struct psn_buf *buf, int fd, size_t max);

/* Drop n bytes at the head. The memory stays for the next fill, which gives it back
 * when there is nothing to read. */
void psn_buf_drop(struct psn_buf *buf, size_t n);

/* Where the n bytes of what first stand at or after offset `from`, counted from the
 * head; -1 if they do not. n is at least 1. */
ssize_t psn_buf_find(const struct psn_buf *buf, size_t from, const char *what,
                     size_t n);

#endif
