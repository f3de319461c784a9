/* A thread with a descriptor table of its own. What a clone costs grows with the
 * highest descriptor of the table that it copies, and again at exec: in a program that
 * has thousands open, a child is made in a tenth of the time by a thread that has
 * fetched into an empty table what the plan names, and nothing else.
 *
 * In such a thread every other descriptor of the process is out of reach, and its own
 * numbers mean nothing elsewhere. */
#ifndef PSN_TABLE_H
#define PSN_TABLE_H

#include "psn_config.h"

#include "psn_courier.h"
#include "psn_job.h"

/* What the table of every such thread has for good, under these numbers. */
enum {
    PSN_TABLE_COURIER = 3, /* the courier's out */
    PSN_TABLE_EVENT = 4    /* the spawner's eventfd */
};

/* Whether there is all that the following needs: the system calls, which a kernel may
 * lack and a filter may refuse, and the calling thread's table as that of the process's
 * first thread, which is the one that can be fetched from. Returns 0 or a negative
 * errno. */
int psn_table_check(const struct psn_courier *courier);

/* Whether a child of this plan can be made so: where close_fds is off the child
 * inherits from the whole table, and the directory of a cgroup is in there. */
int psn_table_suits(const struct psn_plan *plan);

/* Note what of 0-2 a child of the calling thread would inherit. */
void psn_table_note_caller(struct psn_job *job);

/* Give the calling thread an empty table, for good: after an error, too, it is of no
 * other use. Returns 0 or a negative errno. */
int psn_table_open(void);

/* Fetch what the table is to have for good. The two must not be closed meanwhile.
 * Returns 0 or a negative errno. */
int psn_table_connect(const struct psn_courier *courier, int event_fd);

/* psn_spawn() in a thread of this kind, for its job->plan. The pidfd is left in the
 * thread's table, as job->born.away. What fails up to PSN_STEP_STDIO may succeed, or
 * fail for a better reason, in another thread. */
int psn_table_spawn(struct psn_job *job, const struct psn_abilities *can,
                    struct psn_stack *stack);

#endif
