#include "check.h"

#include "psn_courier.h"

#include <sys/resource.h>
#include <sys/socket.h>

static struct psn_courier courier;

static void open_courier(void)
{
    psn_courier_init(&courier);
    assert(psn_courier_open(&courier) == 0);
}

static void a_courier_without_descriptors_may_be_closed(void)
{
    psn_courier_init(&courier);
    psn_courier_close(&courier);
    assert(courier.in == -1 && courier.out == -1);
}

static void a_descriptor_arrives_with_its_owner(void)
{
    char text[8];
    uint64_t owner;
    int fd, memory = open_memory();
    open_courier();
    assert(write(memory, "hello", 5) == 5);

    assert(psn_courier_send(courier.out, 7, memory) == 0);
    close(memory);
    assert(psn_courier_receive(&courier, &owner, &fd) == 1);

    assert(owner == 7);
    assert(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    read_back(fd, text, sizeof text);
    assert(strcmp(text, "hello") == 0);
    close(fd);
    psn_courier_close(&courier);
}

static void nothing_arrives_that_was_not_sent(void)
{
    uint64_t owner;
    int fd;
    open_courier();

    assert(psn_courier_receive(&courier, &owner, &fd) == 0);

    psn_courier_close(&courier);
}

static void many_are_on_their_way_and_arrive_in_order(void)
{
    enum { ENOUGH = 64 };
    int sent = 0, arrived = 0, memory = open_memory(), fd;
    uint64_t owner;
    open_courier();

    while (sent < 4096 && psn_courier_send(courier.out, (uint64_t)sent, memory) == 0)
        sent++;
    while (psn_courier_receive(&courier, &owner, &fd)) {
        assert(owner == (uint64_t)arrived++ && fd >= 0);
        close(fd);
    }

    assert(sent >= ENOUGH && arrived == sent);
    assert(psn_courier_send(courier.out, 0, memory) == 0);
    close(memory);
    psn_courier_close(&courier);
}

static void one_too_many_is_refused(void)
{
    int memory = open_memory(), rc;
    open_courier();

    while ((rc = psn_courier_send(courier.out, 0, memory)) == 0)
        ;

    assert(rc == -EAGAIN || rc == -ETOOMANYREFS);
    close(memory);
    psn_courier_close(&courier);
}

static void run_out_of_numbers(void)
{
    const struct rlimit none = {0, 0};
    uint64_t owner;
    int fd, memory = open_memory();
    open_courier();
    assert(psn_courier_send(courier.out, 7, memory) == 0);

    assert(setrlimit(RLIMIT_NOFILE, &none) == 0);
    assert(psn_courier_receive(&courier, &owner, &fd) == 1);

    assert(owner == 7 && fd == -1);
}

static void without_a_free_number_only_the_owner_arrives(void)
{
    check_in_fork(run_out_of_numbers);
}

static void nobody_is_signalled_when_the_other_side_is_gone(void)
{
    int memory = open_memory();
    open_courier();
    close(courier.in);
    courier.in = -1;

    assert(psn_courier_send(courier.out, 0, memory) == -EPIPE);

    close(memory);
    psn_courier_close(&courier);
}

static void a_copy_is_told_from_everything_else(void)
{
    int ends[2], copy, memory = open_memory();
    open_courier();
    assert(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    copy = dup(courier.out);

    assert(psn_courier_is_out(&courier, copy));
    assert(!psn_courier_is_out(&courier, courier.in));
    assert(!psn_courier_is_out(&courier, ends[0]));
    assert(!psn_courier_is_out(&courier, memory));
    assert(!psn_courier_is_out(&courier, -1));

    close(copy);
    close(ends[0]);
    close(ends[1]);
    close(memory);
    psn_courier_close(&courier);
}

int main(void)
{
    CHECK(a_courier_without_descriptors_may_be_closed);
    CHECK(a_descriptor_arrives_with_its_owner);
    CHECK(nothing_arrives_that_was_not_sent);
    CHECK(many_are_on_their_way_and_arrive_in_order);
    CHECK(one_too_many_is_refused);
    CHECK(without_a_free_number_only_the_owner_arrives);
    CHECK(nobody_is_signalled_when_the_other_side_is_gone);
    CHECK(a_copy_is_told_from_everything_else);
    return 0;
}
