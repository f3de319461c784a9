#include "check.h"

#include "psn_buf.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/time.h>

/* A pipe whose write end is used by an alarm's handler. */
static int ends[2];
static volatile sig_atomic_t alarms;

static void open_pipe(void)
{
    assert(pipe2(ends, O_CLOEXEC) == 0);
}

static void close_pipe(void)
{
    close(ends[0]);
    close(ends[1]);
}

static char pattern_at(size_t at)
{
    return (char)((at * 31 + at / 251) & 0xff);
}

static void fill_pattern(char *to, size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = pattern_at(from + i);
}

static void check_pattern(const struct psn_buf *buf, size_t from)
{
    const char *bytes = psn_buf_peek(buf);

    for (size_t i = 0; i < psn_buf_len(buf); i++)
        assert(bytes[i] == pattern_at(from + i));
}

static void a_new_buffer_is_empty_and_owns_nothing(void)
{
    struct psn_buf buf;

    psn_buf_init(&buf);

    assert(psn_buf_len(&buf) == 0);
    assert(buf.base == NULL);
    psn_buf_free(&buf);
    psn_buf_free(&buf);
}

static void appended_bytes_are_found_at_the_head(void)
{
    struct psn_buf buf;
    psn_buf_init(&buf);

    assert(psn_buf_append(&buf, "ab", 2) == 0);
    assert(psn_buf_append(&buf, "", 0) == 0);
    assert(psn_buf_append(&buf, "c", 1) == 0);
    psn_buf_drop(&buf, 1);

    assert(psn_buf_len(&buf) == 2);
    assert(memcmp(psn_buf_peek(&buf), "bc", 2) == 0);
    psn_buf_free(&buf);
}

