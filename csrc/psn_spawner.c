#include "psn_spawner.h"

#include "psn_crew.h"
#include "psn_sys.h"
#include "psn_table.h"

#include <stdlib.h>
#include <sys/eventfd.h>

int psn_spawner_open(struct psn_spawner **out, int workers,
                     const struct psn_abilities *can)
{
    struct psn_spawner *spawner = calloc(1, sizeof *spawner);

    if (spawner == NULL)
        return -ENOMEM;
    spawner->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (spawner->event_fd < 0) {
        int err = -errno;
        free(spawner);
        return err;
    }
    psn_crew_init(&spawner->common, spawner, workers);
    psn_crew_init(&spawner->apart, spawner, workers);
    spawner->apart.own_table = 1;
    pthread_mutex_init(&spawner->lock, NULL);
    psn_courier_init(&spawner->courier);
    spawner->holders = 1;
    spawner->can = *can;
    *out = spawner;
    return 0;
}

int psn_spawner_event_fd(const struct psn_spawner *spawner)
{
    return spawner->event_fd;
}

/* The crew that is to do a job. Called with the lock. */
static struct psn_crew *crew_for(struct psn_spawner *spawner, struct psn_job *job)
{
    struct psn_crew *apart = &spawner->apart;

    job->own_table =
        job->own_table && (apart->threads > 0 || psn_crew_start(apart) == 0);
    return job->own_table ? apart : &spawner->common;
}

/* Put a job that has its number into the queue of its crew. Called with the lock. */
static void enqueue(struct psn_spawner *spawner, struct psn_job *job)
{
    struct psn_crew *crew = crew_for(spawner, job);
    int was_empty = crew->queue.head == NULL;
    int busy = crew->threads - crew->waiting;

    job->state = PSN_JOB_QUEUED;
    if (was_empty)
        crew->taken_ns = psn_sys_now_ns();
    psn_jobs_insert(&crew->queue, job);
    if (crew->waiting == 0) {
        if (psn_crew_start(crew) < 0 && crew->threads == 0)
            psn_crew_run_here(crew);
    } else if (busy < crew->workers || was_empty) {
        /* While all work, one is told once that there is a queue to watch. */
        pthread_cond_signal(&crew->work);
    }
}

/* The same, behind all others. */
static void enqueue_last(struct psn_spawner *spawner, struct psn_job *job)
{
    job->number = spawner->submitted++;
    enqueue(spawner, job);
}

/* Whether the process's table is large, as far as can be told without a system call:
 * the kernel hands out the lowest number that is free. */
static int is_large(const struct psn_spawner *spawner, const struct psn_job *job)
{
    int from = spawner->can.own_table_from;

    if (from == 0 || spawner->can.road != PSN_ROAD_SHARED)
        return 0;
    for (int i = 0; i < 3; i++)
        if (job->ends[i] >= from)
            return 1;
    return spawner->last_pidfd >= from || spawner->event_fd >= from;
}

/* Whether threads can have tables of their own: found out when one is to be started,
 * because a filter may have come, and the thread has no way to say so. Called with the
 * lock. */
static int has_courier(struct psn_spawner *spawner)
{
    int err = 0;

    if (spawner->apart.threads > 0)
        return 1;
    if (spawner->courier.in < 0)
        err = psn_courier_open(&spawner->courier);
    if (err == 0)
        err = psn_table_check(&spawner->courier);
    if (err == 0)
        return 1;
    psn_courier_close(&spawner->courier);
    /* Nothing but a state of the machine passes. */
    if (err != -EMFILE && err != -ENFILE && err != -ENOMEM)
        spawner->can.own_table_from = 0;
    return 0;
}

/* Whether a job is for a thread with a table of its own: see to all that such a thread
 * cannot do for itself. Returns 0, or -EMFILE where no number is left for the pidfd.
 * Called with the lock. */
static int choose_table(struct psn_spawner *spawner, struct psn_job *job)
{
    if (!is_large(spawner, job) || !psn_table_suits(&job->plan) ||
        !has_courier(spawner))
        return 0;
    if (spawner->can.has_pidfd) {
        job->seat = psn_sys_dup(spawner->event_fd);
        if (job->seat < 0)
            return job->seat;
    }
    psn_table_note_caller(job);
    job->own_table = 1;
    return 0;
}

int psn_spawner_submit(struct psn_spawner *spawner, struct psn_job *job)
{
    pthread_mutex_lock(&spawner->lock);
    int err = choose_table(spawner, job);
    if (err == 0)
        enqueue_last(spawner, job);
    pthread_mutex_unlock(&spawner->lock);
    return err;
}

static void free_seats(struct psn_job *job)
{
    for (; job != NULL; job = job->next)
        psn_sys_close(&job->seat);
}

static struct psn_job *find(const struct psn_jobs *jobs, uint64_t number)
{
    struct psn_job *job = jobs->head;

    while (job != NULL && job->number != number)
        job = job->next;
    return job;
}

/* Give pidfds that have been sent to their jobs: each is held or done since, or, when
 * its pidfd was late, gone. Called with the lock, by the owner. */
static void receive_pidfds(struct psn_spawner *spawner)
{
    uint64_t number;
    int pidfd;

    if (spawner->courier.in < 0)
        return;
    free_seats(spawner->held.head);
    free_seats(spawner->done.head);
    while (psn_courier_receive(&spawner->courier, &number, &pidfd)) {
        struct psn_job *job = find(&spawner->done, number);
        if (job == NULL)
            job = find(&spawner->held, number);
        if (job != NULL)
            atomic_store(&job->born.pidfd, pidfd);
        else
            psn_sys_close(&pidfd);
    }
}

