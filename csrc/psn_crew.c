#include "psn_crew.h"

#include "psn_ref.h"
#include "psn_sys.h"
#include "psn_table.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define THREAD_STACK_BYTES (256 * 1024)

/* When no job has been started for so long, the threads hang in exec. */
#define STUCK_NS (10 * 1000 * 1000)

/* For so long a finished job waits for an earlier one that is still under way. */
#define HOLD_NS (20 * 1000 * 1000)

/* A thread without work ends after this: a program that forks is better off without. */
#define IDLE_NS (50 * 1000 * 1000)

/* A thread that must not end looks this often whether it may. */
#define WARDS_NS (500 * 1000 * 1000)

/* What a thread knows about itself, to compare with what the caller had. */
struct worker {
    struct psn_crew *crew;
    struct psn_stack stack;
    unsigned char affinity[sizeof((struct psn_job *)0)->affinity];
    int nice;
    int has_wards; /* it may have children that die with it */
};

/* The child of a job, if there is one, which from now on nobody finds there. For the
 * thread that made it. */
static struct psn_ref take_ref(struct psn_job *job)
{
    int pidfd = atomic_exchange(&job->born.pidfd, -1);
    int away = atomic_exchange(&job->born.away, -1);

    return (struct psn_ref){atomic_exchange(&job->born.pid, -1),
                            away >= 0 ? away : pidfd};
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

/* Whether a job that was submitted earlier is in a queue that has moved since less than
 * `most_ns`. Called with the lock. */
static int is_before(const struct psn_crew *crew, const struct psn_job *job,
                     int64_t most_ns)
{
    const struct psn_job *head = crew->queue.head;

    return head != NULL && head->number < job->number &&
           psn_sys_now_ns() - crew->taken_ns < most_ns;
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
    return is_before(&spawner->common, job, most_ns) ||
           is_before(&spawner->apart, job, most_ns);
}

/* Programs that start several children at once expect them in the order of their
 * calls, which threads do not keep. Called with the lock. */
static void hand_over(const struct psn_crew *crew, int64_t most_ns)
{
    struct psn_spawner *spawner = crew->spawner;
    int was_empty = spawner->done.head == NULL;

    while (spawner->held.head != NULL &&
           !is_overtaking(spawner, spawner->held.head, most_ns)) {
        struct psn_job *job = psn_jobs_shift(&spawner->held);
        job->state = PSN_JOB_DONE;
        psn_jobs_append(&spawner->done, job);
    }
    if (was_empty && spawner->done.head != NULL) {
        const uint64_t one = 1;
        int event_fd = crew->own_table ? PSN_TABLE_EVENT : spawner->event_fd;
        (void)psn_sys_write(event_fd, &one, sizeof one);
    }
}

/* The pidfd of a child that was made in another table: whoever takes the job receives
 * it, or does without. Called with the lock, on the thread that made the child. */
static void send_pidfd(struct psn_job *job)
{
    int away = atomic_exchange(&job->born.away, -1);

    if (away < 0)
        return;
    (void)psn_courier_send(PSN_TABLE_COURIER, job->number, away);
    psn_sys_close(&away);
}

static int spawn(struct worker *worker, struct psn_job *job)
{
    const struct psn_abilities *can = &worker->crew->spawner->can;

    match_caller(worker, job);
    if (job->limits != NULL && job->limits->parent > 0)
        worker->has_wards = 1;
    if (worker->crew->own_table)
        return psn_table_spawn(job, can, &worker->stack);
    psn_sys_close(&job->seat);
    int err = psn_spawn(&job->plan, can, &worker->stack, &job->born);
    /* The child has its copies. Kept any longer they would hold off its end of file. */
    psn_job_close_ends(job);
    return err;
}

static void run(struct worker *worker, struct psn_job *job)
{
    struct psn_crew *crew = worker->crew;
    struct psn_spawner *spawner = crew->spawner;
    int err = spawn(worker, job);

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
    if (crew->workers > crew->base_workers &&
        psn_sys_now_ns() - job->begun_ns >= STUCK_NS)
        crew->workers--;
    if (atomic_load(&job->abandoned)) {
        pthread_mutex_unlock(&spawner->lock);
        bury(job);
        pthread_mutex_lock(&spawner->lock);
        hand_over(crew, HOLD_NS);
        return;
    }
    send_pidfd(job);
    job->state = PSN_JOB_HELD;
    psn_jobs_insert(&spawner->held, job);
    hand_over(crew, HOLD_NS);
}

static int nobody_waits(const struct psn_spawner *spawner)
{
    return spawner->common.waiting + spawner->apart.waiting == 0;
}

/* Take one job off the queue and see it through. Called and returns with the lock. */
static void work_once(struct worker *worker)
{
    struct psn_crew *crew = worker->crew;
    struct psn_spawner *spawner = crew->spawner;
    struct psn_job *job = psn_jobs_shift(&crew->queue);

    crew->taken_ns = job->begun_ns = psn_sys_now_ns();
    /* Nobody would be left to look after them if this one hangs, too. */
    if (nobody_waits(spawner))
        hand_over(crew, 0);
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

static int worker_init(struct worker *worker, struct psn_crew *crew)
{
    memset(worker, 0, sizeof *worker);
    worker->crew = crew;
    worker->nice = getpriority(PRIO_PROCESS, 0);
    syscall(SYS_sched_getaffinity, 0, sizeof worker->affinity, worker->affinity);
    return psn_stack_init(&worker->stack);
}

void psn_crew_init(struct psn_crew *crew, struct psn_spawner *spawner, int workers)
{
    pthread_condattr_t attr;

    crew->spawner = spawner;
    crew->workers = crew->base_workers = workers;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&crew->work, &attr);
    pthread_condattr_destroy(&attr);
}

static void spawner_free(struct psn_spawner *spawner)
{
    pthread_cond_destroy(&spawner->common.work);
    pthread_cond_destroy(&spawner->apart.work);
    pthread_mutex_destroy(&spawner->lock);
    free(spawner);
}

void psn_crew_leave(struct psn_spawner *spawner)
{
    int last = --spawner->holders == 0;

    pthread_mutex_unlock(&spawner->lock);
    if (last)
        spawner_free(spawner);
}

static int wait_for_signal(struct psn_crew *crew, int64_t deadline_ns)
{
    const struct timespec until = {.tv_sec = deadline_ns / 1000000000,
                                   .tv_nsec = deadline_ns % 1000000000};

    return pthread_cond_timedwait(&crew->work, &crew->spawner->lock, &until);
}

/* Whether the thread has a child that is to die with its parent: the kernel takes the
 * thread for that, and not the process. Its other children count as well, since which
 * of them lives cannot be told. */
static int must_stay(struct worker *worker)
{
    siginfo_t info;

    if (worker->has_wards)
        worker->has_wards =
            waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WNOTHREAD) == 0;
    return worker->has_wards;
}

