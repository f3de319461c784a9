/* The spawner's own code under every order of events, up to a bound: what is submitted
 * is taken once or buried once, whatever is abandoned or closed at whatever moment. */
#undef NDEBUG

#include "psn_spawner.h"

#include "scheduler.h"
#include "world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_NS (20 * 1000 * 1000)

/* What the owner does, a letter a step:
 *   s  submit the next job
 *   t  take what is done, without waiting
 *   w  wait until something is done, and take it
 *   T  wait until all is done that was submitted, and take it
 *   0, 1, 2  abandon that job, if it is still to be taken
 *   b  have a child that was taken buried
 *   c  close */
struct scenario {
    const char *name;
    const char *script;
    const char *fates; /* what may become of each child: l, f, h, n */
    int workers;
    int budget;
    int refusals;
    int without_pidfd;
    int own_table;
};

enum state { NEW, SUBMITTED, TAKEN, ABANDONED };

static const struct scenario *scenario;
static struct psn_spawner *spawner;
static struct psn_job *jobs[MOST_JOBS];
static enum state states[MOST_JOBS];
static int64_t submitted_ns[MOST_JOBS];
static struct psn_ref taken[MOST_JOBS];
static struct world world;
static int n_submitted;
static int rests_at_close;

static enum fate fate_of(char letter)
{
    const char *letters = "lfhn";

    return (enum fate)(strchr(letters, letter) - letters);
}

static void submit(void)
{
    int i = n_submitted;
    struct psn_job *job = psn_job_new();

    assert(i < MOST_JOBS && job != NULL);
    job->owner = (void *)(intptr_t)(i + 1);
    job->ends[0] = world_open();
    jobs[i] = job;
    states[i] = SUBMITTED;
    submitted_ns[i] = scheduler_now_ns();
    n_submitted++;
    scheduler_note("submits", i + 1);
    assert(psn_spawner_submit(spawner, job) == 0);
}

/* Outcomes come in the order of the calls, but for what hangs. */
static void check_order(int i)
{
    for (int before = 0; before < i; before++)
        if (states[before] == SUBMITTED && world.fates[before] != HANGS &&
            scheduler_now_ns() - submitted_ns[before] < HOLD_NS && !scenario->refusals)
            scheduler_fail("an earlier job comes later");
}

static void check_outcome(int i, const struct psn_job *job)
{
    enum psn_step step = job->born.report.step;
    int pid = job->born.pid;

    for (int end = 0; end < 3; end++)
        if (job->ends[end] >= 0)
            scheduler_fail("the child's end of a pipe is still open");
    switch (world.fates[i]) {
    case FAILS:
        if (step != PSN_STEP_EXEC || pid != -1)
            scheduler_fail("a failure is no failure");
        break;
    case NOT_BORN:
        if (step != PSN_STEP_CLONE || pid != -1)
            scheduler_fail("a child that was not born");
        break;
    default:
        if (step != PSN_STEP_NONE || !world_is_alive(pid))
            scheduler_fail("a child that should live does not");
        if (job->born.pidfd < 0 && !scenario->without_pidfd)
            scheduler_fail("a child without its pidfd");
    }
}

static void receive(struct psn_job *job)
{
    int i = (int)(intptr_t)job->owner - 1;

    scheduler_note("takes", i + 1);
    if (world_forced_execs() > 0 && world.fates[i] != HANGS && !scenario->refusals)
        scheduler_fail("a job has waited for one that hangs");
    if (i < 0 || job != jobs[i] || states[i] != SUBMITTED)
        scheduler_fail("a job is taken that is not to be taken");
    check_order(i);
    check_outcome(i, job);
    states[i] = TAKEN;
    taken[i] = (struct psn_ref){atomic_exchange(&job->born.pid, -1),
                                atomic_exchange(&job->born.pidfd, -1)};
    psn_job_free(job);
}

static int take(void)
{
    struct psn_job *job = psn_spawner_take(spawner), *next;
    int count = 0;

    for (; job != NULL; job = next) {
        next = job->next;
        receive(job);
        count++;
    }
    return count;
}

static int is_readable(void *arg)
{
    (void)arg;
    return world_is_readable(psn_spawner_event_fd(spawner));
}

static int nothing_hangs(void)
{
    for (int i = 0; i < n_submitted; i++)
        if (world.fates[i] == HANGS)
            return 0;
    return 1;
}

static void wait_and_take(void)
{
    int rests = scheduler_rests();

    scheduler_wait(is_readable, NULL, FOREVER);
    if (scheduler_rests() > rests && nothing_hangs())
        scheduler_fail("somebody who was needed has not been woken");
    take();
}

static int n_to_be_taken(void)
{
    int n = 0;

    for (int i = 0; i < n_submitted; i++)
        n += states[i] == SUBMITTED;
    return n;
}

