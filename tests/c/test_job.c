#include "command.h"

#include <sys/resource.h>

static void a_new_job_has_no_special_wishes(void)
{
    struct psn_job *job = psn_job_new();

    assert(job->plan.umask == -1 && job->plan.process_group == -1);
    assert(job->plan.uid == -1 && job->plan.gid == -1);
    assert(!job->plan.set_groups && !job->plan.new_session && !job->plan.set_nice);
    assert(job->plan.affinity == NULL && job->plan.signal_mask == NULL);
    assert(job->plan.abandoned == &job->abandoned && !job->abandoned);
    assert(job->born.pid == -1 && job->born.pidfd == -1);
    assert(job->born.report.step == PSN_STEP_NONE);
    for (int i = 0; i < 3; i++)
        assert(job->ends[i] == -1);
    psn_job_free(job);
}

static void no_job_may_be_freed(void)
{
    psn_job_free(NULL);
}

static void free_takes_all_along(void)
{
    struct psn_job *job = new_shell("exit 0");
    int ends[2];
    assert(pipe2(ends, O_CLOEXEC) == 0);
    job->ends[0] = ends[0];
    job->ends[2] = ends[1];
    job->born.pidfd = open_memory();
    int pidfd = job->born.pidfd;
    job->cwd = strdup("/");
    job->groups = malloc(sizeof(gid_t));
    ready(job, inherited);

    psn_job_free(job);

    assert(fcntl(ends[0], F_GETFD) == -1 && errno == EBADF);
    assert(fcntl(ends[1], F_GETFD) == -1 && errno == EBADF);
    assert(fcntl(pidfd, F_GETFD) == -1 && errno == EBADF);
}

static void close_ends_may_be_called_twice(void)
{
    struct psn_job *job = psn_job_new();
    job->ends[1] = open_memory();

    psn_job_close_ends(job);
    psn_job_close_ends(job);

    assert(job->ends[1] == -1);
    psn_job_free(job);
}

static void seal_points_the_plan_at_what_the_job_owns(void)
{
    struct psn_job *job = new_shell("exit 0");
    job->cwd = strdup("/");
    job->groups = malloc(sizeof(gid_t));

    assert(psn_job_seal(job) == 0);

    assert(strcmp(job->plan.paths[0], "/bin/sh") == 0 && job->plan.paths[1] == NULL);
    assert(strcmp(job->plan.argv[2], "exit 0") == 0 && job->plan.argv[3] == NULL);
    assert(strcmp(job->plan.envp[0], "PATH=/usr/bin:/bin") == 0);
    assert(job->plan.cwd == job->cwd && job->plan.groups == job->groups);
    psn_job_free(job);
}

static void an_empty_job_can_be_sealed(void)
{
    struct psn_job *job = psn_job_new();

    assert(psn_job_seal(job) == 0);

    assert(job->plan.argv[0] == NULL && job->plan.paths[0] == NULL);
    psn_job_free(job);
}

static void the_callers_mask_is_noted(void)
{
    sigset_t wanted, before;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    sigaddset(&wanted, SIGRTMAX);
    sigprocmask(SIG_SETMASK, &wanted, &before);

    struct psn_job *job = psn_job_new();
    psn_job_note_caller(job);

    sigprocmask(SIG_SETMASK, &before, NULL);
    assert(job->signal_mask == (1ull << (SIGUSR1 - 1) | 1ull << (SIGRTMAX - 1)));
    assert(job->plan.signal_mask == &job->signal_mask);
    psn_job_free(job);
}

static void note_nice_value(void)
{
    assert(setpriority(PRIO_PROCESS, 0, 7) == 0);
    struct psn_job *job = psn_job_new();
    psn_job_note_caller(job);
    assert(job->nice == 7);
    psn_job_free(job);
}

static void the_callers_nice_value_is_noted(void)
{
    check_in_fork(note_nice_value);
}

static void the_callers_affinity_is_noted(void)
{
    unsigned char wanted[sizeof((struct psn_job *)0)->affinity];
    long n = syscall(SYS_sched_getaffinity, 0, sizeof wanted, wanted);

    struct psn_job *job = psn_job_new();
    psn_job_note_caller(job);

    assert(n > 0 && job->n_affinity == (size_t)n);
    assert(memcmp(job->affinity, wanted, (size_t)n) == 0);
    psn_job_free(job);
}

static void check_numbers(struct psn_jobs *jobs, const char *expected)
{
    struct psn_job *last = NULL;

    for (struct psn_job *job = jobs->head; job != NULL; job = job->next) {
        assert(*expected != '\0' && job->number == (uint64_t)(*expected++ - '0'));
        last = job;
    }
    assert(*expected == '\0' && jobs->tail == last);
}

static void a_queue_gives_back_what_came_first(void)
{
    struct psn_jobs jobs = {NULL, NULL};
    struct psn_job some[3] = {{.number = 5}, {.number = 1}, {.number = 3}};

    for (int i = 0; i < 3; i++)
        psn_jobs_append(&jobs, &some[i]);
    check_numbers(&jobs, "513");

    for (int i = 0; i < 3; i++)
        assert(psn_jobs_shift(&jobs) == &some[i]);
    check_numbers(&jobs, "");
    assert(psn_jobs_shift(&jobs) == NULL);
}

static void jobs_can_be_put_in_by_number_and_taken_out_anywhere(void)
{
    struct psn_jobs jobs = {NULL, NULL};
    struct psn_job some[4] = {
        {.number = 4}, {.number = 2}, {.number = 9}, {.number = 3}};

    for (int i = 0; i < 4; i++)
        psn_jobs_insert(&jobs, &some[i]);
    check_numbers(&jobs, "2349");
    psn_jobs_remove(&jobs, &some[3]);
    check_numbers(&jobs, "249");
    psn_jobs_remove(&jobs, &some[2]);
    check_numbers(&jobs, "24");
    psn_jobs_remove(&jobs, &some[1]);
    check_numbers(&jobs, "4");
    psn_jobs_remove(&jobs, &some[0]);
    check_numbers(&jobs, "");
}

int main(void)
{
    CHECK(a_new_job_has_no_special_wishes);
    CHECK(no_job_may_be_freed);
    CHECK(free_takes_all_along);
    CHECK(close_ends_may_be_called_twice);
    CHECK(seal_points_the_plan_at_what_the_job_owns);
    CHECK(an_empty_job_can_be_sealed);
    CHECK(the_callers_mask_is_noted);
    CHECK(the_callers_nice_value_is_noted);
    CHECK(the_callers_affinity_is_noted);
    CHECK(a_queue_gives_back_what_came_first);
    CHECK(jobs_can_be_put_in_by_number_and_taken_out_anywhere);
    return 0;
}