/* Wait until there is something for this thread. A thread beyond the workers is the
 * reserve: it steps in when the others hang. Returns 0 when the thread should end. */
static int wait_for_work(struct worker *worker)
{
    struct psn_crew *crew = worker->crew;
    struct psn_spawner *spawner = crew->spawner;
    int64_t idle_ns = IDLE_NS;

    for (;;) {
        hand_over(crew, HOLD_NS);
        if (crew->queue.head == NULL) {
            if (spawner->closing && !must_stay(worker))
                return 0;
            int64_t ns = spawner->held.head != NULL ? HOLD_NS : idle_ns;
            int rc = wait_for_signal(crew, psn_sys_now_ns() + ns);
            if (rc == ETIMEDOUT && !crew->queue.head && !spawner->held.head) {
                if (!must_stay(worker))
                    return 0;
                idle_ns = WARDS_NS;
            }
            continue;
        }
        int busy = crew->threads - crew->waiting;
        if (busy < crew->workers || spawner->closing)
            return 1;
        int64_t quiet = psn_sys_now_ns() - crew->taken_ns;
        if (quiet >= STUCK_NS) {
            crew->workers++;
            return 1;
        }
        wait_for_signal(crew, psn_sys_now_ns() + STUCK_NS - quiet);
    }
}

