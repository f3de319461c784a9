/* What the tests of spawners share: the one under test, and what comes from it. */
#ifndef SPAWNER_H
#define SPAWNER_H

#include "command.h"

#include "psn_spawner.h"

static struct psn_spawner *spawner;

/* Wait until something is done, and take it. */
static inline struct psn_job *take(void)
{
    struct psn_job *job;

    do {
        wait_readable(psn_spawner_event_fd(spawner));
        job = psn_spawner_take(spawner);
    } while (job == NULL);
    return job;
}

#endif
