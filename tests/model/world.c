#include "world.h"

#include "psn_sys.h"
#include "psn_table.h"
#include "scheduler.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define MOST_CHILDREN 16
#define MOST_DESCRIPTORS 64
#define MOST_ON_THE_WAY 1

/* The numbers of descriptors, so that none is one of the real process. */
#define PROCESS_TABLE 1000
#define THREAD_TABLE 2000

#define FIRST_PID 100

struct child {
    int job;
    int pid;
    int is_dead;
    int is_signalled;
    int is_reaped;
};

struct descriptor {
    enum { FREE, PLAIN, EVENT, PIDFD } kind;
    struct child *child;
};

static struct world world;
static struct child children[MOST_CHILDREN];
static int n_children;
static struct descriptor descriptors[2][MOST_DESCRIPTORS];
static uint64_t event_count;
static struct {
    uint64_t owner;
    struct child *child;
} on_the_way[MOST_ON_THE_WAY];
static int n_on_the_way, courier_is_open;
static int refusals_left;
static long allocations;
static int burials[MOST_JOBS + 1];
static int forbidden_fiber;
static int forced_execs;
static unsigned own_tables; /* a bit for each fiber that has one */

void world_begin(const struct world *beginning)
{
    world = *beginning;
    n_children = n_on_the_way = courier_is_open = 0;
    memset(descriptors, 0, sizeof descriptors);
    memset(burials, 0, sizeof burials);
    event_count = 0;
    refusals_left = world.refusals;
    allocations = 0;
    forbidden_fiber = -1;
    forced_execs = 0;
    own_tables = 0;
}

void world_end(void)
{
    for (int i = 0; i < MOST_DESCRIPTORS; i++)
        if (descriptors[0][i].kind != FREE)
            scheduler_fail("a descriptor is left");
    for (int i = 0; i < n_children; i++)
        if (!children[i].is_reaped)
            scheduler_fail("a child is left");
    if (allocations != 0)
        scheduler_fail("memory is left");
}

/* Descriptors: the lowest number is the next, so what is closed too early is soon
 * somebody else's. */

static int open_in(int table, int kind, struct child *child)
{
    for (int i = 0; i < MOST_DESCRIPTORS; i++)
        if (descriptors[table][i].kind == FREE) {
            descriptors[table][i] = (struct descriptor){kind, child};
            return (table ? THREAD_TABLE : PROCESS_TABLE) + i;
        }
    scheduler_fail("too many descriptors");
}

static int has_own_table(void)
{
    return own_tables >> scheduler_self() & 1;
}

static struct descriptor *look_up_in(int table, int fd)
{
    int i = fd - (table ? THREAD_TABLE : PROCESS_TABLE);

    if (i < 0 || i >= MOST_DESCRIPTORS || descriptors[table][i].kind == FREE)
        scheduler_fail("a descriptor is used that is not open");
    return &descriptors[table][i];
}

static struct descriptor *look_up(int fd)
{
    return look_up_in(has_own_table(), fd);
}

int world_open(void)
{
    return open_in(0, PLAIN, NULL);
}

int __wrap_close(int fd)
{
    look_up(fd)->kind = FREE;
    return 0;
}

int __wrap_eventfd(unsigned count, int flags)
{
    (void)flags;
    event_count = count;
    return open_in(0, EVENT, NULL);
}

int world_is_readable(int fd)
{
    return look_up_in(0, fd)->kind == EVENT && event_count > 0;
}

ssize_t __wrap_read(int fd, void *to, size_t n)
{
    (void)n;
    scheduler_point();
    if (look_up(fd)->kind != EVENT)
        scheduler_fail("what is read is no eventfd");
    if (event_count == 0) {
        errno = EAGAIN;
        return -1;
    }
    *(uint64_t *)to = event_count;
    event_count = 0;
    return sizeof event_count;
}

/* A thread with a table of its own keeps the eventfd when it is closed elsewhere. */
ssize_t __wrap_write(int fd, const void *from, size_t n)
{
    if (fd != PSN_TABLE_EVENT && look_up(fd)->kind != EVENT)
        scheduler_fail("what is written to is no eventfd");
    event_count += *(const uint64_t *)from;
    scheduler_note("rings", fd);
    return (ssize_t)n;
}

int __wrap_fcntl(int fd, int command, int least)
{
    (void)least;
    if (command != F_DUPFD_CLOEXEC)
        scheduler_fail("an unknown fcntl");
    return open_in(0, look_up(fd)->kind, NULL);
}

