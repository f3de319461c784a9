#include "psn_spawner.h"

#include "psn_ref.h"
#include "psn_sys.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define THREAD_STACK_BYTES (256 * 1024)

/* When no job has been started for so long, the threads hang in exec. */
#define STUCK_NS (10 * 1000 * 1000)

/* For so long a finished job waits for an earlier one that is still under way. */
#define HOLD_NS (20 * 1000 * 1000)

/* A thread without work ends after this: a program that forks is better off without. */
#define IDLE_NS (50 * 1000 * 1000)

struct psn_spawner {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct psn_jobs queue;   /* submitted, or to be buried */
    struct psn_jobs running; /* in no order */
    struct psn_jobs
        held; /* finished before an earlier one, in order of their numbers */
    struct psn_jobs done;
    uint64_t submitted;
    int event_fd; /* readable when done went from empty to not empty */
    int workers;  /* threads that take a job at once; one more for each that hangs */
    int base_workers; /* what workers was to begin with */
    int threads;      /* running; the owner counts as one more until close */
    int waiting;      /* of the threads, those with nothing to do */
    int closing;
    int64_t taken_ns; /* when a job last left the queue */
    struct psn_abilities can;
};

/* What a thread knows about itself, to compare with what the caller had. */
struct worker {
    struct psn_spawner *spawner;
    struct psn_stack stack;
    unsigned char affinity[sizeof((struct psn_job *)0)->affinity];
    int nice;
};

/* The child of a job, if there is one. */
static struct psn_ref ref_of(struct psn_job *job)
{
    return (struct psn_ref){atomic_load(&job->born.pid), atomic_load(&job->born.pidfd)};
}

/* The same, which from now on nobody finds there. */
static struct psn_ref take_ref(struct psn_job *job)
{
    return (struct psn_ref){atomic_exchange(&job->born.pid, -1),
                            atomic_exchange(&job->born.pidfd, -1)};
}

/* Kill, reap, free. Waits for the child to be gone, so it belongs on a thread. */
static void bury(struct psn_job *job)
{
    struct psn_ref ref = take_ref(job);

    psn_ref_signal(ref, SIGKILL);
    psn_ref_bury(ref);
    psn_job_free(job);
}

/* The child inherits from the thread that makes it: where that differs from what the
 * caller of the spawn had, the child sets it. */
static void match_caller(const struct worker *worker, struct psn_job *job)
{
    job->plan.set_nice = job->nice != worker->nice;
    job->plan.nice = job->nice;
    if (memcmp(job->affinity, worker->affinity, job->n_affinity) != 0) {
        job->plan.affinity = job->affinity;
        job->plan.n_affinity = job->n_affinity;
    }
}

/* Whether a job that was submitted earlier has been under way for less than `most_ns`,
 * so that it is worth waiting for. Called with the lock. */
static int is_overtaking(const struct psn_spawner *spawner, const struct psn_job *job,
                         int64_t most_ns)
{
    for (const struct psn_job *at = spawner->running.head; at; at = at->next)
        if (at->number < job->number && !atomic_load(&at->abandoned) &&
            psn_sys_now_ns() - at->begun_ns < most_ns)
            return 1;
    return 0;
}

/* Programs that start several children at once expect them in the order of their
 * calls, which threads do not keep. Called with the lock. */
static void hand_over(struct psn_spawner *spawner, int64_t most_ns)
{
    int was_empty = spawner->done.head == NULL;

    while (spawner->held.head != NULL &&
           !is_overtaking(spawner, spawner->held.head, most_ns)) {
        struct psn_job *job = psn_jobs_shift(&spawner->held);
        job->state = PSN_JOB_DONE;
        psn_jobs_append(&spawner->done, job);
    }
    if (was_empty && spawner->done.head != NULL) {
        const uint64_t one = 1;
        (void)!write(spawner->event_fd, &one, sizeof one);
    }
}

static void run(struct worker *worker, struct psn_job *job)
{
    struct psn_spawner *spawner = worker->spawner;

    match_caller(worker, job);
    int err = psn_spawn(&job->plan, &spawner->can, &worker->stack, &job->born);
    /* The child has its copies. Kept any longer they would hold off its end of file. */
    psn_job_close_ends(job);

    pthread_mutex_lock(&spawner->lock);
    if (err < 0) {
        /* Under the lock: abandon() may be about to signal this child, whose number or
         * descriptor is nobody's after the reap. */
        struct psn_ref failed = take_ref(job);
        pthread_mutex_unlock(&spawner->lock);
        psn_ref_bury(failed);
        pthread_mutex_lock(&spawner->lock);
    }
    psn_jobs_remove(&spawner->running, job);
    if (spawner->workers > spawner->base_workers &&
        psn_sys_now_ns() - job->begun_ns >= STUCK_NS)
        spawner->workers--;
    if (atomic_load(&job->abandoned)) {
        pthread_mutex_unlock(&spawner->lock);
        bury(job);
        pthread_mutex_lock(&spawner->lock);
        hand_over(spawner, HOLD_NS);
        return;
    }
    job->state = PSN_JOB_HELD;
    psn_jobs_insert(&spawner->held, job);
    hand_over(spawner, HOLD_NS);
}

