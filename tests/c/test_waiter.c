#include "command.h"

#include "psn_waiter.h"

static struct psn_waiter waiter;

static struct psn_job *start(const char *script)
{
    struct psn_job *job = ready(new_shell(script), inherited);

    assert(spawn(job, PSN_ROAD_SHARED) == 0);
    return job;
}

static void end(struct psn_job *job)
{
    psn_ref_signal(ref_of(job), SIGKILL);
    psn_ref_bury(take_ref(job));
    psn_job_free(job);
}

/* Wait for the bell, and silence it. */
static void hear(void)
{
    uint64_t rings;

    wait_readable(waiter.bell);
    assert(read(waiter.bell, &rings, sizeof rings) == sizeof rings);
}

static int rings_within(int ms)
{
    struct pollfd entry = {.fd = waiter.bell, .events = POLLIN};
    uint64_t rings = 0;

    usleep((useconds_t)ms * 1000);
    if (poll(&entry, 1, 0) > 0)
        assert(read(waiter.bell, &rings, sizeof rings) == sizeof rings);
    return (int)rings;
}

static void the_bell_rings_when_a_child_ends(void)
{
    struct psn_exit exit;
    struct psn_job *job = start("exit 3");
    assert(psn_waiter_open(&waiter) == 0);

    while (psn_reap_take(ref_of(job), &exit) == 0)
        hear();

    assert(exit.status == 3 << 8);
    assert(fcntl(waiter.bell, F_GETFD) == FD_CLOEXEC);
    psn_job_free(job);
    psn_waiter_close(&waiter);
}

static void a_child_that_is_started_later_is_heard_too(void)
{
    assert(psn_waiter_open(&waiter) == 0);
    assert(rings_within(20) == 0);

    struct psn_job *job = start("exit 0");
    psn_waiter_poke(&waiter);
    hear();

    end(job);
    psn_waiter_close(&waiter);
}

static void a_child_that_nobody_reaps_does_not_hide_another(void)
{
    struct psn_exit exit;
    struct psn_job *strange = start("exit 0");
    assert(psn_reap_wait(ref_of(strange), PATIENCE_MS));
    assert(psn_waiter_open(&waiter) == 0);

    int rings = rings_within(300);
    assert(rings > 0 && rings < 50);
    struct psn_job *job = start("exit 4");
    psn_waiter_poke(&waiter);
    while (psn_reap_take(ref_of(job), &exit) == 0)
        hear();

    assert(exit.status == 4 << 8);
    psn_job_free(job);
    end(strange);
    psn_waiter_close(&waiter);
}

static void close_ends_the_thread_whatever_it_waits_for(void)
{
    int threads = count_threads();

    assert(psn_waiter_open(&waiter) == 0);
    psn_waiter_close(&waiter);

    struct psn_job *job = start("read line");
    for (int i = 0; i < 20; i++) {
        assert(psn_waiter_open(&waiter) == 0);
        usleep((useconds_t)i * 100);
        psn_waiter_close(&waiter);
    }
    assert(count_threads() == threads);
    end(job);
}

static void several_hear_of_the_same_end(void)
{
    struct psn_waiter other;
    struct psn_job *job = start("exit 0");
    assert(psn_waiter_open(&waiter) == 0);
    assert(psn_waiter_open(&other) == 0);

    hear();
    wait_readable(other.bell);

    end(job);
    psn_waiter_close(&other);
    psn_waiter_close(&waiter);
}

int main(void)
{
    int ends[2];

    /* read(1) of the children waits here for ever. */
    assert(pipe2(ends, O_CLOEXEC) == 0);
    assert(dup2(ends[0], 0) == 0);
    CHECK(the_bell_rings_when_a_child_ends);
    CHECK(a_child_that_is_started_later_is_heard_too);
    CHECK(a_child_that_nobody_reaps_does_not_hide_another);
    CHECK(close_ends_the_thread_whatever_it_waits_for);
    CHECK(several_hear_of_the_same_end);
    return 0;
}