/* Children. */

static int is_dead(void *child)
{
    return ((struct child *)child)->is_dead;
}

static struct child *child_by_pid(int pid)
{
    for (int i = 0; i < n_children; i++)
        if (children[i].pid == pid && !children[i].is_reaped)
            return &children[i];
    return NULL;
}

/* The lowest number, too: what is signalled too late would be somebody else. */
static struct child *bear(int job)
{
    if (n_children == MOST_CHILDREN)
        scheduler_fail("too many children");
    int pid = FIRST_PID;
    while (child_by_pid(pid) != NULL)
        pid++;
    children[n_children] = (struct child){.job = job, .pid = pid};
    scheduler_note("clones for job", job);
    return &children[n_children++];
}

int world_is_alive(int pid)
{
    struct child *child = child_by_pid(pid);

    return child != NULL && !child->is_dead && !child->is_signalled;
}

int world_births(int number)
{
    int count = 0;

    for (int i = 0; i < n_children; i++)
        count += children[i].job == number;
    return count;
}

void world_forbid_waiting(int is_forbidden)
{
    forbidden_fiber = is_forbidden ? scheduler_self() : -1;
}

static long kill_child(struct child *child)
{
    if (child == NULL || child->is_reaped) {
        errno = ESRCH;
        return -1;
    }
    scheduler_note("kills that of job", child->job);
    child->is_signalled = child->is_dead = 1;
    return 0;
}

int __wrap_kill(pid_t pid, int sig)
{
    (void)sig;
    scheduler_point();
    struct child *child = child_by_pid(pid);
    if (child == NULL)
        scheduler_fail("a signal to the number of nobody");
    return (int)kill_child(child);
}

static struct child *child_of(int pidfd)
{
    struct descriptor *descriptor = look_up(pidfd);

    if (descriptor->kind != PIDFD)
        scheduler_fail("what is taken for a pidfd is none");
    return descriptor->child;
}

static long wait_for_end(struct child *child, siginfo_t *info, int options)
{
    if (child != NULL && !child->is_reaped && !child->is_dead && !(options & WNOHANG)) {
        if (scheduler_self() == forbidden_fiber)
            scheduler_fail("the owner waits for a child");
        scheduler_wait(is_dead, child, FOREVER);
    }
    if (child == NULL || child->is_reaped) {
        errno = ECHILD;
        return -1;
    }
    if (!child->is_dead)
        return 0;
    info->si_pid = child->pid;
    if (!(options & WNOWAIT)) {
        scheduler_note("reaps that of job", child->job);
        child->is_reaped = 1;
    }
    return 0;
}

long __wrap_syscall(long number, ...)
{
    long args[4];
    va_list list;

    va_start(list, number);
    for (int i = 0; i < 4; i++)
        args[i] = va_arg(list, long);
    va_end(list);
    int first = (int)args[0], second = (int)args[1];
    switch (number) {
    case SYS_sched_getaffinity:
        return 0;
    case SYS_waitid:
        scheduler_point();
        return wait_for_end(first == PSN_P_PIDFD ? child_of(second)
                                                 : child_by_pid(second),
                            (siginfo_t *)args[2], (int)args[3]);
    case SYS_pidfd_send_signal:
        scheduler_point();
        return kill_child(child_of(first));
    case SYS_pidfd_open:
        scheduler_point();
        if (child_by_pid(first) == NULL) {
            errno = ESRCH;
            return -1;
        }
        return open_in(0, PIDFD, child_by_pid(first));
    default:
        scheduler_fail("an unknown system call");
    }
}

/* Whoever abandons a child that hangs kills it. */
static void hang(const struct psn_plan *plan, struct child *child)
{
    int is_forced;
    int rc = scheduler_wait_for_the_late(is_dead, child, &is_forced);

    if (rc < 0 && atomic_load(plan->abandoned))
        scheduler_wait(is_dead, child, FOREVER);
    forced_execs += is_forced;
    scheduler_note("is back from exec with job", child->job);
}

