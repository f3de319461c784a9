/* Faults in the core's dealings with the kernel. What a module calls in the C library
 * is counted, and the n-th call of one kind can be made to fail, or to take long.
 *
 * The calls are caught in the module's own table of imported functions: nothing else of
 * the process is touched, and the module is the one that is installed. */
#ifndef FAULTS_H
#define FAULTS_H

#include <stddef.h>

/* One kind of call. What is done by way of syscall(2) is of the kind SYS_ of its own,
 * so that what the child does between clone and exec is apart from what its parent
 * does. */
enum faults_call {
#define CALL(kind, name) FAULTS_##kind,
#include "faults_calls.h"
#undef CALL
    FAULTS_CALLS
};

struct faults_plan {
    unsigned char calls[FAULTS_CALLS]; /* by enum faults_call: 1 for what it is about */
    int nth;                           /* of these together, from 1 */
    int last; /* the last one that it happens to; INT_MAX: all from then on */
    int err;  /* positive errno, 0 for a call that only takes long */
    long delay_ns;
};

/* Catch the calls of every loaded object whose path contains `part` and is not caught
 * yet. Returns how many functions were found, or -1. */
int faults_attach(const char *part);

/* Count from zero, and let the plan happen. NULL: only count. */
void faults_arm(const struct faults_plan *plan);

/* Neither count nor do anything. */
void faults_disarm(void);

/* How many calls there were since faults_arm(), in this process and those forked since.
 */
int faults_count(int call);

/* How often the plan has happened. */
int faults_happened(void);

/* The name of a kind; NULL from FAULTS_CALLS on. */
const char *faults_name(int call);

/* For the functions that stand in for the C library's: count one call, let it take its
 * time, and return the errno that it is to fail with, or 0. Takes no lock, allocates
 * nothing: a child calls it that runs on its parent's memory. */
int faults_meet(int call);

/* The function that stands in for one of this name, NULL where there is none. */
void *faults_stand_in(const char *name);

#endif
