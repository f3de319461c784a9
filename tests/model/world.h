/* What the spawner stands on, for a search: threads, locks and the clock are those of
 * scheduler.h, children and descriptors are entries of tables. The linker puts these in
 * the place of the C library's by --wrap, and of psn_spawn.c, psn_table.c and
 * psn_courier.c. All that is done wrongly to them ends the search. */
#ifndef WORLD_H
#define WORLD_H

#include "psn_job.h"

#define MOST_JOBS 4

/* What becomes of a job's child. */
enum fate {
    LIVES,    /* it execs, and lives until it is killed */
    FAILS,    /* its exec fails */
    HANGS,    /* its exec hangs: for ever, or until it succeeds late */
    NOT_BORN, /* there is none */
    N_FATES
};

/* A world to begin with, before each run. */
struct world {
    enum fate fates[MOST_JOBS]; /* by the number in job->owner, which counts from 1 */
    int refusals; /* how many threads cannot be had, at most; which ones is a choice */
};

void world_begin(const struct world *world);

/* At the end of a run: nothing may be left. */
void world_end(void);

/* A descriptor of the program's, such as the end of a pipe. */
int world_open(void);

/* Whether an eventfd is readable. */
int world_is_readable(int fd);

/* A child that nobody has signalled or reaped. */
int world_is_alive(int pid);

/* How many children were made for a job. */
int world_births(int number);

/* From here on the calling fiber must not wait for a child. */
void world_forbid_waiting(int is_forbidden);

/* How many execs that hang have gone on because nothing else could happen. */
int world_forced_execs(void);

/* How often the spawner has freed a job itself. */
int world_burials(int number);

#endif
