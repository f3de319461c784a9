/* psn_outq against the order of its pieces: every byte arrives once, through a pipe
 * that takes less than there is, and a piece is released when its last byte is written.
 */
#include "input.h"

#include "psn_outq.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST_PIECES 512
#define MOST_BYTES (1 << 20)
#define PIPE_BYTES 4096

/* Each piece is a block of its own, so that the sanitizer sees a read beyond it, and of
 * one that was released. */
static struct {
    char *bytes;
    size_t n;
} pieces[MOST_PIECES];
static size_t n_pieces, n_released;
static size_t pushed, arrived;
static int ends[2];

/* What stands at a place of the stream. */
static char byte_at(size_t place)
{
    return (char)(place * 31 >> 3 ^ place);
}

static void push(struct psn_outq *outq, struct input *input)
{
    size_t n = 1 + input_size(input);

    if (n_pieces == MOST_PIECES || pushed + n > MOST_BYTES)
        return;
    char *bytes = malloc(n);
    assert(bytes != NULL);
    for (size_t i = 0; i < n; i++)
        bytes[i] = byte_at(pushed + i);
    assert(psn_outq_push(outq, bytes, n) == 0);
    pieces[n_pieces].bytes = bytes;
    pieces[n_pieces++].n = n;
    pushed += n;
}

/* Bytes in the pipe count as written. */
static size_t written(const struct psn_outq *outq)
{
    return pushed - outq->bytes;
}

static void flush(struct psn_outq *outq)
{
    size_t released = 0, end = 0;
    int rc = psn_outq_flush(outq, ends[1], &released);

    assert(rc == 0 || rc == -EAGAIN);
    assert((rc == 0) == (outq->bytes == 0) && (rc == 0) == (outq->count == 0));
    assert(n_pieces - n_released == released + outq->count);
    for (; released > 0; released--)
        free(pieces[n_released++].bytes);
    for (size_t i = 0; i < n_released; i++)
        end += pieces[i].n;
    assert(end <= written(outq));
    assert(n_released == n_pieces || end + pieces[n_released].n > written(outq));
}

static void receive(size_t most)
{
    char block[PIPE_BYTES];
    ssize_t n = read(ends[0], block, most < sizeof block ? most : sizeof block);

    if (n < 0)
        assert(errno == EAGAIN);
    for (ssize_t i = 0; i < n; i++)
        assert(block[i] == byte_at(arrived + (size_t)i));
    arrived += n > 0 ? (size_t)n : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct psn_outq outq;

    assert(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES);
    psn_outq_init(&outq);
    n_pieces = n_released = pushed = arrived = 0;
    while (input.left > 0) {
        switch (input_byte(&input) % 4) {
        case 0:
        case 1:
            push(&outq, &input);
            break;
        case 2:
            flush(&outq);
            break;
        default:
            receive(input_size(&input));
        }
        assert(arrived <= written(&outq));
    }
    if (input_byte(&input) == 0 && size % 2 == 0)
        while (arrived < pushed) {
            flush(&outq);
            receive(PIPE_BYTES);
        }
    psn_outq_free(&outq);
    for (; n_released < n_pieces; n_released++)
        free(pieces[n_released].bytes);
    close(ends[0]);
    close(ends[1]);
    return 0;
}
