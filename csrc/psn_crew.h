/* The threads of a spawner: what each does from its start to its end. The owner's side
 * is psn_spawner.c, and nobody else knows of this. */
#ifndef PSN_CREW_H
#define PSN_CREW_H

#include "psn_config.h"

#include "psn_courier.h"
#include "psn_job.h"

#include <pthread.h>

/* Threads of one kind, with the jobs that they are to do. */
struct psn_crew {
    struct psn_spawner *spawner;
    int own_table; /* each has a descriptor table of its own */
    struct psn_jobs queue;
    pthread_cond_t work;
    int workers; /* threads that take a job at once; one more for each that hangs */
    int base_workers; /* what workers was to begin with */
    int threads;      /* running */
    int waiting;      /* of these, those with nothing to do */
    int64_t taken_ns; /* when a job last left the queue */
};

struct psn_spawner {
    pthread_mutex_t lock;
    /* The common crew has the process's table; it buries, too. The other one makes
     * children while that table is large. */
    struct psn_crew common, apart;
    struct psn_jobs running; /* in no order */
    struct psn_jobs held;    /* done before an earlier one, in order of their numbers */
    struct psn_jobs done;
    uint64_t submitted;
    int holders;                /* threads, and the owner until close */
    int event_fd;               /* readable when done went from empty to not empty */
    struct psn_courier courier; /* of pidfds to the process's table */
    int last_pidfd;             /* the owner's: a measure of that table */
    int closing;
    struct psn_abilities can;
};

/* Set up a crew without threads. */
void psn_crew_init(struct psn_crew *crew, struct psn_spawner *spawner, int workers);

/* Start a thread, which counts as one that waits. Called with the lock, by the owner or
 * a thread of the same crew. Returns 0 or a negative errno. */
int psn_crew_start(struct psn_crew *crew);

/* Run the queue of the common crew on the calling thread. Called with the lock. */
void psn_crew_run_here(struct psn_crew *crew);

/* Drop one holder; the last one frees. Called with the lock, returns without. */
void psn_crew_leave(struct psn_spawner *spawner);

#endif
