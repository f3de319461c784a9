#include "command.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

static enum psn_road road;
static char text[8192];

static void this_machine_shares_memory_and_has_pidfds(void)
{
    struct psn_abilities can;
    struct psn_stack stack;
    assert(psn_stack_init(&stack) == 0);

    for (int i = 0; i < 10; i++) {
        assert(psn_spawn_probe(&stack, &can) == 0);
        assert(can.road == PSN_ROAD_SHARED && can.has_pidfd);
    }

    psn_stack_free(&stack);
    psn_stack_free(&stack);
}

static void probe_where_clone_fails(void)
{
    struct psn_abilities can;
    struct psn_stack stack;

    assert(psn_stack_init(&stack) == 0);
    refuse_system_call(SYS_clone, EINVAL);
    assert(psn_spawn_probe(&stack, &can) == 0);
    assert(can.road == PSN_ROAD_COPIED && !can.has_pidfd);
    refuse_system_call(SYS_clone, EAGAIN);
    assert(psn_spawn_probe(&stack, &can) == -EAGAIN);
    psn_stack_free(&stack);
}

static void probe_where_pidfds_are_refused(void)
{
    struct psn_abilities can;
    struct psn_stack stack;

    assert(psn_stack_init(&stack) == 0);
    refuse_system_call(SYS_pidfd_send_signal, ENOSYS);
    assert(psn_spawn_probe(&stack, &can) == 0);
    assert(can.road == PSN_ROAD_SHARED && !can.has_pidfd);
    assert(!has_children());
    psn_stack_free(&stack);
}

static void pidfds_that_cannot_be_signalled_are_none(void)
{
    check_in_fork(probe_where_pidfds_are_refused);
}

static void a_refused_flag_means_the_other_road(void)
{
    check_in_fork(probe_where_clone_fails);
}

static void a_child_has_a_pid(void)
{
    struct psn_job *job = ready(new_shell("exit 3"), inherited);
    int status;

    assert(spawn(job, road) == 0);

    assert(job->born.pid > 0);
    assert(job->born.report.step == PSN_STEP_NONE && job->born.report.err == 0);
    assert(waitpid(job->born.pid, &status, 0) == job->born.pid && status == 3 << 8);
    psn_job_free(job);
}

static void a_child_has_a_pidfd(void)
{
    struct psn_job *job = ready(new_shell("exit 3"), inherited);
    char path[64];

    assert(spawn(job, road) == 0);

    assert(fcntl(job->born.pidfd, F_GETFD) == FD_CLOEXEC);
    sprintf(path, "/proc/self/fdinfo/%d", job->born.pidfd);
    read_file(path, text, sizeof text);
    assert(status_field(text, "\nPid:", 10) == (unsigned long long)job->born.pid);
    siginfo_t info;
    assert(waitid(PSN_P_PIDFD, (id_t)job->born.pidfd, &info, WEXITED) == 0);
    assert(info.si_pid == job->born.pid && info.si_status == 3);
    psn_job_free(job);
}

static void a_child_that_failed_is_gone(void)
{
    struct psn_job *job = ready(new_program("/nowhere"), inherited);

    assert(spawn(job, road) == -ENOENT);

    assert(job->born.report.step == PSN_STEP_EXEC && job->born.report.err == -ENOENT);
    assert(!has_children());
    psn_job_free(job);
}

static void fail_while_ignoring(void)
{
    signal(SIGCHLD, SIG_IGN);
    struct psn_job *job = ready(new_program("/nowhere"), inherited);
    assert(failure_of(job, road, PSN_STEP_EXEC) == -ENOENT);
}

static void a_failure_is_told_where_sigchld_is_ignored(void)
{
    check_in_fork(fail_while_ignoring);
}

static void one_stack_serves_many_children(void)
{
    struct psn_stack stack;
    assert(psn_stack_init(&stack) == 0);

    for (int i = 0; i < 100; i++) {
        struct psn_job *job =
            ready(new_program(i % 3 ? "/bin/true" : "/nowhere"), inherited);
        int rc = spawn_on(&stack, job, road);
        assert(rc == (i % 3 ? 0 : -ENOENT));
        if (rc == 0)
            assert(waitpid(job->born.pid, NULL, 0) == job->born.pid);
        psn_job_free(job);
    }

    psn_stack_free(&stack);
}

static void a_job_may_be_spawned_again(void)
{
    struct psn_job *job = ready(new_program("/nowhere"), inherited);
    assert(spawn(job, road) == -ENOENT);
    job->plan.paths = (char *const[]){(char *)"/bin/true", NULL};

    assert(status_of(job, road) == 0);
}

