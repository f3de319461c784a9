#define _GNU_SOURCE
#include "faults.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

/* Shared with forked processes, which count for their parent. */
struct state {
    _Atomic int armed;
    struct faults_plan plan;
    _Atomic int met; /* calls that the plan is about */
    _Atomic int happened;
    _Atomic int counts[FAULTS_CALLS];
};

static struct state *state;

static const char *const names[] = {
#define CALL(kind, name) name,
#include "faults_calls.h"
#undef CALL
};

__attribute__((constructor)) static void map_state(void)
{
    state = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (state == MAP_FAILED)
        __builtin_trap();
}

void faults_arm(const struct faults_plan *plan)
{
    faults_disarm();
    for (int i = 0; i < FAULTS_CALLS; i++)
        atomic_store(&state->counts[i], 0);
    atomic_store(&state->met, 0);
    atomic_store(&state->happened, 0);
    state->plan = plan != NULL ? *plan : (struct faults_plan){.nth = 0};
    atomic_store(&state->armed, 1);
}

void faults_disarm(void)
{
    atomic_store(&state->armed, 0);
}

int faults_count(int call)
{
    return atomic_load(&state->counts[call]);
}

int faults_happened(void)
{
    return atomic_load(&state->happened);
}

const char *faults_name(int call)
{
    return call < FAULTS_CALLS ? names[call] : NULL;
}

int faults_meet(int call)
{
    const struct faults_plan *plan = &state->plan;

    if (!atomic_load(&state->armed))
        return 0;
    atomic_fetch_add(&state->counts[call], 1);
    if (!plan->calls[call])
        return 0;
    int n = 1 + atomic_fetch_add(&state->met, 1);
    if (n < plan->nth || n > plan->last)
        return 0;
    atomic_fetch_add(&state->happened, 1);
    if (plan->delay_ns > 0) {
        const struct timespec delay = {.tv_nsec = plan->delay_ns};
        int err = errno;
        nanosleep(&delay, NULL);
        errno = err;
    }
    return plan->err;
}
