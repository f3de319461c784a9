#include "psn_table.h"

#include "psn_sys.h"

/* A pidfd of this process, from which the thread fetches. 1 and 2 are copies of it, so
 * that nothing else comes to lie there; all are gone after exec. */
#define SELF 0

/* The first number that changes hands. */
#define FIRST 5

/* A list as long as this says that much is to be inherited. */
#define MOST_OPS 32

static int pidfd_open(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);

    return fd < 0 ? -errno : fd;
}

/* A descriptor of a process, copied to the lowest free number of the thread's table. No
 * right is needed to do that within a process. */
static int fetch(int pidfd, int from)
{
    int fd = (int)syscall(SYS_pidfd_getfd, pidfd, from, 0);

    return fd < 0 ? -errno : fd;
}

int psn_table_check(const struct psn_courier *courier)
{
    /* An empty range, of which the kernel says so before it does anything. */
    if (syscall(SYS_close_range, 1, 0, PSN_CLOSE_RANGE_UNSHARE) == 0)
        return -ENOTSUP;
    if (errno != EINVAL)
        return -errno;
    int self = pidfd_open(getpid());
    if (self < 0)
        return self;
    int copy = fetch(self, courier->out);
    int err = copy < 0 ? copy : 0;
    if (err == 0 && !psn_courier_is_out(courier, copy))
        err = -ENOTSUP;
    psn_sys_close(&copy);
    psn_sys_close(&self);
    return err;
}

int psn_table_suits(const struct psn_plan *plan)
{
    if (plan->stdio.count > MOST_OPS)
        return 0;
    if (plan->limits != NULL && plan->limits->cgroup >= 0)
        return 0;
    for (size_t i = 0; i < plan->stdio.count; i++)
        if (plan->stdio.ops[i].kind == PSN_FDOP_CLOSE)
            return 1;
    return 0;
}

void psn_table_note_caller(struct psn_job *job)
{
    for (int fd = 0; fd < 3; fd++)
        job->inherits[fd] = fcntl(fd, F_GETFD) == 0;
}

int psn_table_open(void)
{
    /* What the range covers is not copied, or closed at once where it shares a word of
     * the kernel's bitmap. The record locks of the process are those of its own table,
     * and stay. */
    if (syscall(SYS_close_range, 0, ~0u, PSN_CLOSE_RANGE_UNSHARE) < 0)
        return -errno;
    int fd = pidfd_open(getpid());
    if (fd < 0)
        return fd;
    for (int copy = 1; copy < 3; copy++)
        if (fcntl(SELF, F_DUPFD_CLOEXEC, copy) < 0)
            return -errno;
    return 0;
}

int psn_table_connect(const struct psn_courier *courier, int event_fd)
{
    int fd = fetch(SELF, courier->out);

    if (fd < 0)
        return fd;
    if (fd != PSN_TABLE_COURIER || !psn_courier_is_out(courier, fd))
        return -ENOTSUP;
    fd = fetch(SELF, event_fd);
    return fd < 0 ? fd : 0;
}

static void add(struct psn_stdio *stdio, int from, int to)
{
    stdio->ops[stdio->count++] = (struct psn_fdop){PSN_FDOP_MOVE, from, to};
}

/* What of the process's descriptors the child is to have, and where. In a table without
 * any, none is in the way of another, and there is nothing to be closed. */
static void list_moves(const struct psn_job *job, struct psn_stdio *moves)
{
    int has[3] = {0, 0, 0};

    for (size_t i = 0; i < job->plan.stdio.count; i++) {
        const struct psn_fdop *op = &job->plan.stdio.ops[i];
        if (op->kind == PSN_FDOP_LIFT || op->kind == PSN_FDOP_CLOSE)
            continue;
        if (op->to < 3 && has[op->to])
            continue;
        add(moves, op->from, op->to);
        if (op->to < 3)
            has[op->to] = 1;
    }
    for (int fd = 0; fd < 3; fd++)
        if (job->inherits[fd] && !has[fd])
            add(moves, fd, fd);
}

/* Whether `to` could be given to what is fetched, and be overwritten in the child
 * before it is moved on: as many numbers as are fetched or occupied may be in use. */
static int is_in_the_way(const struct psn_stdio *moves, int to)
{
    return to >= FIRST && (size_t)to < FIRST + 2 * moves->count;
}

/* Fetch all sources, and write into the list where they have come to lie. Returns how
 * many were fetched; fewer than there are after an error, which is left in *err. */
static size_t fetch_all(struct psn_stdio *moves, int *err)
{
    size_t n;

    *err = 0;
    for (size_t i = 0; i < moves->count && *err == 0; i++)
        if (is_in_the_way(moves, moves->ops[i].to) &&
            dup3(SELF, moves->ops[i].to, O_CLOEXEC) < 0)
            *err = -errno;
    for (n = 0; n < moves->count && *err == 0; n++) {
        int fd = fetch(SELF, moves->ops[n].from);
        if (fd < 0) {
            *err = fd;
            break;
        }
        moves->ops[n].from = fd;
    }
    return n;
}

static void drop_all(struct psn_stdio *moves, size_t fetched)
{
    for (size_t i = 0; i < fetched; i++)
        close(moves->ops[i].from);
    for (size_t i = 0; i < moves->count; i++)
        if (is_in_the_way(moves, moves->ops[i].to))
            close(moves->ops[i].to);
}

int psn_table_spawn(struct psn_job *job, const struct psn_abilities *can,
                    struct psn_stack *stack)
{
    struct psn_fdop ops[MOST_OPS + 3];
    struct psn_plan plan = job->plan;
    int err;

    plan.own_table = 1;
    plan.stdio = (struct psn_stdio){ops, 0};
    list_moves(job, &plan.stdio);
    size_t fetched = fetch_all(&plan.stdio, &err);
    if (err < 0)
        job->born.report = (struct psn_report){.step = PSN_STEP_STDIO, .err = err};
    else
        err = psn_spawn(&plan, can, stack, &job->born);
    drop_all(&plan.stdio, fetched);
    return err;
}
