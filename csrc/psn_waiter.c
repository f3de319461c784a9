#include "psn_waiter.h"

#include "psn_sys.h"

#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define THREAD_STACK_BYTES (64 * 1024)

/* How long to wait before the next look at a child that nobody reaps: it may be a
 * stranger's, which waitid() then reports in place of any other. */
#define LEAST_PAUSE_NS (1000 * 1000)
#define MOST_PAUSE_NS (50 * 1000 * 1000)

static void unlock(void *waiter)
{
    pthread_mutex_unlock(&((struct psn_waiter *)waiter)->lock);
}

/* Wait until something has changed since `pokes`, pause_ns at most. */
static void pause_until_poked(struct psn_waiter *waiter, unsigned pokes,
                              int64_t pause_ns)
{
    int64_t ns = psn_sys_now_ns() + pause_ns;
    struct timespec until = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

    pthread_mutex_lock(&waiter->lock);
    pthread_cleanup_push(unlock, waiter);
    while (waiter->pokes == pokes &&
           pthread_cond_timedwait(&waiter->go, &waiter->lock, &until) == 0)
        ;
    pthread_cleanup_pop(1);
}

static unsigned pokes_of(struct psn_waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    unsigned pokes = waiter->pokes;
    pthread_mutex_unlock(&waiter->lock);
    return pokes;
}

/* Ended by cancellation, which waitid() and the pause are points of. */
static void *thread_main(void *arg)
{
    struct psn_waiter *waiter = arg;
    int64_t pause_ns = LEAST_PAUSE_NS;
    pid_t last = 0;

    prctl(PR_SET_NAME, "procession");
    for (;;) {
        /* Before the look: a child that is started after it is not missed. */
        unsigned pokes = pokes_of(waiter);
        siginfo_t info = {.si_pid = 0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) < 0) {
            /* ECHILD: there is nobody to wait for. */
            pause_until_poked(waiter, pokes, MOST_PAUSE_NS);
            continue;
        }
        const uint64_t one = 1;
        (void)psn_sys_write(waiter->bell, &one, sizeof one);
        pause_ns = info.si_pid == last ? pause_ns * 2 : LEAST_PAUSE_NS;
        if (pause_ns > MOST_PAUSE_NS)
            pause_ns = MOST_PAUSE_NS;
        last = info.si_pid;
        pause_until_poked(waiter, pokes, pause_ns);
    }
    return NULL;
}

static int start_thread(struct psn_waiter *waiter)
{
    pthread_attr_t attr;
    sigset_t all, before;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&waiter->thread, &attr, thread_main, waiter);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -rc;
}

static void destroy(struct psn_waiter *waiter)
{
    pthread_cond_destroy(&waiter->go);
    pthread_mutex_destroy(&waiter->lock);
    psn_sys_close(&waiter->bell);
}

int psn_waiter_open(struct psn_waiter *waiter)
{
    pthread_condattr_t attr;

    memset(waiter, 0, sizeof *waiter);
    waiter->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (waiter->bell < 0)
        return -errno;
    pthread_mutex_init(&waiter->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&waiter->go, &attr);
    pthread_condattr_destroy(&attr);
    int rc = start_thread(waiter);
    if (rc < 0)
        destroy(waiter);
    return rc;
}

void psn_waiter_poke(struct psn_waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    waiter->pokes++;
    pthread_cond_signal(&waiter->go);
    pthread_mutex_unlock(&waiter->lock);
}

void psn_waiter_close(struct psn_waiter *waiter)
{
    pthread_cancel(waiter->thread);
    pthread_join(waiter->thread, NULL);
    destroy(waiter);
}
