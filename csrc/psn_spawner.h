/* Threads that run psn_spawn, so that no event loop waits for an exec.
 *
 * A job is submitted, run by a thread, and taken back when event_fd is readable. A job
 * that is abandoned on the way is undone by a thread: child killed and reaped,
 * descriptors closed. An exec that hangs holds up its own thread only. */
#ifndef PSN_SPAWNER_H
#define PSN_SPAWNER_H

#include "psn_config.h"

#include "psn_job.h"
#include "psn_ref.h"

struct psn_spawner;

/* Make a spawner that runs `workers` jobs at once. No thread is started yet.
 * Returns 0 or a negative errno. */
int psn_spawner_open(struct psn_spawner **spawner, int workers,
                     const struct psn_abilities *can);

/* A descriptor that is readable while there may be jobs to take. Borrowed. */
int psn_spawner_event_fd(const struct psn_spawner *spawner);

/* Hand a job over. Where no thread can be had the job is run before this returns.
 * Returns 0, or -EMFILE with the job still the caller's. */
int psn_spawner_submit(struct psn_spawner *spawner, struct psn_job *job);

/* Take back the jobs that are done, linked by next, in the order in which they were
 * submitted, but that one does not wait for long for an earlier one that hangs. The
 * caller owns them. */
struct psn_job *psn_spawner_take(struct psn_spawner *spawner);

/* Give up a job that was submitted and not taken: the caller must not touch it again.
 */
void psn_spawner_abandon(struct psn_spawner *spawner, struct psn_job *job);

/* Kill and reap a child on a spawner thread, or, where memory is short, before this
 * returns. Takes its pidfd over. */
void psn_spawner_bury(struct psn_spawner *spawner, struct psn_ref ref);

/* Abandon every job and let the threads go when they have finished. Never waits for
 * a child that hangs. */
void psn_spawner_close(struct psn_spawner *spawner);

/* In a forked process, which has neither the threads nor the children: close the
 * descriptors. The memory stays, because a thread may have held the lock. */
void psn_spawner_forget(struct psn_spawner *spawner);

#endif