/* Take one job off the queue and see it through. Called and returns with the lock. */
static void work_once(struct worker *worker)
{
    struct psn_spawner *spawner = worker->spawner;
    struct psn_job *job = psn_jobs_shift(&spawner->queue);

    spawner->taken_ns = job->begun_ns = psn_sys_now_ns();
    /* Nobody would be left to look after them if this one hangs, too. */
    if (spawner->waiting == 0)
        hand_over(spawner, 0);
    if (atomic_load(&job->abandoned)) {
        pthread_mutex_unlock(&spawner->lock);
        bury(job);
        pthread_mutex_lock(&spawner->lock);
        return;
    }
    job->state = PSN_JOB_RUNNING;
    psn_jobs_append(&spawner->running, job);
    pthread_mutex_unlock(&spawner->lock);
    run(worker, job);
}

static int worker_init(struct worker *worker, struct psn_spawner *spawner)
{
    memset(worker, 0, sizeof *worker);
    worker->spawner = spawner;
    worker->nice = getpriority(PRIO_PROCESS, 0);
    syscall(SYS_sched_getaffinity, 0, sizeof worker->affinity, worker->affinity);
    return psn_stack_init(&worker->stack);
}

static void spawner_free(struct psn_spawner *spawner)
{
    pthread_cond_destroy(&spawner->work);
    pthread_mutex_destroy(&spawner->lock);
    free(spawner);
}

/* Drop one holder; the last one frees. Called with the lock, returns without. */
static void leave(struct psn_spawner *spawner)
{
    int last = --spawner->threads == 0;

    pthread_mutex_unlock(&spawner->lock);
    if (last)
        spawner_free(spawner);
}

static int wait_for_signal(struct psn_spawner *spawner, int64_t deadline_ns)
{
    const struct timespec until = {.tv_sec = deadline_ns / 1000000000,
                                   .tv_nsec = deadline_ns % 1000000000};

    return pthread_cond_timedwait(&spawner->work, &spawner->lock, &until);
}

/* Wait until there is something for this thread. A thread beyond the workers is the
 * reserve: it steps in when the others hang. Returns 0 when the thread should end. */
static int wait_for_work(struct psn_spawner *spawner)
{
    for (;;) {
        hand_over(spawner, HOLD_NS);
        if (spawner->queue.head == NULL) {
            if (spawner->closing)
                return 0;
            int64_t ns = spawner->held.head != NULL ? HOLD_NS : IDLE_NS;
            int rc = wait_for_signal(spawner, psn_sys_now_ns() + ns);
            if (rc == ETIMEDOUT && !spawner->queue.head && !spawner->held.head)
                return 0;
            continue;
        }
        int busy = spawner->threads - 1 - spawner->waiting;
        if (busy < spawner->workers || spawner->closing)
            return 1;
        int64_t quiet = psn_sys_now_ns() - spawner->taken_ns;
        if (quiet >= STUCK_NS) {
            spawner->workers++;
            return 1;
        }
        wait_for_signal(spawner, psn_sys_now_ns() + STUCK_NS - quiet);
    }
}

static void *thread_main(void *arg);

/* Start a thread with all signals blocked: the program's handlers stay where the
 * program expects them. Called with the lock. Returns 0 or a negative errno. */
static int start_thread(struct psn_spawner *spawner)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, &attr, thread_main, spawner);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        return -rc;
    spawner->threads++;
    spawner->waiting++;
    return 0;
}

