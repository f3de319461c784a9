/* What /proc and prlimit(2) say of a process, be it ours or not. */
#ifndef PSN_PROC_H
#define PSN_PROC_H

#include "psn_config.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* TASK_COMM_LEN, with the final zero. */
#define PSN_PROC_NAME 16

struct psn_proc {
    pid_t pid;
    pid_t parent;
    int lives;        /* 0: a zombie */
    uint64_t started; /* in clock ticks since boot: tells it from who had its number */
    char name[PSN_PROC_NAME];
};

/* Process numbers in a block that grows. */
struct psn_proc_pids {
    pid_t *at; /* owned */
    size_t count;
    size_t cap;
};

void psn_proc_pids_free(struct psn_proc_pids *pids);

/* Returns 0 or -ENOMEM. */
int psn_proc_pids_push(struct psn_proc_pids *pids, pid_t pid);

/* Returns 0 or a negative errno: -ESRCH where there is none. */
int psn_proc_read(pid_t pid, struct psn_proc *proc);

/* The mark of a process, 0 where it cannot be read. That of somebody whom we could not
 * signal anyway may be 0, too. */
uint64_t psn_proc_mark(pid_t pid);

/* Append all process numbers that there are. Returns 0 or a negative errno. */
int psn_proc_all(struct psn_proc_pids *to);

/* Whether the kernel lists the children of a process. */
int psn_proc_lists_children(void);

/* Append the children of a process, none where there is no such process or no list.
 * Returns 0 or a negative errno. */
int psn_proc_children(pid_t pid, struct psn_proc_pids *to);

#endif