/* The child from its birth to its exec, on the thread that has made it. */
static void live(const struct psn_plan *plan, struct child *child,
                 struct psn_report *report)
{
    scheduler_point();
    if (!child->is_dead && atomic_load(plan->abandoned)) {
        *report = (struct psn_report){.step = PSN_STEP_ABANDONED, .err = -ECANCELED};
        child->is_dead = 1;
    }
    scheduler_point();
    if (child->is_dead)
        return;
    switch (world.fates[child->job - 1]) {
    case FAILS:
        *report = (struct psn_report){.step = PSN_STEP_EXEC, .err = -ENOENT};
        child->is_dead = 1;
        break;
    case HANGS:
        hang(plan, child);
        break;
    default:
        break;
    }
    scheduler_point();
}

static int number_of(const struct psn_job *job)
{
    return (int)(intptr_t)job->owner;
}

int psn_spawn(const struct psn_plan *plan, const struct psn_abilities *can,
              struct psn_stack *stack, struct psn_born *born)
{
    const struct psn_job *job =
        (const struct psn_job *)((char *)born - offsetof(struct psn_job, born));
    int number = number_of(job);

    (void)stack;
    atomic_store(&born->pid, -1);
    atomic_store(&born->pidfd, -1);
    atomic_store(&born->away, -1);
    born->report = (struct psn_report){.step = PSN_STEP_NONE};
    for (int i = 0; i < 3 && !plan->own_table; i++)
        if (job->ends[i] >= 0)
            look_up(job->ends[i]);
    scheduler_point();
    if (world.fates[number - 1] == NOT_BORN) {
        born->report = (struct psn_report){.step = PSN_STEP_CLONE, .err = -EAGAIN};
        return -EAGAIN;
    }
    struct child *child = bear(number);
    if (plan->own_table) {
        atomic_store(&born->away, open_in(1, PIDFD, child));
        atomic_store(&born->pid, child->pid);
    } else if (can->has_pidfd) {
        atomic_store(&born->pidfd, open_in(0, PIDFD, child));
    } else {
        atomic_store(&born->pid, child->pid);
    }
    live(plan, child, &born->report);
    atomic_store(&born->pid, child->pid);
    return born->report.step == PSN_STEP_NONE ? 0 : born->report.err;
}

int psn_stack_init(struct psn_stack *stack)
{
    (void)stack;
    return 0;
}

void psn_stack_free(struct psn_stack *stack)
{
    (void)stack;
}

/* Threads with a table of their own. */

int psn_table_check(const struct psn_courier *courier)
{
    (void)courier;
    return 0;
}

int psn_table_suits(const struct psn_plan *plan)
{
    (void)plan;
    return 1;
}

void psn_table_note_caller(struct psn_job *job)
{
    (void)job;
}

int psn_table_open(void)
{
    own_tables |= 1u << scheduler_self();
    scheduler_point();
    return 0;
}

int psn_table_connect(const struct psn_courier *courier, int event_fd)
{
    look_up_in(0, courier->out);
    look_up_in(0, event_fd);
    return 0;
}

int psn_table_spawn(struct psn_job *job, const struct psn_abilities *can,
                    struct psn_stack *stack)
{
    struct psn_plan plan = job->plan;

    scheduler_point();
    /* An abandoned job's ends are closed, and their numbers may be others' by now. */
    for (int i = 0; i < 3; i++)
        if (job->ends[i] < 0 && atomic_load(&job->abandoned)) {
            job->born.report =
                (struct psn_report){.step = PSN_STEP_STDIO, .err = -EBADF};
            return -EBADF;
        }
    plan.own_table = 1;
    return psn_spawn(&plan, can, stack, &job->born);
}

void psn_courier_init(struct psn_courier *courier)
{
    *courier = (struct psn_courier){-1, -1, 0};
}

int psn_courier_open(struct psn_courier *courier)
{
    courier->in = world_open();
    courier->out = world_open();
    courier_is_open = 1;
    return 0;
}

void psn_courier_close(struct psn_courier *courier)
{
    psn_sys_close(&courier->in);
    psn_sys_close(&courier->out);
    courier_is_open = n_on_the_way = 0;
}

int psn_courier_send(int out, uint64_t owner, int fd)
{
    (void)out;
    if (!courier_is_open)
        return -EPIPE;
    if (n_on_the_way == MOST_ON_THE_WAY)
        return -EAGAIN;
    on_the_way[n_on_the_way].owner = owner;
    on_the_way[n_on_the_way++].child = child_of(fd);
    return 0;
}

