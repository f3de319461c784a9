from procession._spawn cimport Newborn


# (pid, name) of all who live of the child's tree, without the child itself. Whoever has
# ended and is a child of ours by now, because we are the reaper of orphans, is reaped.
cdef list living(Newborn child)

# Send a signal to the child and to all who live of its tree. SIGKILL goes on until nobody
# is found any more. Returns how many others there were. Reaps as living() does: who ends by
# the signal is there for the next call.
cdef int signal_tree(Newborn child, int sig) except -1
