#include "check.h"

#include "psn_outq.h"

#include <sys/time.h>

static int ends[2];
static volatile sig_atomic_t alarms;

static void open_pipe(int flags, int size)
{
    assert(pipe2(ends, O_CLOEXEC | flags) == 0);
    assert(fcntl(ends[1], F_SETPIPE_SZ, size) == size);
}

static void an_empty_queue_has_nothing_to_flush(void)
{
    struct psn_outq outq;
    size_t released = 0;
    psn_outq_init(&outq);

    assert(psn_outq_flush(&outq, -1, &released) == 0);

    assert(released == 0 && outq.bytes == 0);
    psn_outq_free(&outq);
    psn_outq_free(&outq);
}

static void pieces_are_written_in_order_and_released(void)
{
    char got[16];
    struct psn_outq outq;
    size_t released = 0;
    psn_outq_init(&outq);
    open_pipe(0, 4096);
    assert(psn_outq_push(&outq, "ab", 2) == 0);
    assert(psn_outq_push(&outq, "\0", 1) == 0);
    assert(psn_outq_push(&outq, "cde", 3) == 0);
    assert(outq.bytes == 6);

    assert(psn_outq_flush(&outq, ends[1], &released) == 0);

    assert(released == 3);
    assert(outq.bytes == 0 && outq.count == 0 && outq.pieces == NULL);
    assert(read(ends[0], got, sizeof got) == 6);
    assert(memcmp(got, "ab\0cde", 6) == 0);
    close(ends[0]);
    close(ends[1]);
}

static void released_is_added_to(void)
{
    struct psn_outq outq;
    size_t released = 5;
    psn_outq_init(&outq);
    open_pipe(0, 4096);

    assert(psn_outq_push(&outq, "a", 1) == 0);
    assert(psn_outq_flush(&outq, ends[1], &released) == 0);

    assert(released == 6);
    close(ends[0]);
    close(ends[1]);
}

static void a_piece_is_released_with_its_last_byte_only(void)
{
    enum { SIZE = 10000 };
    static char piece[SIZE], got[SIZE];
    struct psn_outq outq;
    size_t released = 0;
    psn_outq_init(&outq);
    open_pipe(O_NONBLOCK, 4096);
    assert(psn_outq_push(&outq, piece, SIZE) == 0);

    assert(psn_outq_flush(&outq, ends[1], &released) == -EAGAIN);
    assert(released == 0 && outq.bytes == SIZE - 4096 && outq.count == 1);
    assert(psn_outq_flush(&outq, ends[1], &released) == -EAGAIN);
    assert(released == 0 && outq.bytes == SIZE - 4096);
    assert(read(ends[0], got, SIZE) == 4096);
    assert(psn_outq_flush(&outq, ends[1], &released) == -EAGAIN);
    assert(read(ends[0], got, SIZE) == 4096);
    assert(psn_outq_flush(&outq, ends[1], &released) == 0);

    assert(released == 1 && outq.bytes == 0);
    close(ends[0]);
    close(ends[1]);
}

static unsigned next_random(unsigned *state)
{
    *state = *state * 1103515245 + 12345;
    return *state >> 8;
}

/* Pieces are pushed while others are written and read, so that the array grows,
 * is compacted and starts afresh, and writev gets all kinds of beginnings. */
