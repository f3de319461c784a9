/* The code between clone and exec. It may run in memory shared with the parent, of
 * which one thread waits while the others go on: it makes raw system calls and
 * writes to its own stack and to *report, nothing else. tests/test_c_source.py
 * holds the object file to a list of allowed symbols. */
#ifndef PSN_CHILD_H
#define PSN_CHILD_H

#include "psn_config.h"
#include "psn_limits.h"
#include "psn_stdio.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

/* Where a spawn failed. Up to PSN_STEP_CLONE in the parent, from then on in the child.
 */
enum psn_step {
    PSN_STEP_NONE,
    PSN_STEP_PIPE,   /* a descriptor for a pipe, a report or /dev/null */
    PSN_STEP_MEMORY, /* the plan or the child's stack */
    PSN_STEP_CLONE,
    PSN_STEP_STDIO,
    PSN_STEP_CHDIR,
    PSN_STEP_SESSION, /* setsid or setpgid */
    PSN_STEP_CREDENTIALS,
    PSN_STEP_LIMIT,   /* which one is in the report */
    PSN_STEP_PREEXEC, /* the caller's preexec_fn raised */
    PSN_STEP_EXEC,
    PSN_STEP_ABANDONED
};

/* What a child is to become. All pointers are borrowed from the owner of the plan
 * and valid until the child has exec'ed. */
struct psn_plan {
    char *const *argv;
    char *const *envp;
    char *const *paths; /* what to exec, tried in order as execvpe(3) does */
    const char *cwd;    /* NULL: the parent's */
    struct psn_stdio stdio;
    int umask;                /* -1: the parent's */
    int handlers_are_cleared; /* the clone has seen to it that no signal is handled */
    int restore_signals;      /* SIGPIPE, SIGXFZ and SIGXFSZ to their default */
    int new_session;
    int64_t process_group; /* -1: the parent's; 0: its own */
    int set_groups;
    const gid_t *groups; /* n_groups of them, used if set_groups */
    size_t n_groups;
    int64_t gid; /* -1: the parent's */
    int64_t uid; /* -1: the parent's */
    const uint64_t
        *signal_mask; /* set before exec, as the kernel keeps it; NULL: as it is */
    int set_nice;     /* the spawning thread has another nice value: set nice */
    int nice;
    const void
        *affinity; /* n_affinity bytes, NULL where the spawning thread's is right */
    size_t n_affinity;
    const struct psn_limits *limits; /* NULL: none of its own */
    int in_cgroup; /* the clone has seen to it that the child is in its cgroup */
    int own_table; /* the spawning thread has a descriptor table of its own */
    uint64_t mark; /* to be known by, with all that it starts (psn_tree.h); 0: none */
    const _Atomic int *abandoned; /* becomes 1 when nobody wants the child any more */
};

/* Filled in by a child that cannot become what it should. */
struct psn_report {
    enum psn_step step;   /* PSN_STEP_NONE while all went well */
    int err;              /* negative errno */
    enum psn_limit limit; /* of PSN_STEP_LIMIT */
};

/* Carry out all of the plan up to the point where preexec_fn has its turn.
 * Return 0, or -1 with *report filled in. All signals are blocked on entry. */
int psn_child_prepare(const struct psn_plan *plan, struct psn_report *report);

/* Close descriptors and exec. Returns only on failure, with *report filled in. */
void psn_child_exec(const struct psn_plan *plan, struct psn_report *report);

/* _exit(2) by a raw system call; does not return. */
void psn_child_exit(int status);

#endif
