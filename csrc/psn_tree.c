#include "psn_tree.h"

#include <stdlib.h>

/* Of a tree that grows as fast as it is ended. A walk takes a millisecond or so. */
#define MOST_WALKS 32

void psn_tree_init(struct psn_tree *tree, struct psn_ref root, uint64_t mark)
{
    *tree = (struct psn_tree){.root = root, .mark = mark};
    tree->lists_children = psn_proc_lists_children();
}

void psn_tree_free(struct psn_tree *tree)
{
    free(tree->members);
    free(tree->links);
    free(tree->all);
    *tree = (struct psn_tree){.root = {-1, -1}};
}

/* Make room for one more item of a block. Returns it, or NULL. */
static void *grow(void *block, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return block;
    size_t more = *cap ? *cap * 2 : 16;
    block = reallocarray(block, more, size);
    if (block != NULL)
        *cap = more;
    return block;
}

static int add_link(struct psn_tree *tree, const struct psn_proc *proc)
{
    struct psn_link *links =
        grow(tree->links, tree->n_links, &tree->links_cap, sizeof *links);

    if (links == NULL)
        return -ENOMEM;
    tree->links = links;
    links[tree->n_links++] = (struct psn_link){proc->pid, proc->started};
    return 0;
}

static int add_member(struct psn_tree *tree, const struct psn_proc *proc, int refused)
{
    struct psn_member *members =
        grow(tree->members, tree->count, &tree->cap, sizeof *members);

    if (members == NULL)
        return -ENOMEM;
    tree->members = members;
    members[tree->count++] = (struct psn_member){*proc, refused};
    return 0;
}

static int was_met(const struct psn_tree *tree, const struct psn_proc *proc)
{
    for (size_t i = 0; i < tree->count; i++)
        if (tree->members[i].proc.pid == proc->pid &&
            tree->members[i].proc.started == proc->started)
            return 1;
    return 0;
}

/* Those with the mark are met on the walk. */
static int link_child(struct psn_tree *tree, pid_t parent, pid_t pid)
{
    struct psn_proc proc;

    if (tree->mark != 0 && psn_proc_mark(pid) == tree->mark)
        return 0;
    /* The number may be another's since the list was made, but not another child's of
     * the same parent. */
    if (psn_proc_read(pid, &proc) < 0 || proc.parent != parent)
        return 0;
    return add_link(tree, &proc);
}

static int read_all(struct psn_tree *tree)
{
    struct psn_proc_pids pids = {0};
    int rc = psn_proc_all(&pids);

    if (rc == 0)
        tree->all = calloc(pids.count + 1, sizeof *tree->all);
    if (rc == 0 && tree->all == NULL)
        rc = -ENOMEM;
    for (size_t i = 0; rc == 0 && i < pids.count; i++)
        if (psn_proc_read(pids.at[i], &tree->all[tree->n_all]) == 0)
            tree->n_all++;
    psn_proc_pids_free(&pids);
    return rc;
}

static int link_by_parents(struct psn_tree *tree, pid_t parent)
{
    int rc = tree->all == NULL ? read_all(tree) : 0;

    for (size_t i = 0; rc == 0 && i < tree->n_all; i++)
        if (tree->all[i].parent == parent)
            rc = link_child(tree, parent, tree->all[i].pid);
    return rc;
}

/* To be called before the parent is signalled: when it ends, they get another one. */
static int link_children(struct psn_tree *tree, pid_t parent)
{
    struct psn_proc_pids children = {0};

    if (!tree->lists_children)
        return link_by_parents(tree, parent);
    int rc = psn_proc_children(parent, &children);
    for (size_t i = 0; rc == 0 && i < children.count; i++)
        rc = link_child(tree, parent, children.at[i]);
    psn_proc_pids_free(&children);
    return rc;
}

static int is_member(const struct psn_tree *tree, const struct psn_link *link,
                     const struct psn_proc *proc)
{
    if (link->started == 0)
        return psn_proc_mark(link->pid) == tree->mark;
    return proc->started == link->started;
}

/* Whether the number still is that of the member. */
static int look_at(const struct psn_tree *tree, const struct psn_link *link,
                   struct psn_proc *proc)
{
    return psn_proc_read(link->pid, proc) == 0 && is_member(tree, link, proc);
}

/* Returns 0 or a negative errno. */
static int send_signal(const struct psn_tree *tree, const struct psn_link *link,
                       int pidfd, int sig)
{
    struct psn_proc proc;

    if (pidfd >= 0) {
        if (syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) == 0)
            return 0;
        if (errno == ESRCH)
            return -ESRCH;
    }
    /* Without pidfds a number that changes hands between these two lines, which takes
     * as many forks as there are numbers, cannot be told. */
    if (!look_at(tree, link, &proc))
        return -ESRCH;
    return kill(link->pid, sig) < 0 ? -errno : 0;
}

