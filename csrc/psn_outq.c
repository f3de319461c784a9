#include "psn_outq.h"

#include "psn_sys.h"

#include <stdlib.h>
#include <string.h>

/* The least that POSIX lets writev refuse is 16 pieces, Linux takes 1,024. */
#define PIECES_PER_WRITE 64

void psn_outq_init(struct psn_outq *outq)
{
    memset(outq, 0, sizeof *outq);
}

void psn_outq_free(struct psn_outq *outq)
{
    free(outq->pieces);
    psn_outq_init(outq);
}

int psn_outq_push(struct psn_outq *outq, const char *from, size_t n)
{
    if (outq->head + outq->count == outq->cap) {
        /* The front half is free when that is worth a move, else the array doubles. */
        if (outq->head > outq->cap / 2) {
            memmove(outq->pieces, outq->pieces + outq->head,
                    outq->count * sizeof *outq->pieces);
        } else {
            size_t cap = outq->cap ? outq->cap * 2 : 4;
            struct iovec *pieces = malloc(cap * sizeof *pieces);
            if (pieces == NULL)
                return -ENOMEM;
            if (outq->count > 0)
                memcpy(pieces, outq->pieces + outq->head, outq->count * sizeof *pieces);
            free(outq->pieces);
            outq->pieces = pieces;
            outq->cap = cap;
        }
        outq->head = 0;
    }
    outq->pieces[outq->head + outq->count++] = (struct iovec){(void *)from, n};
    outq->bytes += n;
    return 0;
}

/* Step over n written bytes. Returns the number of pieces that are done with. */
static size_t advance(struct psn_outq *outq, size_t n)
{
    size_t done = 0;

    outq->bytes -= n;
    while (outq->count > 0) {
        struct iovec *piece = &outq->pieces[outq->head];
        if (n < piece->iov_len) {
            piece->iov_base = (char *)piece->iov_base + n;
            piece->iov_len -= n;
            break;
        }
        n -= piece->iov_len;
        outq->head++;
        outq->count--;
        done++;
    }
    return done;
}

int psn_outq_flush(struct psn_outq *outq, int fd, size_t *released)
{
    while (outq->count > 0) {
        size_t n = outq->count < PIECES_PER_WRITE ? outq->count : PIECES_PER_WRITE;
        ssize_t rc = psn_sys_writev(fd, outq->pieces + outq->head, (int)n);
        if (rc < 0)
            return (int)rc;
        *released += advance(outq, (size_t)rc);
    }
    psn_outq_free(outq);
    return 0;
}
