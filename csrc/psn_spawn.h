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

/* What spawning can rely on. */
struct psn_abilities {
    enum psn_road road;
    int has_pidfd;       /* pidfds can be had, waited for and signalled */
    int clears_handlers; /* a child can be made without its parent's signal handlers */
    /* A process that has this descriptor, or a higher one, is large: its children are
     * made by threads with a table of their own (psn_table.h). 0: none is. */
    int own_table_from;
};

struct psn_born {
    /* Set by the kernel before the child runs, so that another thread can end a
     * child that hangs in exec; -1 where there is none. The descriptor is owned by the
     * caller. Without pidfds only the number is set, with them first the descriptor. */
    _Atomic int pid;
    _Atomic int pidfd;
    /* Instead of pidfd where the plan says own_table, and then the number is set, too:
     * this one is a descriptor of the spawning thread's only. */
    _Atomic int away;
    struct psn_report report;
};

/* Map the stack. Returns 0 or -ENOMEM. */
int psn_stack_init(struct psn_stack *stack);
void psn_stack_free(struct psn_stack *stack);

/* Find out what works, by children that write to their parent's memory: a kernel may be
 * old, a filter may refuse, an emulator may do otherwise than it says. Returns 0 or a
 * negative errno, which is about the moment. */
int psn_spawn_probe(struct psn_stack *stack, struct psn_abilities *can);

/* Make the child. Returns 0 with born->pid and, where there are any, born->pidfd set,
 * or a negative errno with born->report saying where it went wrong; a child that failed
 * is left in born for the caller to reap, after nobody can signal it any more. */
int psn_spawn(const struct psn_plan *plan, const struct psn_abilities *can,
              struct psn_stack *stack, struct psn_born *born);

#endif
