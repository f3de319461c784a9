#include "command.h"

#include "psn_creds.h"

#include <pthread.h>

static int dumpable(void)
{
    return prctl(PR_GET_DUMPABLE);
}

static void the_process_is_dumpable_again_after_the_last_leaves(void)
{
    assert(dumpable() == 1);

    psn_creds_enter();
    psn_creds_enter();
    assert(prctl(PR_SET_DUMPABLE, 0) == 0);
    psn_creds_leave();
    assert(dumpable() == 0);
    psn_creds_leave();

    assert(dumpable() == 1);
}

static void enter_undumpable(void)
{
    assert(prctl(PR_SET_DUMPABLE, 0) == 0);
    psn_creds_enter();
    psn_creds_leave();
    assert(dumpable() == 0);
}

static void an_undumpable_process_stays_so(void)
{
    check_in_fork(enter_undumpable);
}

static void *enter_and_leave(void *unused)
{
    for (int i = 0; i < 2000; i++) {
        psn_creds_enter();
        prctl(PR_SET_DUMPABLE, 0);
        psn_creds_leave();
    }
    return unused;
}

static void threads_leave_it_as_the_first_found_it(void)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        assert(pthread_create(&threads[i], NULL, enter_and_leave, NULL) == 0);
    for (int i = 0; i < 4; i++)
        assert(pthread_join(threads[i], NULL) == 0);

    assert(dumpable() == 1);
}

static int is_root(void)
{
    if (geteuid() != 0)
        printf("skipped: only root can change the user\n");
    return geteuid() == 0;
}

static void check_dumpable_after(enum psn_road road)
{
    struct psn_job *job = ready(new_program("/bin/true"), inherited);
    job->plan.uid = 65534;

    assert(status_of(job, road) == 0);

    assert(dumpable() == 1);
}

static void a_child_with_another_user_leaves_us_dumpable(void)
{
    if (!is_root())
        return;
    check_dumpable_after(PSN_ROAD_SHARED);
    check_dumpable_after(PSN_ROAD_COPIED);
}

static void a_child_that_fails_as_another_user_leaves_us_dumpable(void)
{
    if (!is_root())
        return;
    struct psn_job *job = ready(new_program("/nowhere"), inherited);
    job->plan.uid = 65534;

    assert(failure_of(job, PSN_ROAD_SHARED, PSN_STEP_EXEC) == -ENOENT);

    assert(dumpable() == 1);
}

static void *spawn_hanging(void *job)
{
    assert(spawn(job, PSN_ROAD_SHARED) == 0);
    return NULL;
}

/* While a child of another user is on our memory that user must not trace us. */
static void we_are_undumpable_while_a_child_with_another_user_hangs(void)
{
    struct lease lease;
    pthread_t thread;
    if (!is_root() || !leases_work())
        return;
    assert(lease_take(&lease, 1) == 0);
    struct psn_job *job = ready(new_program(lease.path), inherited);
    job->plan.uid = 65534;
    assert(chmod(".", 0755) == 0);
    assert(pthread_create(&thread, NULL, spawn_hanging, job) == 0);
    lease_await(1);

    assert(dumpable() != 1);
    struct psn_job *other = ready(new_program("/bin/true"), inherited);
    other->plan.uid = 65534;
    assert(status_of(other, PSN_ROAD_SHARED) == 0);
    assert(dumpable() != 1);
    lease_release(&lease);
    assert(pthread_join(thread, NULL) == 0);

    assert(dumpable() == 1);
    assert(waitpid(job->born.pid, NULL, 0) == job->born.pid);
    psn_job_free(job);
}

int main(void)
{
    CHECK(the_process_is_dumpable_again_after_the_last_leaves);
    CHECK(an_undumpable_process_stays_so);
    CHECK(threads_leave_it_as_the_first_found_it);
    CHECK(a_child_with_another_user_leaves_us_dumpable);
    CHECK(a_child_that_fails_as_another_user_leaves_us_dumpable);
    CHECK(we_are_undumpable_while_a_child_with_another_user_hangs);
    return 0;
}