/* A child of ours that we have not started ourselves: we are the reaper of orphans. The
 * number stays its own until it is reaped. */
static void reap_orphan(const struct psn_proc *proc)
{
    siginfo_t info;

    if (proc->parent == getpid())
        psn_ref_wait((struct psn_ref){proc->pid, -1}, WNOHANG, &info, NULL);
}

/* Returns 1 for a new member, 0, or a negative errno. */
static int meet(struct psn_tree *tree, struct psn_link link, int sig)
{
    struct psn_proc proc;
    int pidfd = -1, rc = 0;

    /* In this order: whom the pidfd means has not been replaced by another since. */
    if (sig != 0)
        pidfd = (int)syscall(SYS_pidfd_open, link.pid, 0);
    if (!look_at(tree, &link, &proc))
        goto out;
    if (!proc.lives) {
        reap_orphan(&proc);
        goto out;
    }
    rc = link_children(tree, proc.pid);
    if (rc < 0 || was_met(tree, &proc))
        goto out;
    int sent = sig == 0 ? 0 : send_signal(tree, &link, pidfd, sig);
    if (sent == -ESRCH)
        goto out;
    rc = add_member(tree, &proc, sent < 0);
    if (rc == 0)
        rc = 1;
out:
    psn_sys_close(&pidfd);
    return rc;
}

/* Returns how many were added, or a negative errno. */
static ssize_t meet_marked(struct psn_tree *tree, const struct psn_proc_pids *pids,
                           int sig)
{
    pid_t self = getpid();
    ssize_t added = 0;
    int rc = 0;

    for (size_t i = 0; rc >= 0 && i < pids->count; i++) {
        pid_t pid = pids->at[i];
        if (pid == tree->root.pid || pid == self || psn_proc_mark(pid) != tree->mark)
            continue;
        rc = meet(tree, (struct psn_link){pid, 0}, sig);
        added += rc > 0;
    }
    return rc < 0 ? rc : added;
}

static ssize_t meet_linked(struct psn_tree *tree, int sig)
{
    ssize_t added = 0;

    while (tree->n_links > 0) {
        int rc = meet(tree, tree->links[--tree->n_links], sig);
        if (rc < 0)
            return rc;
        added += rc;
    }
    return added;
}

/* Who is there, before anybody is signalled. Returns 0 or a negative errno. */
static int look_around(struct psn_tree *tree, struct psn_proc_pids *pids)
{
    int rc = tree->root.pid > 0 ? link_children(tree, tree->root.pid) : 0;

    if (rc == 0 && tree->mark != 0)
        rc = psn_proc_all(pids);
    return rc;
}

/* Returns how many were added, or a negative errno. */
static ssize_t meet_all(struct psn_tree *tree, const struct psn_proc_pids *pids,
                        int sig)
{
    ssize_t marked = meet_marked(tree, pids, sig);
    ssize_t linked = marked < 0 ? 0 : meet_linked(tree, sig);

    return marked < 0 ? marked : linked < 0 ? linked : marked + linked;
}

static void forget_walk(struct psn_tree *tree, struct psn_proc_pids *pids)
{
    psn_proc_pids_free(pids);
    free(tree->all);
    tree->all = NULL;
    tree->n_all = tree->n_links = 0;
}

ssize_t psn_tree_walk(struct psn_tree *tree, int sig)
{
    struct psn_proc_pids pids = {0};
    ssize_t added = look_around(tree, &pids);

    if (added == 0)
        added = meet_all(tree, &pids, sig);
    forget_walk(tree, &pids);
    return added;
}

int psn_tree_signal(struct psn_tree *tree, int sig)
{
    struct psn_proc_pids pids = {0};
    int told = 0;
    ssize_t added = look_around(tree, &pids);

    /* The child first: a shell whose command is ended before it goes on with the next
     * one. The others follow by number, which is by age for the most part. */
    if (tree->root.pid > 0)
        told = psn_ref_signal(tree->root, sig);
    if (added == 0)
        added = meet_all(tree, &pids, sig);
    forget_walk(tree, &pids);
    /* What is started to clean up, by who is told to end, is left to do so. */
    for (int i = 0; sig == SIGKILL && added > 0 && i < MOST_WALKS; i++)
        added = psn_tree_walk(tree, sig);
    if (added < 0)
        return (int)added;
    return told == -ESRCH ? 0 : told;
}