static void the_memory_stays_for_the_next_fill_which_gives_it_back(void)
{
    struct psn_buf buf;
    psn_buf_init(&buf);
    assert(psn_buf_append(&buf, "abc", 3) == 0);

    psn_buf_drop(&buf, 3);
    assert(psn_buf_len(&buf) == 0);
    assert(buf.base != NULL);

    open_pipe();
    assert(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    assert(psn_buf_fill(&buf, ends[0], 100) == -EAGAIN);
    assert(buf.base == NULL && buf.cap == 0);
    close_pipe();
}

static void the_memory_is_page_aligned(void)
{
    struct psn_buf buf;
    psn_buf_init(&buf);

    assert(psn_buf_reserve(&buf, 1) == 0);
    assert((uintptr_t)buf.base % 4096 == 0);
    assert(psn_buf_reserve(&buf, 1 << 20) == 0);
    assert((uintptr_t)buf.base % 4096 == 0);

    psn_buf_free(&buf);
}

static void growth_keeps_the_bytes(void)
{
    enum { PIECE = 40000, PIECES = 40 };
    static char piece[PIECE];
    struct psn_buf buf;
    psn_buf_init(&buf);

    for (size_t i = 0; i < PIECES; i++) {
        fill_pattern(piece, i * PIECE, PIECE);
        assert(psn_buf_append(&buf, piece, PIECE) == 0);
    }

    assert(psn_buf_len(&buf) == PIECE * PIECES);
    check_pattern(&buf, 0);
    psn_buf_free(&buf);
}

static void a_few_bytes_move_to_the_front_instead_of_growing(void)
{
    enum { SIZE = 64 * 1024 };
    static char bytes[SIZE];
    struct psn_buf buf;
    psn_buf_init(&buf);
    fill_pattern(bytes, 0, SIZE);
    assert(psn_buf_append(&buf, bytes, SIZE) == 0);
    assert(buf.cap == SIZE);
    psn_buf_drop(&buf, SIZE - 100);

    assert(psn_buf_reserve(&buf, SIZE - 100) == 0);

    assert(buf.cap == SIZE);
    assert(buf.head == 0 && psn_buf_len(&buf) == 100);
    check_pattern(&buf, SIZE - 100);
    psn_buf_free(&buf);
}

static void a_stream_through_a_small_backlog_never_grows(void)
{
    enum { PIECE = 1000, BACKLOG = 5 };
    char piece[PIECE];
    struct psn_buf buf;
    psn_buf_init(&buf);

    for (size_t i = 0; i < 1000; i++) {
        fill_pattern(piece, i * PIECE, PIECE);
        assert(psn_buf_append(&buf, piece, PIECE) == 0);
        if (i < BACKLOG)
            continue;
        assert(*psn_buf_peek(&buf) == pattern_at((i - BACKLOG) * PIECE));
        psn_buf_drop(&buf, PIECE);
    }

    assert(buf.cap == 64 * 1024);
    check_pattern(&buf, (1000 - BACKLOG) * PIECE);
    psn_buf_free(&buf);
}

static void any_mixture_of_appends_and_drops_keeps_the_order(void)
{
    enum { LARGEST = 90000 };
    static char piece[LARGEST];
    unsigned random = 12345;
    size_t written = 0, dropped = 0;
    struct psn_buf buf;
    psn_buf_init(&buf);

    for (int i = 0; i < 200; i++) {
        random = random * 1103515245 + 12345;
        size_t n = (random >> 8) % LARGEST;
        fill_pattern(piece, written, n);
        assert(psn_buf_append(&buf, piece, n) == 0);
        written += n;
        random = random * 1103515245 + 12345;
        n = (random >> 8) % (psn_buf_len(&buf) + 1);
        psn_buf_drop(&buf, n);
        dropped += n;
        assert(psn_buf_len(&buf) == written - dropped);
        if (i % 10 == 0)
            check_pattern(&buf, dropped);
    }

    check_pattern(&buf, dropped);
    psn_buf_free(&buf);
}

static void a_size_without_end_is_refused_and_changes_nothing(void)
{
    struct psn_buf buf;
    psn_buf_init(&buf);
    assert(psn_buf_append(&buf, "abc", 3) == 0);
    struct psn_buf before = buf;

    assert(psn_buf_reserve(&buf, SIZE_MAX) == -ENOMEM);
    assert(psn_buf_reserve(&buf, SIZE_MAX / 2) == -ENOMEM);

    assert(memcmp(&before, &buf, sizeof buf) == 0);
    psn_buf_free(&buf);
}

static void fill_reads_what_is_there(void)
{
    struct psn_buf buf;
    psn_buf_init(&buf);
    open_pipe();

    assert(write(ends[1], "a\0b", 3) == 3);
    assert(psn_buf_fill(&buf, ends[0], 65536) == 3);
    assert(write(ends[1], "cdef", 4) == 4);
    assert(psn_buf_fill(&buf, ends[0], 65536) == 4);

    assert(psn_buf_len(&buf) == 7);
    assert(memcmp(psn_buf_peek(&buf), "a\0bcdef", 7) == 0);
    psn_buf_free(&buf);
    close_pipe();
}

static void fill_reads_no_more_than_asked(void)
{
    struct psn_buf buf;
    psn_buf_init(&buf);
    open_pipe();
    assert(write(ends[1], "abcdef", 6) == 6);

    assert(psn_buf_fill(&buf, ends[0], 4) == 4);
    assert(psn_buf_len(&buf) == 4);
    assert(psn_buf_fill(&buf, ends[0], 4) == 2);

    assert(memcmp(psn_buf_peek(&buf), "abcdef", 6) == 0);
    psn_buf_free(&buf);
    close_pipe();
}

static void fill_tells_the_end_from_nothing_yet(void)
{
    struct psn_buf buf;
    psn_buf_init(&buf);
    assert(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);

    assert(psn_buf_fill(&buf, ends[0], 65536) == -EAGAIN);
    assert(buf.base == NULL);
    assert(psn_buf_append(&buf, "kept", 4) == 0);
    assert(psn_buf_fill(&buf, ends[0], 65536) == -EAGAIN);
    assert(memcmp(psn_buf_peek(&buf), "kept", 4) == 0);
    close(ends[1]);
    assert(psn_buf_fill(&buf, ends[0], 65536) == 0);
    assert(psn_buf_len(&buf) == 4);
    psn_buf_drop(&buf, 4);
    assert(psn_buf_fill(&buf, ends[0], 65536) == 0);

    assert(buf.base == NULL);
    close(ends[0]);
}

static void fill_reports_an_error(void)
{
    struct psn_buf buf;
    psn_buf_init(&buf);

    assert(psn_buf_fill(&buf, -1, 10) == -EBADF);

    assert(buf.base == NULL);
}

static void write_at_the_third_alarm(int sig)
{
    (void)sig;
    if (++alarms == 3)
        assert(write(ends[1], "late", 4) == 4);
}

static void fill_is_not_stopped_by_signals(void)
{
    struct sigaction action = {.sa_handler = write_at_the_third_alarm};
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    struct psn_buf buf;
    psn_buf_init(&buf);
    open_pipe();
    alarms = 0;
    assert(sigaction(SIGALRM, &action, NULL) == 0);
    assert(setitimer(ITIMER_REAL, &often, NULL) == 0);

    assert(psn_buf_fill(&buf, ends[0], 100) == 4);

    assert(setitimer(ITIMER_REAL, &never, NULL) == 0);
    assert(alarms >= 3);
    assert(memcmp(psn_buf_peek(&buf), "late", 4) == 0);
    psn_buf_free(&buf);
    close_pipe();
}

static void find_counts_from_the_head(void)
{
    struct psn_buf buf;
    psn_buf_init(&buf);
    assert(psn_buf_append(&buf, "xx\na\nbc\r\nd", 10) == 0);
    psn_buf_drop(&buf, 2);

    assert(psn_buf_find(&buf, 0, "\n", 1) == 0);
    assert(psn_buf_find(&buf, 1, "\n", 1) == 2);
    assert(psn_buf_find(&buf, 3, "\n", 1) == 6);
    assert(psn_buf_find(&buf, 0, "\r\n", 2) == 5);
    assert(psn_buf_find(&buf, 5, "\r\n", 2) == 5);
    assert(psn_buf_find(&buf, 6, "\r\n", 2) == -1);
    assert(psn_buf_find(&buf, 0, "d", 1) == 7);
    assert(psn_buf_find(&buf, 0, "d!", 2) == -1);
    assert(psn_buf_find(&buf, 8, "\n", 1) == -1);
    assert(psn_buf_find(&buf, 1000, "\n", 1) == -1);
    assert(psn_buf_find(&buf, 0, "longer than what there is", 25) == -1);
    psn_buf_free(&buf);
}

static void find_does_not_stop_at_a_nul(void)
{
    struct psn_buf buf;
    psn_buf_init(&buf);
    assert(psn_buf_append(&buf, "\0a\0\0b", 5) == 0);

    assert(psn_buf_find(&buf, 0, "b", 1) == 4);
    assert(psn_buf_find(&buf, 0, "\0\0", 2) == 2);
    assert(psn_buf_find(&buf, 0, "\0b", 2) == 3);

    psn_buf_free(&buf);
}

static void nothing_is_found_in_an_empty_buffer(void)
{
    struct psn_buf buf;
    psn_buf_init(&buf);

    assert(psn_buf_find(&buf, 0, "\n", 1) == -1);
    assert(psn_buf_find(&buf, 0, "\r\n", 2) == -1);
}

int main(void)
{
    CHECK(a_new_buffer_is_empty_and_owns_nothing);
    CHECK(appended_bytes_are_found_at_the_head);
    CHECK(the_memory_stays_for_the_next_fill_which_gives_it_back);
    CHECK(the_memory_is_page_aligned);
    CHECK(growth_keeps_the_bytes);
    CHECK(a_few_bytes_move_to_the_front_instead_of_growing);
    CHECK(a_stream_through_a_small_backlog_never_grows);
    CHECK(any_mixture_of_appends_and_drops_keeps_the_order);
    CHECK(a_size_without_end_is_refused_and_changes_nothing);
    CHECK(fill_reads_what_is_there);
    CHECK(fill_reads_no_more_than_asked);
    CHECK(fill_tells_the_end_from_nothing_yet);
    CHECK(fill_reports_an_error);
    CHECK(fill_is_not_stopped_by_signals);
    CHECK(find_counts_from_the_head);
    CHECK(find_does_not_stop_at_a_nul);
    CHECK(nothing_is_found_in_an_empty_buffer);
    return 0;
}
