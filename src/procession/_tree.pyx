"""A child with all that it has started: who lives, and signals to everybody."""
from libc.signal cimport SIGKILL

from procession._psn cimport (
    psn_ref,
    psn_tree,
    psn_tree_free,
    psn_tree_init,
    psn_tree_signal,
    psn_tree_walk,
)
from procession._errors cimport check
from procession._spawn cimport Newborn

import os
import sys


cdef void begin(psn_tree *tree, Newborn child) noexcept:
    cdef psn_ref root
    root.pid = root.pidfd = -1
    # After the end the number may be another's.
    if child.living:
        root = child.ref()
    psn_tree_init(tree, root, child.mark)


cdef list members_of(psn_tree *tree):
    return [(tree.members[i].pid, os.fsdecode(<bytes>tree.members[i].name))
            for i in range(tree.count)]


cdef list living(Newborn child):
    cdef psn_tree tree
    cdef ssize_t rc
    begin(&tree, child)
    try:
        with nogil:
            rc = psn_tree_walk(&tree, 0)
        check(rc)
        return members_of(&tree)
    finally:
        psn_tree_free(&tree)


cdef list signalled(Newborn child, int sig):
    cdef psn_tree tree
    cdef int rc
    begin(&tree, child)
    if sig == SIGKILL and child.cgroup is not None:
        child.cgroup.kill()
    if child.living:
        sys.audit("os.kill", child.pid, sig)
    try:
        with nogil:
            rc = psn_tree_signal(&tree, sig)
        check(rc)
        return members_of(&tree)
    finally:
        psn_tree_free(&tree)


cdef int signal_tree(Newborn child, int sig) except -1:
    return len(signalled(child, sig))


def living_of(Newborn child not None):
    """Return (pid, name) of all who live of the child's tree, without the child."""
    return living(child)


def signal_all(Newborn child not None, int sig):
    """Send a signal to the child and all who live of its tree; return these, as above."""
    return signalled(child, sig)