static void *thread_main(void *arg)
{
    struct psn_spawner *spawner = arg;
    struct worker worker;

    prctl(PR_SET_NAME, "procession");
    int usable = worker_init(&worker, spawner) == 0;
    pthread_mutex_lock(&spawner->lock);
    while (usable && wait_for_work(spawner)) {
        spawner->waiting--;
        /* Whoever starts to work sees to it that somebody is left to watch the rest of
         * the queue, and what is held. If no thread can be had the queue waits for this
         * one. */
        if (spawner->waiting == 0 &&
            (spawner->queue.head->next != NULL || spawner->held.head != NULL))
            (void)start_thread(spawner);
        work_once(&worker);
        spawner->waiting++;
    }
    spawner->waiting--;
    psn_stack_free(&worker.stack);
    leave(spawner);
    return NULL;
}

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
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&spawner->work, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&spawner->lock, NULL);
    spawner->workers = spawner->base_workers = workers;
    spawner->threads = 1;
    spawner->can = *can;
    *out = spawner;
    return 0;
}

int psn_spawner_event_fd(const struct psn_spawner *spawner)
{
    return spawner->event_fd;
}

/* Run the queue on the calling thread. Called with the lock. */
static void run_here(struct psn_spawner *spawner)
{
    struct worker worker;

    if (worker_init(&worker, spawner) < 0) {
        struct psn_job *job;
        while ((job = psn_jobs_shift(&spawner->queue)) != NULL) {
            job->born.report = (struct psn_report){PSN_STEP_MEMORY, -ENOMEM};
            job->state = PSN_JOB_DONE;
            psn_jobs_append(&spawner->done, job);
        }
        const uint64_t one = 1;
        (void)!write(spawner->event_fd, &one, sizeof one);
        return;
    }
    while (spawner->queue.head != NULL)
        work_once(&worker);
    psn_stack_free(&worker.stack);
}

/* Called with the lock. */
static void enqueue(struct psn_spawner *spawner, struct psn_job *job)
{
    int was_empty = spawner->queue.head == NULL;
    int busy = spawner->threads - 1 - spawner->waiting;

    job->state = PSN_JOB_QUEUED;
    job->number = spawner->submitted++;
    if (was_empty)
        spawner->taken_ns = psn_sys_now_ns();
    psn_jobs_append(&spawner->queue, job);
    if (spawner->waiting == 0) {
        if (start_thread(spawner) < 0 && spawner->threads == 1)
            run_here(spawner);
    } else if (busy < spawner->workers || was_empty) {
        /* While all work, one is told once that there is a queue to watch. */
        pthread_cond_signal(&spawner->work);
    }
}

void psn_spawner_submit(struct psn_spawner *spawner, struct psn_job *job)
{
    pthread_mutex_lock(&spawner->lock);
    enqueue(spawner, job);
    pthread_mutex_unlock(&spawner->lock);
}

struct psn_job *psn_spawner_take(struct psn_spawner *spawner)
{
    uint64_t count;

    /* Emptied before the list is taken: a job that is done in between writes again. */
    (void)!read(spawner->event_fd, &count, sizeof count);
    pthread_mutex_lock(&spawner->lock);
    struct psn_job *head = spawner->done.head;
    spawner->done = (struct psn_jobs){NULL, NULL};
    pthread_mutex_unlock(&spawner->lock);
    return head;
}

/* Called with the lock. */
static void abandon(struct psn_spawner *spawner, struct psn_job *job)
{
    atomic_store(&job->abandoned, 1);
    if (job->state == PSN_JOB_RUNNING) {
        psn_ref_signal(ref_of(job), SIGKILL);
    } else if (job->state == PSN_JOB_QUEUED) {
        psn_jobs_remove(&spawner->queue, job);
        psn_job_free(job);
    } else {
        psn_jobs_remove(job->state == PSN_JOB_HELD ? &spawner->held : &spawner->done,
                        job);
        enqueue(spawner, job);
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
        psn_sys_close(&ref.pidfd);
        return;
    }
    atomic_store(&job->born.pid, ref.pid);
    atomic_store(&job->born.pidfd, ref.pidfd);
    atomic_store(&job->abandoned, 1);
    psn_spawner_submit(spawner, job);
}

void psn_spawner_close(struct psn_spawner *spawner)
{
    struct psn_job *job, *next;

    pthread_mutex_lock(&spawner->lock);
    /* A queued job that is already abandoned is a burial and stays. */
    for (job = spawner->queue.head; job != NULL; job = next) {
        next = job->next;
        if (!atomic_load(&job->abandoned))
            abandon(spawner, job);
    }
    for (job = spawner->running.head; job != NULL; job = job->next)
        abandon(spawner, job);
    while ((job = spawner->held.head) != NULL)
        abandon(spawner, job);
    while ((job = spawner->done.head) != NULL)
        abandon(spawner, job);
    /* From here on every job is abandoned, and nobody is told of those. */
    spawner->closing = 1;
    psn_sys_close(&spawner->event_fd);
    pthread_cond_broadcast(&spawner->work);
    leave(spawner);
}
