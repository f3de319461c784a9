#include "psn_job.h"

#include "psn_sys.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

struct psn_job *psn_job_new(void)
{
    struct psn_job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    psn_argv_init(&job->argv);
    psn_argv_init(&job->env);
    psn_argv_init(&job->paths);
    psn_stdio_init(&job->plan.stdio);
    job->plan.umask = -1;
    job->plan.process_group = -1;
    job->plan.gid = -1;
    job->plan.uid = -1;
    job->plan.abandoned = &job->abandoned;
    atomic_store(&job->born.pid, -1);
    atomic_store(&job->born.pidfd, -1);
    atomic_store(&job->born.away, -1);
    job->seat = -1;
    for (int i = 0; i < 3; i++)
        job->ends[i] = -1;
    return job;
}

void psn_job_free(struct psn_job *job)
{
    if (job == NULL)
        return;
    int pidfd = atomic_load(&job->born.pidfd);
    psn_sys_close(&pidfd);
    psn_job_close_ends(job);
    psn_argv_free(&job->argv);
    psn_argv_free(&job->env);
    psn_argv_free(&job->paths);
    psn_stdio_free(&job->plan.stdio);
    free(job->cwd);
    free(job->groups);
    free(job->limits);
    free(job);
}

void psn_job_note_caller(struct psn_job *job)
{
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &job->signal_mask,
            PSN_SIGMASK_BYTES);
    job->plan.signal_mask = &job->signal_mask;
    /* A machine whose mask does not fit has more than 8,192 processors. */
    long n = syscall(SYS_sched_getaffinity, 0, sizeof job->affinity, job->affinity);
    job->n_affinity = n > 0 ? (size_t)n : 0;
    job->nice = getpriority(PRIO_PROCESS, 0);
}

int psn_job_limit(struct psn_job *job)
{
    job->limits = malloc(sizeof *job->limits);
    if (job->limits == NULL)
        return -ENOMEM;
    *job->limits = (struct psn_limits){.cgroup = -1, .io_priority = -1};
    return 0;
}

void psn_job_close_ends(struct psn_job *job)
{
    for (int i = 0; i < 3; i++)
        psn_sys_close(&job->ends[i]);
    psn_sys_close(&job->seat);
    if (job->limits != NULL)
        psn_sys_close(&job->limits->cgroup);
}

int psn_job_seal(struct psn_job *job)
{
    job->plan.argv = psn_argv_seal(&job->argv);
    job->plan.envp = psn_argv_seal(&job->env);
    job->plan.paths = psn_argv_seal(&job->paths);
    job->plan.cwd = job->cwd;
    job->plan.groups = job->groups;
    job->plan.limits = job->limits;
    return job->plan.argv && job->plan.envp && job->plan.paths ? 0 : -ENOMEM;
}

void psn_jobs_append(struct psn_jobs *jobs, struct psn_job *job)
{
    job->next = NULL;
    if (jobs->tail != NULL)
        jobs->tail->next = job;
    else
        jobs->head = job;
    jobs->tail = job;
}

void psn_jobs_insert(struct psn_jobs *jobs, struct psn_job *job)
{
    struct psn_job **at = &jobs->head;

    if (jobs->tail == NULL || jobs->tail->number < job->number) {
        psn_jobs_append(jobs, job);
        return;
    }
    while ((*at)->number < job->number)
        at = &(*at)->next;
    job->next = *at;
    *at = job;
}

void psn_jobs_remove(struct psn_jobs *jobs, struct psn_job *job)
{
    struct psn_job *before = NULL;

    for (struct psn_job *at = jobs->head; at != job; at = at->next)
        before = at;
    if (before != NULL)
        before->next = job->next;
    else
        jobs->head = job->next;
    if (jobs->tail == job)
        jobs->tail = before;
}

struct psn_job *psn_jobs_shift(struct psn_jobs *jobs)
{
    struct psn_job *job = jobs->head;

    if (job != NULL)
        psn_jobs_remove(jobs, job);
    return job;
}
