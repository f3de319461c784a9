"""A child with all that it has started: who lives, and signals to everybody."""
from libc.signal cimport SIGKILL

from procession._errors cimport check
from procession._psn cimport (
    psn_proc,
    psn_proc_read,
    psn_ref,
    psn_tree,
    psn_tree_free,
    psn_tree_init,
    psn_tree_signal,
    psn_tree_walk,
)
from procession._spawn cimport Newborn

import os
import sys


cdef void begin(psn_tree *tree, Newborn child) noexcept:
    cdef psn_ref root
    root.pid = root.pidfd = -1
    # After the end the number may be another's.
    if child.living:
        root = child.ref()
    # Before the birth, whom the mark leads to is the child itself, which is the spawner's.
    psn_tree_init(tree, root, child.mark if child.pid else 0)


cdef tuple pair_of(psn_proc *proc):
    return proc.pid, os.fsdecode(<bytes>proc.name)


cdef list members_of(psn_tree *tree, bint refused):
    return [pair_of(&tree.members[i].proc) for i in range(tree.count)
            if bool(tree.members[i].refused) == refused]


cdef list living(Newborn child):
    cdef psn_tree tree
    cdef ssize_t rc
    begin(&tree, child)
    try:
        with nogil:
            rc = psn_tree_walk(&tree, 0)
        check(rc)
        return members_of(&tree, False) + unmarked(child, &tree)
    finally:
        psn_tree_free(&tree)


cdef list unmarked(Newborn child, psn_tree *tree):
    """Return those of the child's cgroup that are not in the tree: without the mark, and with
    no parent in there."""
    cdef psn_proc proc
    cdef list found = []
    if child.cgroup is None:
        return found
    known = {tree.members[i].proc.pid for i in range(tree.count)}
    for pid in child.cgroup.processes():
        if pid != child.pid and pid not in known and psn_proc_read(pid, &proc) == 0 and proc.lives:
            found.append(pair_of(&proc))
    return found


cdef int kill_cgroup(Newborn child, int sig) except -1:
    """Have the kernel end whoever is left in the child's cgroup, marked or not."""
    if sig == SIGKILL and child.cgroup is not None:
        child.cgroup.kill()
    return 0


cdef tuple signalled(Newborn child, int sig):
    cdef psn_tree tree
    cdef psn_proc root
    cdef int rc
    cdef list first = []
    if child.living:
        sys.audit("os.kill", child.pid, sig)
        if psn_proc_read(child.pid, &root) == 0 and root.lives:
            first.append(pair_of(&root))
    begin(&tree, child)
    try:
        with nogil:
            rc = psn_tree_signal(&tree, sig)
        others = unmarked(child, &tree) if sig == SIGKILL else []
        kill_cgroup(child, sig)
        check(rc)
        return first + members_of(&tree, False) + others, members_of(&tree, True)
    finally:
        psn_tree_free(&tree)


cdef int signal_tree(Newborn child, int sig) except -1:
    cdef psn_tree tree
    cdef int rc
    cdef int count
    begin(&tree, child)
    with nogil:
        rc = psn_tree_signal(&tree, sig)
    count = <int>tree.count
    psn_tree_free(&tree)
    kill_cgroup(child, sig)
    check(rc)
    return count


def living_of(Newborn child not None):
    """Return (pid, name) of all who live of the child's tree, without the child."""
    return living(child)


def signal_all(Newborn child not None, int sig):
    """Send a signal to the child and to all who live of its tree.

    Returns those that it was sent to, the child first, and those that cannot be signalled.

    Raises:
        PermissionError: the child runs as another user now. The others got the signal.
    """
    return signalled(child, sig)