/* Whether a thread with a table of its own could not begin with a job: one of the other
 * kind can, or has the right reason. */
static int is_for_another(const struct psn_job *job)
{
    enum psn_step step = job->born.report.step;

    return job->own_table && step != PSN_STEP_NONE && step <= PSN_STEP_STDIO;
}

/* See to what a thread with a table of its own leaves to the owner of the process's. */
static void finish(struct psn_spawner *spawner, struct psn_job *job)
{
    int pid = atomic_load(&job->born.pid);
    int pidfd = atomic_load(&job->born.pidfd);

    psn_job_close_ends(job);
    /* Too many were on their way, or another thread of the program took its number. */
    if (spawner->can.has_pidfd && pid > 0 && pidfd < 0) {
        pidfd = psn_ref_open(pid);
        atomic_store(&job->born.pidfd, pidfd);
    }
    if (pidfd >= 0)
        spawner->last_pidfd = pidfd;
}

struct psn_job *psn_spawner_take(struct psn_spawner *spawner)
{
    struct psn_job *job;
    uint64_t count;
    int is_behind = 0;

    /* Emptied before the list is taken: a job that is done in between writes again. */
    (void)psn_sys_read(spawner->event_fd, &count, sizeof count);
    pthread_mutex_lock(&spawner->lock);
    receive_pidfds(spawner);
    struct psn_jobs all = spawner->done, done = {NULL, NULL};
    spawner->done = (struct psn_jobs){NULL, NULL};
    while ((job = psn_jobs_shift(&all)) != NULL) {
        if (is_for_another(job)) {
            job->own_table = 0;
            enqueue(spawner, job);
            is_behind |= job->state == PSN_JOB_QUEUED;
        } else if (is_behind) {
            /* The order is that of the calls. */
            job->state = PSN_JOB_HELD;
            psn_jobs_insert(&spawner->held, job);
        } else {
            psn_jobs_append(&done, job);
        }
    }
    pthread_mutex_unlock(&spawner->lock);
    for (job = done.head; job != NULL; job = job->next)
        finish(spawner, job);
    return done.head;
}

/* The child of a job, if there is one, for a thread of the process's table. */
static struct psn_ref ref_of(struct psn_job *job)
{
    return (struct psn_ref){atomic_load(&job->born.pid), atomic_load(&job->born.pidfd)};
}

/* Called with the lock. */
static void abandon(struct psn_spawner *spawner, struct psn_job *job)
{
    atomic_store(&job->abandoned, 1);
    if (job->state == PSN_JOB_RUNNING) {
        psn_ref_signal(ref_of(job), SIGKILL);
        /* The thread cannot, and if it fetches what has these numbers next, its child
         * sees the flag before it execs. */
        if (job->own_table)
            psn_job_close_ends(job);
    } else if (job->state == PSN_JOB_QUEUED) {
        struct psn_crew *crew = job->own_table ? &spawner->apart : &spawner->common;
        psn_jobs_remove(&crew->queue, job);
        psn_job_free(job);
    } else {
        receive_pidfds(spawner);
        psn_jobs_remove(job->state == PSN_JOB_HELD ? &spawner->held : &spawner->done,
                        job);
        job->own_table = 0;
        enqueue_last(spawner, job);
    }
}

void psn_spawner_abandon(struct psn_spawner *spawner, struct psn_job *job)
{
    pthread_mutex_lock(&spawner->lock);
    abandon(spawner, job);
    pthread_mutex_unlock(&spawner->lock);
}

void psn_spawner_bury(struct psn_spawner *spawner, struct psn_ref ref)
{
    struct psn_job *job = psn_job_new();

    if (job == NULL) {
        psn_ref_signal(ref, SIGKILL);
        psn_ref_bury(ref);
        return;
    }
    atomic_store(&job->born.pid, ref.pid);
    atomic_store(&job->born.pidfd, ref.pidfd);
    atomic_store(&job->abandoned, 1);
    pthread_mutex_lock(&spawner->lock);
    enqueue_last(spawner, job);
    pthread_mutex_unlock(&spawner->lock);
}

static void close_descriptors(struct psn_spawner *spawner)
{
    psn_sys_close(&spawner->event_fd);
    psn_courier_close(&spawner->courier);
}

void psn_spawner_close(struct psn_spawner *spawner)
{
    struct psn_job *job, *next;

    pthread_mutex_lock(&spawner->lock);
    /* A queued job that is already abandoned is a burial and stays. */
    for (job = spawner->common.queue.head; job != NULL; job = next) {
        next = job->next;
        if (!atomic_load(&job->abandoned))
            abandon(spawner, job);
    }
    while ((job = spawner->apart.queue.head) != NULL)
        abandon(spawner, job);
    for (job = spawner->running.head; job != NULL; job = job->next)
        abandon(spawner, job);
    while ((job = spawner->held.head) != NULL)
        abandon(spawner, job);
    while ((job = spawner->done.head) != NULL)
        abandon(spawner, job);
    /* From here on every job is abandoned, and nobody is told of those. */
    spawner->closing = 1;
    close_descriptors(spawner);
    pthread_cond_broadcast(&spawner->common.work);
    pthread_cond_broadcast(&spawner->apart.work);
    psn_crew_leave(spawner);
}

void psn_spawner_forget(struct psn_spawner *spawner)
{
    close_descriptors(spawner);
}
