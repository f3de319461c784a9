/* Bytes still to be written, in pieces that stay where they are: the queue borrows
 * them, and says how many it is done with. */
#ifndef PSN_OUTQ_H
#define PSN_OUTQ_H

#include "psn_config.h"

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct psn_outq {
    struct iovec *pieces; /* owned array; the bytes are borrowed until released */
    size_t head;          /* first piece that is not written */
    size_t count;         /* pieces not written, the first perhaps in part */
    size_t cap;
    size_t bytes; /* not written, of all pieces */
};

void psn_outq_init(struct psn_outq *outq);
void psn_outq_free(struct psn_outq *outq);

/* Queue n > 0 bytes at `from`. Returns 0 or -ENOMEM. */
int psn_outq_push(struct psn_outq *outq, const char *from, size_t n);

/* Write as much as fd takes. Adds to *released how many pieces are done with. Returns
 * 0 when nothing is left, -EAGAIN when fd takes no more now, or a negative errno. */
int psn_outq_flush(struct psn_outq *outq, int fd, size_t *released);

#endif
