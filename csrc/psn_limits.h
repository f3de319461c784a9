/* Limits of a child, carried out by itself between clone and exec, under the rules of
 * psn_child.h. What a limit holds is a matter of the kernel; here it is only set. */
#ifndef PSN_LIMITS_H
#define PSN_LIMITS_H

#include "psn_config.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Which limit could not be set. */
enum psn_limit {
    PSN_LIMIT_NONE,
    PSN_LIMIT_CGROUP,
    PSN_LIMIT_OOM_SCORE_ADJ,
    PSN_LIMIT_NICE,
    PSN_LIMIT_IO_PRIORITY,
    PSN_LIMIT_CPUS,
    PSN_LIMIT_NO_NEW_PRIVILEGES,
    PSN_LIMIT_DIE_WITH_PARENT,
    PSN_LIMIT_CPU_SECONDS,
    PSN_LIMIT_MEMORY,
    PSN_LIMIT_OPEN_FILES,
    PSN_LIMIT_PROCESSES,
    PSN_LIMIT_FILE_SIZE,
    PSN_LIMIT_CORE,
    PSN_LIMIT_STACK
};

/* From PSN_LIMIT_CPU_SECONDS on there is a resource limit for each. */
#define PSN_MOST_RLIMITS 7

/* The kernel's struct rlimit64. */
struct psn_rlimit {
    uint64_t soft, hard; /* all bits set: no limit */
};

struct psn_rlimit_of {
    enum psn_limit limit;
    int resource; /* RLIMIT_* */
    struct psn_rlimit value;
};

struct psn_limits {
    struct psn_rlimit_of rlimits[PSN_MOST_RLIMITS];
    size_t n_rlimits;
    int cgroup;            /* a cgroup v2 directory, owned by the job, or -1 */
    char oom_score_adj[8]; /* n_oom_score_adj bytes of text, none: the parent's */
    size_t n_oom_score_adj;
    int set_nice;
    int nice;
    int io_priority;          /* as ioprio_set(2) takes it; -1: the parent's */
    unsigned char cpus[1024]; /* n_cpus bytes, none: the parent's */
    size_t n_cpus;
    int no_new_privileges;
    pid_t parent; /* the child dies with it; 0: it goes on */
};

/* The first half, before the child gives its privileges away: all that may need one. A
 * child that was born in its cgroup does not enter it again. Returns 0, or a negative
 * errno with *which set. */
long psn_limits_begin(const struct psn_limits *limits, int is_in_cgroup,
                      enum psn_limit *which);

/* The second half, with nothing to follow but exec, because it holds for what follows.
 * Returns 0, a negative errno with *which set, or -ECANCELED with PSN_LIMIT_NONE: the
 * parent is gone, and the child is to go, too. */
long psn_limits_finish(const struct psn_limits *limits, enum psn_limit *which);

#endif