static void abandon(int i)
{
    if (states[i] != SUBMITTED)
        return;
    scheduler_note("abandons", i + 1);
    states[i] = ABANDONED;
    psn_spawner_abandon(spawner, jobs[i]);
}

static void bury_one(void)
{
    for (int i = 0; i < n_submitted; i++)
        if (states[i] == TAKEN && taken[i].pid > 0) {
            scheduler_note("has buried", i + 1);
            psn_spawner_bury(spawner, taken[i]);
            taken[i] = (struct psn_ref){-1, -1};
            return;
        }
}

static void close_spawner(void)
{
    scheduler_note("closes", 0);
    for (int i = 0; i < n_submitted; i++)
        if (states[i] == SUBMITTED)
            states[i] = ABANDONED;
    rests_at_close = scheduler_rests();
    psn_spawner_close(spawner);
    spawner = NULL;
}

static void step(char letter)
{
    switch (letter) {
    case 's':
        submit();
        break;
    case 't':
        take();
        break;
    case 'w':
        if (n_to_be_taken() > 0)
            wait_and_take();
        break;
    case 'T':
        while (n_to_be_taken() > 0)
            wait_and_take();
        break;
    case 'b':
        bury_one();
        break;
    case 'c':
        close_spawner();
        break;
    default:
        abandon(letter - '0');
    }
}

static void program(void)
{
    const struct psn_abilities can = {PSN_ROAD_SHARED, !scenario->without_pidfd, 1,
                                      scenario->own_table};

    world.refusals = scenario->refusals;
    n_submitted = 0;
    for (int i = 0; i < MOST_JOBS; i++) {
        int is_used = 0;
        for (const char *s = scenario->script; *s; s++)
            is_used += *s == 's';
        int n = i < is_used ? (int)strlen(scenario->fates) : 1;
        world.fates[i] = fate_of(scenario->fates[scheduler_choose(n)]);
        scheduler_note("fate", (int)world.fates[i]);
        states[i] = NEW;
    }
    world_begin(&world);
    /* Where no thread can be had the owner does all by itself. */
    world_forbid_waiting(!scenario->refusals);
    assert(psn_spawner_open(&spawner, scenario->workers, &can) == 0);
    for (const char *letter = scenario->script; *letter; letter++)
        step(*letter);
    world_forbid_waiting(0);
    for (int i = 0; i < n_submitted; i++)
        if (states[i] == TAKEN && taken[i].pid > 0) {
            if (!world_is_alive(taken[i].pid))
                scheduler_fail("a child that was taken has been killed or reaped");
            psn_ref_signal(taken[i], SIGKILL);
            psn_ref_bury(taken[i]);
        }
}

static void check(void)
{
    if (scheduler_rests() > rests_at_close)
        scheduler_fail("a thread has not been woken to leave");
    for (int i = 0; i < n_submitted; i++) {
        if (states[i] == SUBMITTED || world_burials(i + 1) != 1)
            scheduler_fail("a job is neither taken once nor buried once");
        if (world_births(i + 1) > 1)
            scheduler_fail("a job has had two children");
    }
    world_end();
}

static const struct scenario scenarios[] = {
    {"two are taken, then all is closed", "ssTc", "lfh", 2, 2, 0, 0, 0},
    {"the first one is abandoned", "ss0Tc", "lfhn", 2, 2, 0, 0, 0},
    {"the second one is abandoned after a look", "sst1Tc", "lfh", 2, 2, 0, 0, 0},
    {"closed while all are under way", "ssc", "lfhn", 2, 2, 0, 0, 0},
    {"closed after the first outcome", "sswc", "lfh", 2, 2, 0, 0, 0},
    {"one is taken and buried", "ssw1bc", "lh", 1, 2, 0, 0, 0},
    {"three for two threads", "sssTc", "lh", 2, 1, 0, 0, 0},
    {"one thread replaces another that hangs", "sss1w2c", "lh", 1, 1, 0, 0, 0},
    {"no thread can be had, or not always", "ss0Tc", "lfn", 2, 1, 2, 0, 0},
    {"without pidfds", "ss0Tc", "lfh", 2, 2, 0, 1, 0},
    {"closed without pidfds", "sswc", "lfh", 2, 2, 0, 1, 0},
    {"a table of its own", "ss0Tc", "lfh", 2, 2, 0, 0, 1},
    {"closed with tables of their own", "sswc", "lh", 2, 2, 0, 0, 1},
    {"buried from a table of its own", "ssw1bc", "l", 1, 2, 0, 0, 1},
};

/* The argument is how much is to be added to each budget. */
int main(int argc, char **argv)
{
    int more = argc > 1 ? atoi(argv[1]) : 0;
    long all = 0;

    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        scenario = &scenarios[i];
        long runs = scheduler_explore(program, check, scenario->budget + more);
        printf("%9ld  %s\n", runs, scenario->name);
        fflush(stdout);
        all += runs;
    }
    printf("%9ld  orders in all\n", all);
    return 0;
}
