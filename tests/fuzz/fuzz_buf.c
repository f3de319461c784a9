/* psn_buf against a plain array: the same bytes in the same order, whatever is
 * appended, filled in, looked for and dropped, in any order. */
#include "input.h"

#include "psn_buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST (256 * 1024)
#define MOST_OF_A_PIECE 65536
#define MOST_WANTED 6

static char model[MOST];
static size_t len;

/* Few different bytes, so that what is looked for is often nearly there. */
static void draw(struct input *input, char *to, size_t n)
{
    unsigned pattern = input_byte(input), step = input_byte(input);

    for (size_t i = 0; i < n; i++) {
        to[i] = "ab\n"[(pattern >> i % 7) % 3];
        pattern += step;
    }
}

static void check(const struct psn_buf *buf)
{
    assert(psn_buf_len(buf) == len);
    assert(len == 0 || memcmp(psn_buf_peek(buf), model, len) == 0);
    assert(buf->head <= buf->tail && buf->tail <= buf->cap);
}

static size_t room(struct input *input)
{
    size_t n = input_size(input);

    return n < MOST - len ? n : MOST - len;
}

static void append(struct psn_buf *buf, struct input *input)
{
    size_t n = room(input);
    char *from = malloc(n + 1);

    assert(from != NULL);
    draw(input, from, n);
    assert(psn_buf_append(buf, from, n) == 0);
    if (n > 0)
        memcpy(model + len, from, n);
    len += n;
    free(from);
}

/* A pipe that holds n bytes, of which one read takes at most max. */
static void fill(struct psn_buf *buf, struct input *input, int is_closed)
{
    static char piece[MOST_OF_A_PIECE];
    size_t n = room(input), max = room(input) + 1;
    int ends[2];

    assert(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    draw(input, piece, n);
    ssize_t written = n > 0 ? write(ends[1], piece, n) : 0;
    assert(written >= 0);
    n = (size_t)written;
    if (is_closed)
        close(ends[1]);
    ssize_t rc = psn_buf_fill(buf, ends[0], max);
    if (n == 0) {
        assert(rc == (is_closed ? 0 : -EAGAIN));
        assert(len > 0 || buf->base == NULL);
    } else {
        assert(rc == (ssize_t)(n < max ? n : max));
        memcpy(model + len, piece, (size_t)rc);
        len += (size_t)rc;
    }
    close(ends[0]);
    if (!is_closed)
        close(ends[1]);
}

static void drop(struct psn_buf *buf, struct input *input)
{
    size_t n = input_size(input);

    if (n > len)
        n = len;
    psn_buf_drop(buf, n);
    memmove(model, model + n, len - n);
    len -= n;
}

static void find(struct psn_buf *buf, struct input *input)
{
    char what[MOST_WANTED];
    size_t n = 1 + input_byte(input) % MOST_WANTED, from = input_size(input);
    ssize_t expected = -1;

    draw(input, what, n);
    for (size_t at = from; at + n <= len && expected < 0; at++)
        if (memcmp(model + at, what, n) == 0)
            expected = (ssize_t)at;
    assert(psn_buf_find(buf, from, what, n) == expected);
}

static void reserve(struct psn_buf *buf, struct input *input)
{
    size_t n = input_size(input);

    /* More than there is room for in any memory is refused. */
    if (input_byte(input) % 8 == 0) {
        assert(psn_buf_reserve(buf, (size_t)-1 - n) == -ENOMEM);
        return;
    }
    assert(psn_buf_reserve(buf, n) == 0);
    assert(buf->cap - buf->tail >= n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct psn_buf buf;

    psn_buf_init(&buf);
    len = 0;
    while (input.left > 0) {
        switch (input_byte(&input) % 8) {
        case 0:
            append(&buf, &input);
            break;
        case 1:
        case 2:
            fill(&buf, &input, 0);
            break;
        case 3:
            fill(&buf, &input, 1);
            break;
        case 4:
            drop(&buf, &input);
            break;
        case 5:
            find(&buf, &input);
            break;
        case 6:
            reserve(&buf, &input);
            break;
        default:
            psn_buf_drop(&buf, len);
            len = 0;
        }
        check(&buf);
    }
    psn_buf_free(&buf);
    return 0;
}
