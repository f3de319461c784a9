/* One plan becomes one child: the parent's side of clone. Blocks until the child has
 * exec'ed or failed, so it belongs on a thread of psn_spawner. */
#ifndef PSN_SPAWN_H
#define PSN_SPAWN_H

#include "psn_config.h"

#include "psn_child.h"

#include <stdatomic.h>

/* How the child is made. */
enum psn_road {
    PSN_ROAD_SHARED, /* clone with CLONE_VM: cost independent of the parent's memory */
    PSN_ROAD_COPIED  /* clone without, where CLONE_VM does not really share (emulators)
                      */
};

/* The stack that children of one thread run on, one after the other. */
struct psn_stack {
    void *base; /* owned mapping; its lowest page is a guard */
    size_t size;
};

struct psn_born {
    pid_t pid;
    /* Set by the kernel before the child runs, so that another thread can end a
     * child that hangs in exec; -1 where there is no child. Owned by the caller. */
    _Atomic int pidfd;
    struct psn_report report;
};

/* Map the stack. Returns 0 or -ENOMEM. */
int psn_stack_init(struct psn_stack *stack);
void psn_stack_free(struct psn_stack *stack);

/* Find out which road works, by a child that writes to its parent's memory.
 * Returns an enum psn_road, or a negative errno. */
int psn_spawn_probe(struct psn_stack *stack);

/* Make the child. Returns 0 with born->pid and born->pidfd set, or a negative errno
 * with born->report saying where it went wrong; a child that failed has been reaped,
 * its pidfd stays open in born for the caller to close under its own lock. */
int psn_spawn(const struct psn_plan *plan, enum psn_road road, struct psn_stack *stack,
              struct psn_born *born);

#endif
