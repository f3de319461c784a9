/* The walk through the core without Python, under sanitizers: each call of each
 * scenario fails once in every way that plausible.h lists. */
#include "spawner.h"

#include "faults.h"

#include "psn_buf.h"
#include "psn_outq.h"
#include "psn_poll.h"
#include "psn_sigchld.h"
#include "psn_waiter.h"

#include <sys/eventfd.h>

struct way {
    int call;
    int err;
    int served; /* what does without is Python's to do: here only a retry is certain */
};

static const struct way ways[] = {
#include "plausible.h"
};

/* What is to happen once a scenario has been prepared; NULL: the calls are counted. */
static const struct faults_plan *plan;

static void begin(void)
{
    faults_arm(plan);
}

static int end(int rc)
{
    faults_disarm();
    return rc;
}

static int check_exit(struct psn_job *job)
{
    struct psn_exit exit;
    int rc = 0;

    while (rc == 0) {
        psn_reap_wait(ref_of(job), PATIENCE_MS);
        rc = psn_reap_take(ref_of(job), &exit);
    }
    assert(rc < 0 || exit.source != PSN_EXIT_WAITID || exit.status == 0);
    return rc < 0 ? rc : 0;
}

static struct psn_job *prepare(void)
{
    const int memory = open_memory();
    struct psn_job *job =
        new_command((const char *const[]){"/bin/echo", "hello", NULL});

    job->cwd = strdup("/");
    job->ends[1] = memory;
    return ready(job, (const int[3]){-1, memory, -1});
}

static int make(enum psn_road road, int with_pidfd)
{
    const struct psn_abilities can = {road, with_pidfd, 0, 0};
    struct psn_stack stack;
    struct psn_job *job = prepare();

    begin();
    int rc = psn_stack_init(&stack);
    if (rc == 0) {
        rc = psn_spawn(&job->plan, &can, &stack, &job->born);
        assert(rc == 0 || job->born.report.err == rc);
        if (rc < 0)
            psn_ref_bury(take_ref(job));
        psn_stack_free(&stack);
    }
    if (rc == 0)
        rc = check_exit(job);
    psn_job_free(job);
    return end(rc);
}

static int a_spawn_on_shared_memory(void)
{
    return make(PSN_ROAD_SHARED, 1);
}

static int a_spawn_on_copied_memory(void)
{
    return make(PSN_ROAD_COPIED, 1);
}

static int a_spawn_without_pidfds(void)
{
    return make(PSN_ROAD_SHARED, 0);
}

static int the_probe(void)
{
    struct psn_abilities can;
    struct psn_stack stack;

    begin();
    int rc = psn_stack_init(&stack);
    if (rc == 0) {
        rc = psn_spawn_probe(&stack, &can);
        psn_stack_free(&stack);
    }
    return end(rc);
}

static int a_job(void)
{
    begin();
    struct psn_job *job = psn_job_new();
    int rc = job == NULL ? -ENOMEM : 0;
    if (rc == 0)
        rc = psn_argv_push(&job->argv, "true", 4);
    if (rc == 0)
        rc = psn_argv_push_all(&job->env, (char *[]){"A=1", "B=2", NULL});
    if (rc == 0)
        rc = psn_argv_extend(&job->argv, '/', "true", 4);
    if (rc == 0)
        rc = psn_stdio_plan(&job->plan.stdio, inherited, NULL, 0, 1);
    if (rc == 0)
        rc = psn_job_seal(job);
    psn_job_free(job);
    return end(rc);
}

/* Two jobs through threads; the outcome of the second one. */
static int submit_two(int own_table_from)
{
    const struct psn_abilities can = {PSN_ROAD_SHARED, 1, 0, own_table_from};
    struct psn_job *jobs[2] = {prepare(), prepare()};
    int rc, worst = 0, given = 0;

    begin();
    rc = psn_spawner_open(&spawner, 2, &can);
    for (int i = 0; rc == 0 && i < 2; i++) {
        rc = psn_spawner_submit(spawner, jobs[i]);
        given += rc == 0;
    }
    for (int taken = 0; taken < given;) {
        struct psn_job *next, *job = take();
        for (; job != NULL; job = next, taken++) {
            next = job->next;
            int err = job->born.report.step == PSN_STEP_NONE ? check_exit(job)
                                                             : job->born.report.err;
            worst = err < 0 ? err : worst;
            psn_job_free(job);
        }
    }
    for (; given < 2; given++)
        psn_job_free(jobs[given]);
    if (spawner != NULL)
        psn_spawner_close(spawner);
    spawner = NULL;
    return end(worst < 0 ? worst : rc);
}

static int two_jobs(void)
{
    return submit_two(0);
}

static int two_jobs_on_a_table_of_their_own(void)
{
    return submit_two(1);
}

