/* One spawn on its way from the loop to a spawner thread and back: the plan together
 * with all that it points to. */
#ifndef PSN_JOB_H
#define PSN_JOB_H

#include "psn_config.h"

#include "psn_argv.h"
#include "psn_spawn.h"

enum psn_job_state { PSN_JOB_QUEUED, PSN_JOB_RUNNING, PSN_JOB_HELD, PSN_JOB_DONE };

struct psn_job {
    void *owner;              /* the submitter's, not looked at here */
    struct psn_job *next;     /* the spawner's */
    enum psn_job_state state; /* the spawner's, under its lock */
    uint64_t number;          /* the same: in the order of submission */
    int64_t begun_ns;         /* the same: when a thread took it */
    _Atomic int abandoned;

    struct psn_argv argv;
    struct psn_argv env;
    struct psn_argv paths;
    char *cwd;                    /* owned, or NULL */
    gid_t *groups;                /* owned, or NULL */
    struct psn_limits *limits;    /* owned, or NULL */
    uint64_t signal_mask;         /* of the caller */
    unsigned char affinity[1024]; /* of the caller: n_affinity bytes */
    size_t n_affinity;
    int nice;    /* of the caller */
    int ends[3]; /* owned: the child's side of its pipes, or -1 */

    /* To be made by a thread with a descriptor table of its own (psn_table.h), to which
     * what the job owns is out of reach. */
    int own_table;
    int inherits[3]; /* for that: which of 0-2 are open and survive exec */
    int seat;        /* the same: owned, keeps a number free for the pidfd, or -1 */

    struct psn_plan plan; /* points into the above */
    struct psn_born born;
};

/* A queue of jobs, linked by next. It owns them as far as its holder does. */
struct psn_jobs {
    struct psn_job *head, *tail;
};

/* Returns an empty job for no special wishes, NULL when memory is short. */
struct psn_job *psn_job_new(void);

/* Closes what the job owns, the pidfd included. NULL is allowed. */
void psn_job_free(struct psn_job *job);

/* Note mask, affinity and nice value of the calling thread: the child gets these,
 * whichever thread spawns it. */
void psn_job_note_caller(struct psn_job *job);

/* Give an empty job limits, none of them set. Returns 0 or -ENOMEM. */
int psn_job_limit(struct psn_job *job);

/* Close the child's side of its pipes and the directory of its cgroup, and give up the
 * seat. */
void psn_job_close_ends(struct psn_job *job);

/* Point the plan at argv, env and paths. Returns 0 or -ENOMEM. */
int psn_job_seal(struct psn_job *job);

void psn_jobs_append(struct psn_jobs *jobs, struct psn_job *job);

/* Put a job in front of those with a larger number. */
void psn_jobs_insert(struct psn_jobs *jobs, struct psn_job *job);

/* Take out a job that is in there. */
void psn_jobs_remove(struct psn_jobs *jobs, struct psn_job *job);

/* Take out the first one. Returns NULL when there is none. */
struct psn_job *psn_jobs_shift(struct psn_jobs *jobs);

#endif