/* The flag is up before the child is made: it must not run. */
static void an_abandoned_child_does_not_run(void)
{
    int memory = open_memory();
    struct psn_job *job = new_shell("echo ran");
    ready(job, (const int[3]){-1, memory, -1});
    atomic_store(&job->abandoned, 1);

    int rc = spawn(job, road);

    assert(rc == -ECANCELED || (rc == 0 && road == PSN_ROAD_COPIED));
    if (rc < 0)
        assert(job->born.report.step == PSN_STEP_ABANDONED);
    else
        assert(waitpid(job->born.pid, NULL, 0) == job->born.pid);
    read_back(memory, text, sizeof text);
    assert(text[0] == '\0');
    psn_job_free(job);
    close(memory);
}

static void refuse_clone(void)
{
    refuse_system_call(SYS_clone, EAGAIN);
    refuse_system_call(SYS_clone3, EAGAIN);
    struct psn_job *job = ready(new_program("/bin/true"), inherited);
    assert(failure_of(job, road, PSN_STEP_CLONE) == -EAGAIN);
}

static void a_clone_that_fails_is_reported(void)
{
    check_in_fork(refuse_clone);
}

static void refuse_clone3_afterwards(void)
{
    refuse_system_call(SYS_clone3, EPERM);
    signal(SIGUSR1, do_nothing);
    assert(status_of(ready(new_shell("exit 3"), inherited), road) == 3 << 8);
}

static void a_filter_that_comes_later_takes_nothing_away(void)
{
    check_in_fork(refuse_clone3_afterwards);
}

static void run_out_of_descriptors(void)
{
    struct psn_job *job = ready(new_program("/bin/true"), inherited);
    int highest = 3;

    while (fcntl(highest, F_GETFD) >= 0)
        highest++;
    const struct rlimit limit = {(rlim_t)highest, (rlim_t)highest};
    assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (road == PSN_ROAD_COPIED)
        assert(failure_of(job, road, PSN_STEP_PIPE) == -EMFILE);
    else if (has_pidfd)
        assert(failure_of(job, road, PSN_STEP_CLONE) == -EMFILE);
    else
        assert(spawn(job, road) == 0);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    assert(!has_children());
}

static void the_lack_of_descriptors_is_reported(void)
{
    check_in_fork(run_out_of_descriptors);
}

/* At every limit between none and enough: a failure, no hang, nothing left. */
static void spawn_at_every_limit(void)
{
    int lowest = 3, spawned = 0;
    struct rlimit limit;

    while (fcntl(lowest, F_GETFD) >= 0)
        lowest++;
    assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    for (int more = 0; more < 6; more++) {
        limit.rlim_cur = (rlim_t)(lowest + more);
        assert(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        struct psn_job *job = ready(new_program("/bin/true"), (const int[3]){1, 0, -1});
        int rc = spawn(job, road);
        assert(rc == 0 || rc == -EMFILE);
        if (rc == 0) {
            assert(waitpid(job->born.pid, NULL, 0) == job->born.pid);
            spawned++;
        }
        assert(!has_children());
        psn_job_free(job);
        assert(fcntl(lowest, F_GETFD) == -1);
        assert(fcntl(lowest + 1, F_GETFD) == -1);
    }
    assert(spawned > 0);
}

static void any_lack_of_descriptors_leaves_nothing_behind(void)
{
    check_in_fork(spawn_at_every_limit);
}

static void the_callers_mask_is_as_before(void)
{
    sigset_t wanted, before, after;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR2);
    sigprocmask(SIG_SETMASK, &wanted, &before);

    struct psn_job *job = ready(new_program("/bin/true"), inherited);
    assert(status_of(job, road) == 0);

    sigprocmask(SIG_SETMASK, &before, &after);
    for (int sig = 1; sig < SIGRTMIN; sig++)
        assert(sigismember(&after, sig) == (sig == SIGUSR2));
}

static void run_with_0_to_2_closed(void)
{
    int spare = fcntl(open_memory(), F_DUPFD_CLOEXEC, 3);
    assert(spare >= 3);
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    struct psn_job *job =
        ready(new_program("/nowhere"), (const int[3]){spare, spare, spare});
    assert(failure_of(job, road, PSN_STEP_EXEC) == -ENOENT);

    job = ready(new_program("/nowhere"), inherited);
    assert(failure_of(job, road, PSN_STEP_EXEC) == -ENOENT);

    int memory = open_memory();
    assert(memory == 0);
    job = ready(new_program("/nowhere"), (const int[3]){0, 0, 0});
    assert(failure_of(job, road, PSN_STEP_EXEC) == -ENOENT);
}

static void the_report_arrives_where_0_to_2_are_closed(void)
{
    check_in_fork(run_with_0_to_2_closed);
}

static void *spawn_in_thread(void *job)
{
    spawn(job, road);
    return NULL;
}

