from procession._cgroup cimport Leaf
from procession._psn cimport psn_limits, psn_report


# Put into `to`, which has no limit yet, what a Limits says. Returns the leaf that was made
# for the child, or None. Whatever fails beforehand has the name of its limit.
cdef Leaf pack_limits(psn_limits *to, limits)

# The exception for PSN_STEP_LIMIT.
cdef object limit_failure(const psn_report *report)