static void *thread_main(void *arg);

/* All signals are blocked in the thread: the program's handlers stay where the program
 * expects them. Its table is that of the thread that starts it, so one with a table of
 * its own cannot start one of the common crew. */
int psn_crew_start(struct psn_crew *crew)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, &attr, thread_main, crew);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        return -rc;
    crew->spawner->holders++;
    crew->threads++;
    crew->waiting++;
    return 0;
}

/* Get the thread a table that it can work in. What that needs was there when the owner
 * looked, so what is missing is a matter of the moment. Called and returns with the
 * lock, because the owner may close what is fetched. Returns whether the thread is of
 * use. */
static int settle_in(struct psn_crew *crew)
{
    struct psn_spawner *spawner = crew->spawner;

    for (;;) {
        pthread_mutex_unlock(&spawner->lock);
        int err = psn_table_open();
        pthread_mutex_lock(&spawner->lock);
        if (spawner->closing)
            return 0;
        if (err == 0)
            err = psn_table_connect(&spawner->courier, spawner->event_fd);
        if (err == 0)
            return 1;
        if (crew->queue.head == NULL)
            return 0;
        wait_for_signal(crew, psn_sys_now_ns() + STUCK_NS);
    }
}

/* A thread that is of no use leaves the queue to the others. The last one, whose table
 * is still the process's, has every job fail as it did itself; burials need nothing.
 * Called and returns with the lock. */
static void fail_all(struct psn_crew *crew, int err)
{
    struct psn_spawner *spawner = crew->spawner;
    const uint64_t one = 1;
    struct psn_job *job;

    while ((job = psn_jobs_shift(&crew->queue)) != NULL) {
        if (atomic_load(&job->abandoned)) {
            pthread_mutex_unlock(&spawner->lock);
            bury(job);
            pthread_mutex_lock(&spawner->lock);
            continue;
        }
        job->born.report = (struct psn_report){.step = PSN_STEP_MEMORY, .err = err};
        job->state = PSN_JOB_DONE;
        psn_jobs_append(&spawner->done, job);
    }
    if (spawner->done.head != NULL)
        (void)psn_sys_write(spawner->event_fd, &one, sizeof one);
}

static void *thread_main(void *arg)
{
    struct psn_crew *crew = arg;
    struct psn_spawner *spawner = crew->spawner;
    struct worker worker;

    prctl(PR_SET_NAME, "procession");
    int err = worker_init(&worker, crew);
    int usable = err == 0;
    pthread_mutex_lock(&spawner->lock);
    if (err < 0 && crew->threads == 1)
        fail_all(crew, err);
    if (usable && crew->own_table)
        usable = settle_in(crew);
    while (usable && wait_for_work(&worker)) {
        crew->waiting--;
        /* Whoever starts to work sees to it that somebody is left to watch the rest of
         * the queue, and what is held. If no thread can be had the queue waits for this
         * one. */
        if (crew->waiting == 0 &&
            (crew->queue.head->next != NULL ||
             (spawner->held.head != NULL && nobody_waits(spawner))))
            (void)psn_crew_start(crew);
        work_once(&worker);
        crew->waiting++;
    }
    crew->waiting--;
    crew->threads--;
    psn_stack_free(&worker.stack);
    psn_crew_leave(spawner);
    return NULL;
}

void psn_crew_run_here(struct psn_crew *crew)
{
    struct worker worker;
    int err = worker_init(&worker, crew);

    if (err < 0) {
        fail_all(crew, err);
        return;
    }
    while (crew->queue.head != NULL)
        work_once(&worker);
    psn_stack_free(&worker.stack);
}