int psn_courier_receive(const struct psn_courier *courier, uint64_t *owner, int *fd)
{
    look_up(courier->in);
    if (n_on_the_way == 0)
        return 0;
    *owner = on_the_way[0].owner;
    *fd = open_in(0, PIDFD, on_the_way[0].child);
    memmove(on_the_way, on_the_way + 1, --n_on_the_way * sizeof on_the_way[0]);
    return 1;
}

/* Locks and threads. */

struct lock {
    int holder; /* -1: nobody */
};

struct condition {
    int waiting; /* a bit for each fiber */
};

_Static_assert(sizeof(struct lock) <= sizeof(pthread_mutex_t), "fits");
_Static_assert(sizeof(struct condition) <= sizeof(pthread_cond_t), "fits");

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
    (void)attr;
    ((struct lock *)mutex)->holder = -1;
    return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    if (((struct lock *)mutex)->holder != -1)
        scheduler_fail("a lock is destroyed that is held");
    return 0;
}

static int is_free(void *lock)
{
    return ((struct lock *)lock)->holder == -1;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    struct lock *lock = (struct lock *)mutex;

    if (lock->holder == scheduler_self())
        scheduler_fail("a lock is taken twice");
    scheduler_wait(is_free, lock, FOREVER);
    lock->holder = scheduler_self();
    return 0;
}

static void give_back(pthread_mutex_t *mutex)
{
    struct lock *lock = (struct lock *)mutex;

    if (lock->holder != scheduler_self())
        scheduler_fail("a lock is given back by somebody else");
    lock->holder = -1;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    give_back(mutex);
    scheduler_point();
    return 0;
}

int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    (void)attr;
    ((struct condition *)cond)->waiting = 0;
    return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *cond)
{
    if (((struct condition *)cond)->waiting != 0)
        scheduler_fail("a condition is destroyed that somebody waits for");
    return 0;
}

struct waiting {
    struct condition *condition;
    int bit;
};

static int is_told(void *arg)
{
    struct waiting *waiting = arg;

    return !(waiting->condition->waiting & waiting->bit);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    struct waiting waiting = {(struct condition *)cond, 1 << scheduler_self()};
    int64_t deadline_ns = (int64_t)until->tv_sec * 1000000000 + until->tv_nsec;

    waiting.condition->waiting |= waiting.bit;
    give_back(mutex);
    int rc = scheduler_wait(is_told, &waiting, deadline_ns);
    waiting.condition->waiting &= ~waiting.bit;
    __wrap_pthread_mutex_lock(mutex);
    return rc < 0 ? ETIMEDOUT : 0;
}

/* Which of those that wait is woken is not ours to say. */
int __wrap_pthread_cond_signal(pthread_cond_t *cond)
{
    struct condition *condition = (struct condition *)cond;
    int n = __builtin_popcount((unsigned)condition->waiting);

    if (n == 0)
        return 0;
    int rest = condition->waiting;
    for (int skip = scheduler_choose(n); skip > 0; skip--)
        rest &= rest - 1;
    condition->waiting &= ~(rest & -rest);
    return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
    ((struct condition *)cond)->waiting = 0;
    return 0;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*body)(void *), void *arg)
{
    (void)thread;
    (void)attr;
    if (refusals_left > 0 && scheduler_choose(2) == 1) {
        refusals_left--;
        scheduler_note("cannot have a thread", 0);
        return EAGAIN;
    }
    scheduler_start(body, arg);
    return 0;
}

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    (void)how;
    (void)set;
    if (before != NULL)
        memset(before, 0, sizeof *before);
    return 0;
}

int __wrap_prctl(int option, ...)
{
    (void)option;
    return 0;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *to)
{
    int64_t now_ns = scheduler_now_ns();

    (void)id;
    *to = (struct timespec){now_ns / 1000000000, now_ns % 1000000000};
    return 0;
}

/* Memory is counted, and what becomes of jobs. */

void *__real_calloc(size_t n, size_t size);
void __real_free(void *block);
void __real_psn_job_free(struct psn_job *job);

void *__wrap_calloc(size_t n, size_t size)
{
    allocations++;
    return __real_calloc(n, size);
}

void __wrap_free(void *block)
{
    allocations -= block != NULL;
    __real_free(block);
}

void __wrap_psn_job_free(struct psn_job *job)
{
    if (job != NULL)
        burials[number_of(job)]++;
    __real_psn_job_free(job);
}

int world_forced_execs(void)
{
    return forced_execs;
}

int world_burials(int number)
{
    return burials[number];
}
