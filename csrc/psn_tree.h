/* A child with all that it has started, whatever sessions and groups these have changed
 * to and whoever their parent is by now. They are known by their mark: the number that
 * the child got as its soft RLIMIT_LOCKS (psn_child.c), a limit that the kernel does
 * not apply and every process inherits. Who has another limit, because it has set one
 * or is a child of a child that marks its own, is found as long as its parents lead to
 * the child.
 *
 * Nobody is signalled by a number that may be a stranger's meanwhile: a pidfd is opened
 * first, then whom it means is looked at once more. */
#ifndef PSN_TREE_H
#define PSN_TREE_H

#include "psn_config.h"
#include "psn_proc.h"
#include "psn_ref.h"

/* Somebody to be met: its number, and since when it is that; 0: by its mark. */
struct psn_link {
    pid_t pid;
    uint64_t started;
};

struct psn_member {
    struct psn_proc proc;
    int refused; /* it could not be signalled: it runs as somebody else */
};

struct psn_tree {
    struct psn_ref root;        /* the child; pid -1: it has ended, and has no number */
    uint64_t mark;              /* 0: it has none */
    struct psn_member *members; /* owned: all who were met, without the child */
    size_t count;
    size_t cap;
    int lists_children; /* the kernel does */

    /* For the walk that is under way. */
    struct psn_link *links; /* owned: whom the parents lead to */
    size_t n_links;
    size_t links_cap;
    struct psn_proc *all; /* owned: everybody, on a kernel that lists no children */
    size_t n_all;
};

void psn_tree_init(struct psn_tree *tree, struct psn_ref root, uint64_t mark);
void psn_tree_free(struct psn_tree *tree);

/* Add to the members who lives and was not met before, and send each of these a signal,
 * the child of the tree not: 0 for none, and then nobody is met for a signal later. Who
 * has ended with the mark and is our child, because we are its reaper, is reaped.
 * Returns how many were added, or a negative errno. */
ssize_t psn_tree_walk(struct psn_tree *tree, int sig);

/* Send a signal to the child, then to all others who are there. SIGKILL goes on until a
 * walk finds nobody new, within a bound. Returns 0 or a negative errno: -EPERM if the
 * child runs as somebody else; the others got the signal. */
int psn_tree_signal(struct psn_tree *tree, int sig);

#endif
