/* clone3(2), for which the C library has no public function. What it can do for us that
 * clone(2) cannot: give the child no handler of its parent's, and have it born in a
 * cgroup. */
#ifndef PSN_CLONE3_H
#define PSN_CLONE3_H

#include "psn_config.h"

#include "psn_spawn.h"

struct psn_clone3 {
    int (*start)(void *);
    void *arg;
    uint64_t flags; /* with the signal at its end in the lowest byte */
    int *parent;    /* where CLONE_PIDFD or CLONE_PARENT_SETTID store */
    int *child;     /* where CLONE_CHILD_SETTID stores */
    int cgroup;     /* a directory, for PSN_CLONE_INTO_CGROUP */
};

/* clone(2) with room for more flags: the child runs start(arg) on the stack, and exits
 * with what that returns. Returns the pid or a negative errno: -ENOSYS where the kernel
 * or a filter has none, and on processors for which it is not written. */
pid_t psn_clone3(const struct psn_clone3 *call, struct psn_stack *stack);

#endif
