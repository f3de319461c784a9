#include "psn_config.h"

#include "psn_sigchld.h"

#include "psn_sys.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#define MOST_BELLS 64

/* A disposition belongs to the process, and a handler has no argument of its own: hence
 * this state. The handler may run in any thread at any moment: `before` changes only
 * while the handler is in no chain, and who closes a bell waits until none is `inside`.
 */
static struct {
    pthread_mutex_t lock; /* of those who come and go */
    _Atomic int bells[MOST_BELLS];
    _Atomic int inside;
    int taking_part;
    int in_chain; /* the handler is in its place, or behind somebody else's */
    struct sigaction before;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void handle(int sig, siginfo_t *info, void *context)
{
    int err = errno;
    const uint64_t one = 1;

    atomic_fetch_add(&all.inside, 1);
    for (int i = 0; i < MOST_BELLS; i++) {
        /* Kept one higher, so that 0 is none. */
        int bell = atomic_load(&all.bells[i]) - 1;
        if (bell >= 0)
            (void)!write(bell, &one, sizeof one);
    }
    atomic_fetch_sub(&all.inside, 1);
    const struct sigaction *before = &all.before;
    if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(sig, info, context);
    else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
        before->sa_handler(sig);
    errno = err;
}

static int is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handle;
}

static void wait_for_handlers(void)
{
    while (atomic_load(&all.inside) > 0)
        sched_yield();
}

/* Called with the lock, while the handler is not in any chain. What the program asked
 * of the kernel besides a handler (no zombies, news of stopped children) stays. */
static void take_signal(void)
{
    struct sigaction ours = {.sa_sigaction = handle};

    sigaction(SIGCHLD, NULL, &all.before);
    sigemptyset(&ours.sa_mask);
    ours.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    ours.sa_flags |= all.before.sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT);
    if (!(all.before.sa_flags & SA_SIGINFO)) {
        if (all.before.sa_handler == SIG_DFL)
            ours.sa_flags |= SA_NOCLDSTOP;
        if (all.before.sa_handler == SIG_IGN)
            ours.sa_flags |= SA_NOCLDSTOP | SA_NOCLDWAIT;
    }
    sigaction(SIGCHLD, &ours, NULL);
    all.in_chain = 1;
}

/* Called with the lock. Who has taken the signal after us may call us, and is called by
 * nobody else: taking it again would make a circle of the two. */
static void give_signal_back(void)
{
    struct sigaction now;

    sigaction(SIGCHLD, NULL, &now);
    if (!is_ours(&now))
        return;
    sigaction(SIGCHLD, &all.before, NULL);
    all.in_chain = 0;
}

int psn_sigchld_open(void)
{
    int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (bell < 0)
        return -errno;
    pthread_mutex_lock(&all.lock);
    for (int i = 0; i < MOST_BELLS; i++) {
        if (atomic_load(&all.bells[i]) == 0) {
            atomic_store(&all.bells[i], bell + 1);
            all.taking_part++;
            if (!all.in_chain)
                take_signal();
            pthread_mutex_unlock(&all.lock);
            return bell;
        }
    }
    pthread_mutex_unlock(&all.lock);
    psn_sys_close(&bell);
    return -EAGAIN;
}

void psn_sigchld_close(int *bell)
{
    pthread_mutex_lock(&all.lock);
    for (int i = 0; i < MOST_BELLS; i++) {
        if (atomic_load(&all.bells[i]) == *bell + 1) {
            atomic_store(&all.bells[i], 0);
            all.taking_part--;
        }
    }
    if (all.taking_part == 0)
        give_signal_back();
    /* A handler that has read this bell may be about to write to its number. */
    wait_for_handlers();
    pthread_mutex_unlock(&all.lock);
    psn_sys_close(bell);
}
