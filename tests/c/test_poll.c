#include "check.h"

#include "psn_poll.h"

static int ends[2];
static struct psn_poll set;
static struct epoll_event events[8];

static void open_all(void)
{
    assert(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    psn_poll_init(&set);
    assert(psn_poll_open(&set) == 0);
}

static void close_all(void)
{
    psn_poll_close(&set);
    close(ends[0]);
    close(ends[1]);
}

static int take(void)
{
    return psn_poll_take(&set, events, 8);
}

static void put(const char *text)
{
    assert(write(ends[1], text, strlen(text)) == (ssize_t)strlen(text));
}

static void close_may_be_called_twice(void)
{
    psn_poll_init(&set);
    assert(set.fd == -1);
    psn_poll_close(&set);
    assert(psn_poll_open(&set) == 0);
    assert(fcntl(set.fd, F_GETFD) == FD_CLOEXEC);

    psn_poll_close(&set);
    psn_poll_close(&set);

    assert(set.fd == -1);
}

static void nothing_is_reported_before_it_happens(void)
{
    open_all();

    assert(take() == 0);
    assert(psn_poll_add(&set, ends[0], PSN_POLL_READ, 1) == 0);
    assert(take() == 0);

    close_all();
}

static void readiness_comes_once_with_its_data(void)
{
    open_all();
    assert(psn_poll_add(&set, ends[0], PSN_POLL_READ, 0x123456789abcdef0) == 0);
    put("a");

    assert(take() == 1);
    assert(events[0].events == PSN_POLL_READ);
    assert(events[0].data.u64 == 0x123456789abcdef0);
    assert(take() == 0);

    close_all();
}

static void what_was_true_before_the_add_is_reported(void)
{
    open_all();
    put("a");

    assert(psn_poll_add(&set, ends[0], PSN_POLL_READ, 1) == 0);

    assert(take() == 1);
    close_all();
}

static void new_bytes_are_a_new_event_even_if_the_old_are_unread(void)
{
    open_all();
    assert(psn_poll_add(&set, ends[0], PSN_POLL_READ, 1) == 0);
    put("a");
    assert(take() == 1);

    put("b");

    assert(take() == 1);
    assert(take() == 0);
    close_all();
}

static void the_set_itself_becomes_readable(void)
{
    open_all();
    assert(psn_poll_add(&set, ends[0], PSN_POLL_READ, 1) == 0);
    struct pollfd entry = {.fd = set.fd, .events = POLLIN};
    assert(poll(&entry, 1, 0) == 0);

    put("a");

    assert(poll(&entry, 1, 0) == 1);
    assert(take() == 1);
    assert(poll(&entry, 1, 0) == 0);
    close_all();
}

static void a_writer_hears_of_room_once(void)
{
    char bytes[8192] = {0};
    open_all();
    assert(psn_poll_add(&set, ends[1], PSN_POLL_WRITE, 1) == 0);
    assert(take() == 1 && events[0].events == PSN_POLL_WRITE);
    assert(take() == 0);
    while (write(ends[1], bytes, sizeof bytes) > 0)
        ;
    assert(take() == 0);

    while (read(ends[0], bytes, sizeof bytes) > 0)
        ;

    assert(take() == 1 && events[0].events == PSN_POLL_WRITE);
    close_all();
}

static void a_hangup_is_reported_unasked(void)
{
    open_all();
    assert(psn_poll_add(&set, ends[0], 0, 1) == 0);

    close(ends[1]);

    assert(take() == 1);
    assert(events[0].events & PSN_POLL_HANGUP);
    psn_poll_close(&set);
    close(ends[0]);
}

static void a_gone_reader_is_reported_to_the_writer(void)
{
    open_all();
    assert(psn_poll_add(&set, ends[1], 0, 1) == 0);

    close(ends[0]);

    assert(take() == 1);
    assert(events[0].events & PSN_POLL_HANGUP);
    psn_poll_close(&set);
    close(ends[1]);
}

static void change_reports_what_is_true_now(void)
{
    open_all();
    put("a");
    assert(psn_poll_add(&set, ends[0], PSN_POLL_READ, 1) == 0);
    assert(take() == 1);
    assert(psn_poll_change(&set, ends[0], 0, 1) == 0);
    assert(take() == 0);

    assert(psn_poll_change(&set, ends[0], PSN_POLL_READ, 2) == 0);

    assert(take() == 1);
    assert(events[0].data.u64 == 2);
    assert(take() == 0);
    close_all();
}

static void nothing_is_heard_of_a_removed_descriptor(void)
{
    open_all();
    assert(psn_poll_add(&set, ends[0], PSN_POLL_READ, 1) == 0);
    put("a");

    psn_poll_remove(&set, ends[0]);
    put("b");

    assert(take() == 0);
    close_all();
}

/* The copy stands for the one that a child holds between clone and exec: without the
 * removal the set would go on watching it, and nobody could make it stop. */
static void removal_before_close_forgets_copies_as_well(void)
{
    open_all();
    int copy = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
    assert(psn_poll_add(&set, ends[0], PSN_POLL_READ, 1) == 0);

    psn_poll_remove(&set, ends[0]);
    close(ends[0]);
    put("a");
    assert(take() == 0);

    ends[0] = copy;
    close_all();
}

static void a_reused_number_is_another_descriptor(void)
{
    int other[2];
    open_all();
    assert(psn_poll_add(&set, ends[0], PSN_POLL_READ, 1) == 0);
    psn_poll_remove(&set, ends[0]);
    assert(pipe2(other, O_CLOEXEC) == 0);
    assert(dup3(other[0], ends[0], O_CLOEXEC) == ends[0]);

    assert(psn_poll_add(&set, ends[0], PSN_POLL_READ, 2) == 0);
    assert(write(other[1], "a", 1) == 1);

    assert(take() == 1);
    assert(events[0].data.u64 == 2);
    close(other[0]);
    close(other[1]);
    close_all();
}

static void what_does_not_fit_comes_with_the_next_take(void)
{
    enum { COUNT = 20 };
    int pipes[COUNT][2];
    unsigned seen = 0;
    open_all();
    for (int i = 0; i < COUNT; i++) {
        assert(pipe2(pipes[i], O_CLOEXEC) == 0);
        assert(psn_poll_add(&set, pipes[i][0], PSN_POLL_READ, (uint64_t)i) == 0);
        assert(write(pipes[i][1], "a", 1) == 1);
    }

    for (int n; (n = take()) > 0;)
        for (int i = 0; i < n; i++) {
            assert(!(seen & 1u << events[i].data.u64));
            seen |= 1u << events[i].data.u64;
        }

    assert(seen == (1u << COUNT) - 1);
    for (int i = 0; i < COUNT; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    close_all();
}

static void errors_are_negative_errnos(void)
{
    open_all();
    write_file("regular", "", 0600);
    int regular = open("regular", O_RDONLY | O_CLOEXEC);

    assert(psn_poll_add(&set, -1, PSN_POLL_READ, 1) == -EBADF);
    assert(psn_poll_add(&set, regular, PSN_POLL_READ, 1) == -EPERM);
    assert(psn_poll_change(&set, ends[0], PSN_POLL_READ, 1) == -ENOENT);
    assert(psn_poll_add(&set, ends[0], PSN_POLL_READ, 1) == 0);
    assert(psn_poll_add(&set, ends[0], PSN_POLL_READ, 1) == -EEXIST);
    psn_poll_remove(&set, -1);

    close(regular);
    close_all();
    assert(take() == -EBADF);
}

int main(void)
{
    CHECK(close_may_be_called_twice);
    CHECK(nothing_is_reported_before_it_happens);
    CHECK(readiness_comes_once_with_its_data);
    CHECK(what_was_true_before_the_add_is_reported);
    CHECK(new_bytes_are_a_new_event_even_if_the_old_are_unread);
    CHECK(the_set_itself_becomes_readable);
    CHECK(a_writer_hears_of_room_once);
    CHECK(a_hangup_is_reported_unasked);
    CHECK(a_gone_reader_is_reported_to_the_writer);
    CHECK(change_reports_what_is_true_now);
    CHECK(nothing_is_heard_of_a_removed_descriptor);
    CHECK(removal_before_close_forgets_copies_as_well);
    CHECK(a_reused_number_is_another_descriptor);
    CHECK(what_does_not_fit_comes_with_the_next_take);
    CHECK(errors_are_negative_errnos);
    return 0;
}
