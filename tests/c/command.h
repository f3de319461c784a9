/* Jobs for real commands, and programs whose exec hangs for as long as a test likes. */
#ifndef COMMAND_H
#define COMMAND_H

#include "check.h"

#include "psn_job.h"
#include "psn_reap.h"

static const int inherited[3] = {-1, -1, -1};

/* Whether the kernel is taken for one with pidfds. */
static int has_pidfd = 1;
static int clears_handlers = 1;

static inline struct psn_ref ref_of(struct psn_job *job)
{
    return (struct psn_ref){job->born.pid, job->born.pidfd};
}

/* The same, which the job does not know any more. */
static inline struct psn_ref take_ref(struct psn_job *job)
{
    return (struct psn_ref){atomic_exchange(&job->born.pid, -1),
                            atomic_exchange(&job->born.pidfd, -1)};
}

static inline void push_string(struct psn_argv *argv, const char *s)
{
    assert(psn_argv_push(argv, s, strlen(s)) == 0);
}

/* A job for argv, NULL-terminated, of which the first is the path. Its descriptors are
 * still to be planned. */
static inline struct psn_job *new_command(const char *const *argv)
{
    struct psn_job *job = psn_job_new();

    assert(job != NULL);
    push_string(&job->paths, argv[0]);
    for (; *argv != NULL; argv++)
        push_string(&job->argv, *argv);
    push_string(&job->env, "PATH=/usr/bin:/bin");
    job->plan.restore_signals = 1;
    psn_job_note_caller(job);
    return job;
}

static inline struct psn_job *new_program(const char *path)
{
    return new_command((const char *const[]){path, NULL});
}

static inline struct psn_job *new_shell(const char *script)
{
    return new_command((const char *const[]){"/bin/sh", "-c", script, NULL});
}

static inline void do_nothing(int sig)
{
    (void)sig;
}

/* The last touch: source as for psn_stdio_plan, nothing else survives. */
static inline struct psn_job *ready(struct psn_job *job, const int source[3])
{
    assert(psn_stdio_plan(&job->plan.stdio, source, NULL, 0, 1) == 0);
    assert(psn_job_seal(job) == 0);
    return job;
}

/* Reaps a child that failed, as its caller does. */
static inline int spawn_on(struct psn_stack *stack, struct psn_job *job,
                           enum psn_road road)
{
    const struct psn_abilities can = {road, has_pidfd, clears_handlers, 0};
    int rc = psn_spawn(&job->plan, &can, stack, &job->born);

    assert(rc < 0 || (job->born.pidfd >= 0) == has_pidfd);
    if (rc < 0)
        psn_ref_bury(take_ref(job));
    return rc;
}

static inline int spawn(struct psn_job *job, enum psn_road road)
{
    struct psn_stack stack;

    assert(psn_stack_init(&stack) == 0);
    int rc = spawn_on(&stack, job, road);
    psn_stack_free(&stack);
    return rc;
}

/* Spawn, wait for the end, free. Returns the status as wait(2) gives it. */
static inline int status_of(struct psn_job *job, enum psn_road road)
{
    int status;

    assert(spawn(job, road) == 0);
    assert(job->born.report.step == PSN_STEP_NONE);
    assert(waitpid(job->born.pid, &status, 0) == job->born.pid);
    psn_job_free(job);
    return status;
}

/* Spawn what must fail, free. Returns the negative errno after a look at the step. */
static inline int failure_of(struct psn_job *job, enum psn_road road,
                             enum psn_step step)
{
    int rc = spawn(job, road);

    assert(rc < 0);
    assert(job->born.report.step == step);
    assert(job->born.report.err == rc);
    assert(job->born.pid == -1);
    psn_job_free(job);
    return rc;
}

/* What the command of a job that was not made ready writes to its descriptor 1. */
static inline void output_of(struct psn_job *job, enum psn_road road, char *to,
                             size_t size)
{
    int memory = open_memory();

    ready(job, (const int[3]){-1, memory, -1});
    assert(status_of(job, road) == 0);
    read_back(memory, to, size);
    close(memory);
}

/* A script whose exec hangs: it is under a lease, and the kernel waits until we give
 * that up. Each hang announces itself by LEASE_SIGNAL, which must be blocked. */
struct lease {
    int fd;
    char path[32];
};

#define LEASE_SIGNAL (SIGRTMIN + 1)

/* Returns 0, or -1 where the file system knows no leases. No child may be on its way
 * to exec: its copies of our descriptors would be in the way of the lease. */
static inline int lease_take(struct lease *lease, int number)
{
    sigset_t announcement;

    sigemptyset(&announcement);
    sigaddset(&announcement, LEASE_SIGNAL);
    sigprocmask(SIG_BLOCK, &announcement, NULL);
    snprintf(lease->path, sizeof lease->path, "./hangs-%d", number);
    unlink(lease->path);
    write_file(lease->path, "#!/bin/sh\nexit 0\n", 0755);
    lease->fd = open(lease->path, O_RDONLY | O_CLOEXEC);
    assert(lease->fd >= 0);
    assert(fcntl(lease->fd, F_SETSIG, LEASE_SIGNAL) == 0);
    return fcntl(lease->fd, F_SETLEASE, F_WRLCK);
}

/* Wait until n more execs hang. */
static inline void lease_await(int n)
{
    const struct timespec patience = {.tv_sec = PATIENCE_MS / 1000};
    siginfo_t info;
    sigset_t announcement;

    sigemptyset(&announcement);
    sigaddset(&announcement, LEASE_SIGNAL);
    for (; n > 0; n--)
        assert(sigtimedwait(&announcement, &info, &patience) == LEASE_SIGNAL);
}

/* Let the exec go on. Children may hold copies of fd, so closing it is not enough. */
static inline void lease_release(struct lease *lease)
{
    fcntl(lease->fd, F_SETLEASE, F_UNLCK);
    close(lease->fd);
}

static inline int leases_work(void)
{
    struct lease lease;
    int rc = lease_take(&lease, 0);

    lease_release(&lease);
    if (rc < 0)
        printf("skipped: no leases on the file system of the working directory\n");
    return rc == 0;
}

#endif