static void many_pieces_go_through_partial_writes(void)
{
    enum { TOTAL = 600000, LARGEST = 700 };
    static char sent[TOTAL], got[TOTAL];
    unsigned random = 4711;
    size_t pushed = 0, received = 0, pieces = 0, released = 0;
    struct psn_outq outq;
    psn_outq_init(&outq);
    open_pipe(O_NONBLOCK, 8192);
    for (size_t i = 0; i < TOTAL; i++)
        sent[i] = (char)next_random(&random);

    while (received < TOTAL) {
        for (unsigned n = next_random(&random) % 100; n > 0 && pushed < TOTAL; n--) {
            size_t size = 1 + next_random(&random) % LARGEST;
            if (size > TOTAL - pushed)
                size = TOTAL - pushed;
            assert(psn_outq_push(&outq, sent + pushed, size) == 0);
            pushed += size;
            pieces++;
        }
        int rc = psn_outq_flush(&outq, ends[1], &released);
        assert(rc == (outq.bytes ? -EAGAIN : 0));
        assert(released + outq.count == pieces);
        ssize_t n = read(ends[0], got + received, next_random(&random) % 20000);
        received += n > 0 ? (size_t)n : 0;
    }

    assert(psn_outq_flush(&outq, ends[1], &released) == 0);
    assert(pushed == TOTAL && released == pieces);
    assert(memcmp(sent, got, TOTAL) == 0);
    close(ends[0]);
    close(ends[1]);
}

static void more_pieces_than_writev_takes_are_written_at_once(void)
{
    enum { COUNT = 3000 };
    static char bytes[COUNT], got[COUNT];
    struct psn_outq outq;
    size_t released = 0;
    psn_outq_init(&outq);
    open_pipe(O_NONBLOCK, 65536);
    for (int i = 0; i < COUNT; i++) {
        bytes[i] = (char)i;
        assert(psn_outq_push(&outq, &bytes[i], 1) == 0);
    }

    assert(psn_outq_flush(&outq, ends[1], &released) == 0);

    assert(released == COUNT);
    assert(read(ends[0], got, COUNT) == COUNT);
    assert(memcmp(bytes, got, COUNT) == 0);
    close(ends[0]);
    close(ends[1]);
}

static void an_error_leaves_what_was_not_written(void)
{
    struct psn_outq outq;
    size_t released = 0;
    psn_outq_init(&outq);
    open_pipe(O_NONBLOCK, 4096);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    assert(psn_outq_push(&outq, "abc", 3) == 0);

    assert(psn_outq_flush(&outq, ends[1], &released) == -EPIPE);

    assert(released == 0 && outq.bytes == 3 && outq.count == 1);
    psn_outq_free(&outq);
    assert(outq.bytes == 0 && outq.count == 0);
    signal(SIGPIPE, SIG_DFL);
    close(ends[1]);
}

static void drain_at_the_third_alarm(int sig)
{
    static char bytes[65536];

    (void)sig;
    if (++alarms >= 3)
        assert(read(ends[0], bytes, sizeof bytes) != 0);
}

/* The handler interrupts a write that has not begun, which is EINTR, and writes in
 * the middle, which are short. */
static void a_blocking_write_is_not_stopped_by_signals(void)
{
    enum { SIZE = 40000 };
    static char bytes[SIZE];
    struct sigaction action = {.sa_handler = drain_at_the_third_alarm};
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    struct psn_outq outq;
    size_t released = 0;
    psn_outq_init(&outq);
    open_pipe(0, 4096);
    assert(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    assert(write(ends[1], bytes, 4096) == 4096);
    assert(psn_outq_push(&outq, bytes, SIZE) == 0);
    assert(psn_outq_push(&outq, bytes, 1) == 0);
    alarms = 0;
    assert(sigaction(SIGALRM, &action, NULL) == 0);
    assert(setitimer(ITIMER_REAL, &often, NULL) == 0);

    assert(psn_outq_flush(&outq, ends[1], &released) == 0);

    assert(setitimer(ITIMER_REAL, &never, NULL) == 0);
    assert(alarms >= 3);
    assert(released == 2);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    CHECK(an_empty_queue_has_nothing_to_flush);
    CHECK(pieces_are_written_in_order_and_released);
    CHECK(released_is_added_to);
    CHECK(a_piece_is_released_with_its_last_byte_only);
    CHECK(many_pieces_go_through_partial_writes);
    CHECK(more_pieces_than_writev_takes_are_written_at_once);
    CHECK(an_error_leaves_what_was_not_written);
    CHECK(a_blocking_write_is_not_stopped_by_signals);
    return 0;
}