/* The child's state in the middle of its exec, from outside. */
static void read_status_of(struct psn_job *job)
{
    char path[64];

    unsigned long long pid = (unsigned long long)job->born.pid;
    if (has_pidfd) {
        sprintf(path, "/proc/self/fdinfo/%d", job->born.pidfd);
        read_file(path, text, sizeof text);
        pid = status_field(text, "\nPid:", 10);
    }
    sprintf(path, "/proc/%llu/status", pid);
    read_file(path, text, sizeof text);
}

static void no_handler_is_left_when_the_mask_is_opened(void)
{
    struct lease lease;
    pthread_t thread;
    if (!leases_work())
        return;
    assert(lease_take(&lease, 1) == 0);
    signal(SIGUSR1, do_nothing);
    signal(SIGRTMAX, do_nothing);
    signal(SIGUSR2, SIG_IGN);
    struct psn_job *job = ready(new_program(lease.path), inherited);
    job->signal_mask = 1ull << (SIGWINCH - 1);

    assert(pthread_create(&thread, NULL, spawn_in_thread, job) == 0);
    lease_await(1);
    read_status_of(job);

    assert(status_field(text, "SigCgt:", 16) == 0);
    assert(status_field(text, "SigIgn:", 16) & 1ull << (SIGUSR2 - 1));
    assert(status_field(text, "SigBlk:", 16) == 1ull << (SIGWINCH - 1));
    lease_release(&lease);
    assert(pthread_join(thread, NULL) == 0);
    assert(waitpid(job->born.pid, NULL, 0) == job->born.pid);
    psn_job_free(job);
    signal(SIGUSR1, SIG_DFL);
    signal(SIGRTMAX, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

static void a_child_that_hangs_in_exec_can_be_ended(void)
{
    struct lease lease;
    pthread_t thread;
    int status;
    if (!leases_work())
        return;
    assert(lease_take(&lease, 1) == 0);
    struct psn_job *job = ready(new_program(lease.path), inherited);
    assert(pthread_create(&thread, NULL, spawn_in_thread, job) == 0);
    lease_await(1);

    assert(psn_ref_signal(ref_of(job), SIGKILL) == 0);
    assert(pthread_join(thread, NULL) == 0);

    assert(waitpid(job->born.pid, &status, 0) == job->born.pid);
    assert(status == SIGKILL);
    assert(job->born.report.step == PSN_STEP_NONE);
    psn_job_free(job);
    lease_release(&lease);
}

static void *spawn_many(void *failures)
{
    struct psn_stack stack;

    assert(psn_stack_init(&stack) == 0);
    for (int i = 0; i < 30; i++) {
        struct psn_job *job =
            ready(new_program(i % 2 ? "/bin/true" : "/nowhere"), inherited);
        int rc = spawn_on(&stack, job, road);
        *(int *)failures += rc == -ENOENT;
        if (rc == 0)
            assert(waitpid(job->born.pid, NULL, 0) == job->born.pid);
        psn_job_free(job);
    }
    psn_stack_free(&stack);
    return NULL;
}

static void threads_spawn_at_the_same_time(void)
{
    pthread_t threads[4];
    int failures[4] = {0};

    for (int i = 0; i < 4; i++)
        assert(pthread_create(&threads[i], NULL, spawn_many, &failures[i]) == 0);
    for (int i = 0; i < 4; i++)
        assert(pthread_join(threads[i], NULL) == 0);

    for (int i = 0; i < 4; i++)
        assert(failures[i] == 15);
}

static void check_all(void)
{
    CHECK(a_child_has_a_pid);
    CHECK(a_child_that_failed_is_gone);
    CHECK(a_failure_is_told_where_sigchld_is_ignored);
    CHECK(one_stack_serves_many_children);
    CHECK(a_job_may_be_spawned_again);
    CHECK(an_abandoned_child_does_not_run);
    CHECK(a_clone_that_fails_is_reported);
    CHECK(a_filter_that_comes_later_takes_nothing_away);
    CHECK(the_lack_of_descriptors_is_reported);
    CHECK(any_lack_of_descriptors_leaves_nothing_behind);
    CHECK(the_callers_mask_is_as_before);
    CHECK(the_report_arrives_where_0_to_2_are_closed);
    CHECK(no_handler_is_left_when_the_mask_is_opened);
    CHECK(a_child_that_hangs_in_exec_can_be_ended);
    CHECK(threads_spawn_at_the_same_time);
}

int main(void)
{
    CHECK(this_machine_shares_memory_and_has_pidfds);
    CHECK(a_refused_flag_means_the_other_road);
    CHECK(pidfds_that_cannot_be_signalled_are_none);
    for (road = PSN_ROAD_SHARED; road <= PSN_ROAD_COPIED; road++) {
        CHECK(a_child_has_a_pidfd);
        for (has_pidfd = 0; has_pidfd <= 1; has_pidfd++)
            check_all();
        has_pidfd = 1;
    }
    road = PSN_ROAD_SHARED;
    clears_handlers = 0;
    check_all();
    return 0;
}