static int abandoned_jobs(void)
{
    const struct psn_abilities can = {PSN_ROAD_SHARED, 1, 0, 1};
    struct psn_job *jobs[2] = {prepare(), prepare()};
    int given = 0;

    begin();
    int rc = psn_spawner_open(&spawner, 2, &can);
    for (int i = 0; rc == 0 && i < 2; i++) {
        rc = psn_spawner_submit(spawner, jobs[i]);
        given += rc == 0;
    }
    if (given > 0)
        psn_spawner_abandon(spawner, jobs[0]);
    for (; given < 2; given++)
        psn_job_free(jobs[given]);
    if (spawner != NULL)
        psn_spawner_close(spawner);
    spawner = NULL;
    return end(rc);
}

static int a_poller(void)
{
    struct psn_poll poll;
    struct epoll_event event;
    int fd = eventfd(1, EFD_CLOEXEC);

    begin();
    int rc = psn_poll_open(&poll);
    if (rc == 0)
        rc = psn_poll_add(&poll, fd, PSN_POLL_READ, 1);
    if (rc == 0)
        rc = psn_poll_change(&poll, fd, PSN_POLL_READ, 2);
    if (rc == 0)
        rc = psn_poll_take(&poll, &event, 1);
    assert(rc < 0 || event.data.u64 == 2);
    psn_poll_close(&poll);
    close(fd);
    return end(rc < 0 ? rc : 0);
}

static int a_waiter(void)
{
    struct psn_waiter waiter;

    begin();
    int rc = psn_waiter_open(&waiter);
    if (rc == 0) {
        psn_waiter_poke(&waiter);
        psn_waiter_close(&waiter);
    }
    return end(rc);
}

static int a_bell_of_sigchld(void)
{
    begin();
    int bell = psn_sigchld_open();
    int rc = bell < 0 ? bell : 0;
    if (rc == 0)
        psn_sigchld_close(&bell);
    return end(rc);
}

static int bytes_through_a_pipe(void)
{
    static const char text[] = "0123456789";
    struct psn_outq outq;
    struct psn_buf buf;
    int ends[2];
    size_t released = 0;

    assert(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    psn_outq_init(&outq);
    psn_buf_init(&buf);
    begin();
    ssize_t rc = 0;
    for (int i = 0; rc == 0 && i < 5; i++)
        rc = psn_outq_push(&outq, text, sizeof text);
    if (rc == 0)
        rc = psn_outq_flush(&outq, ends[1], &released);
    if (rc == 0)
        rc = psn_buf_fill(&buf, ends[0], 4096);
    assert(rc < 0 || (rc == 5 * sizeof text && released == 5));
    psn_outq_free(&outq);
    psn_buf_free(&buf);
    close(ends[0]);
    close(ends[1]);
    return end(rc < 0 ? (int)rc : 0);
}

static void settle(const char *what, int descriptors)
{
    for (int waited = 0; !is_alone(descriptors); waited++) {
        if (waited == 2 * PATIENCE_MS) {
            fprintf(stderr, "%s leaves something\n", what);
            abort();
        }
        pause_briefly();
    }
}

/* Let one call of a scenario fail. */
static void try_way(const char *name, int (*scenario)(void), const struct way *way,
                    int nth)
{
    struct faults_plan once = {.nth = nth, .last = nth, .err = way->err};
    int descriptors = count_entries("/proc/self/fd");
    char what[160];

    once.calls[way->call] = 1;
    plan = &once;
    int rc = scenario();
    snprintf(what, sizeof what, "%s, %s no. %d: %s", name, faults_name(way->call), nth,
             strerror(way->err));
    if (rc != 0 && (way->served || rc != -way->err)) {
        fprintf(stderr, "%s: %s\n", what, strerror(-rc));
        abort();
    }
    settle(what, descriptors);
}

static int walk(const char *name, int (*scenario)(void))
{
    int descriptors = count_entries("/proc/self/fd"), cases = 0;
    int counts[FAULTS_CALLS];

    plan = NULL;
    int rc = scenario();
    if (rc != 0) {
        fprintf(stderr, "%s without any fault: %s\n", name, strerror(-rc));
        abort();
    }
    settle(name, descriptors);
    for (int i = 0; i < FAULTS_CALLS; i++)
        counts[i] = faults_count(i);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        for (int nth = 1; nth <= counts[ways[i].call]; nth++, cases++)
            try_way(name, scenario, &ways[i], nth);
    assert(cases > 0);
    return cases;
}

#define WALK(scenario) walk(#scenario, scenario)

int main(void)
{
    int cases = 0;

    assert(faults_attach("libcore.so") > 0);
    cases += WALK(a_spawn_on_shared_memory);
    cases += WALK(a_spawn_on_copied_memory);
    cases += WALK(a_spawn_without_pidfds);
    cases += WALK(the_probe);
    cases += WALK(a_job);
    cases += WALK(two_jobs);
    cases += WALK(two_jobs_on_a_table_of_their_own);
    cases += WALK(abandoned_jobs);
    cases += WALK(a_poller);
    cases += WALK(a_waiter);
    cases += WALK(a_bell_of_sigchld);
    cases += WALK(bytes_through_a_pipe);
    printf("%d cases\n", cases);
    return 0;
}
