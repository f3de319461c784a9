#include "psn_config.h"

#include "psn_creds.h"

#include <pthread.h>
#include <sys/prctl.h>

/* A child that shares our memory and changes its ids makes the memory undumpable
 * (commit_creds in the kernel). That protects us: until exec the child runs as the new
 * user on our memory, and an undumpable process cannot be traced by that user. So the
 * old value must come back, but only when no other child is in that state: the last one
 * out restores what the first one in found. "Dumpable" is a property of the process,
 * hence the one piece of process-wide state in the core. */
static struct {
    pthread_mutex_t lock;
    int inside;
    int dumpable;
} creds = {.lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* In a forked process nobody is inside, and the lock may be held by a thread that was
 * not forked along. */
static void start_anew(void)
{
    pthread_mutex_init(&creds.lock, NULL);
    creds.inside = 0;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, start_anew);
}

void psn_creds_enter(void)
{
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&creds.lock);
    if (creds.inside++ == 0)
        creds.dumpable = prctl(PR_GET_DUMPABLE);
    pthread_mutex_unlock(&creds.lock);
}

void psn_creds_leave(void)
{
    pthread_mutex_lock(&creds.lock);
    /* 2 (readable by root only) cannot be set, and need not be: it is what the
     * kernel itself falls back to. */
    if (--creds.inside == 0 && creds.dumpable == 1)
        prctl(PR_SET_DUMPABLE, 1);
    pthread_mutex_unlock(&creds.lock);
}
