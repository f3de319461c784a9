#include "psn_spawn.h"

#include "psn_clone3.h"
#include "psn_creds.h"
#include "psn_ref.h"
#include "psn_sys.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

/* glibc's own child needs up to 24 KiB with stack checking, a sanitizer's frames are
 * larger. Pages that are not touched cost nothing. */
#define STACK_BYTES (128 * 1024)
#define GUARD_BYTES (64 * 1024)

/* What the child finds on entry. */
struct start {
    const struct psn_plan *plan;
    struct psn_report *report; /* the parent's where memory is shared, else a copy */
    int report_fd;             /* where memory is copied: the way back; else -1 */
};

int psn_stack_init(struct psn_stack *stack)
{
    stack->size = GUARD_BYTES + STACK_BYTES;
    stack->base = mmap(NULL, stack->size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack->base == MAP_FAILED) {
        stack->base = NULL;
        return -ENOMEM;
    }
    mprotect(stack->base, GUARD_BYTES, PROT_NONE);
    return 0;
}

void psn_stack_free(struct psn_stack *stack)
{
    if (stack->base != NULL)
        munmap(stack->base, stack->size);
    stack->base = NULL;
}

/* The stack grows down from here. */
static void *stack_top(const struct psn_stack *stack)
{
    return (char *)stack->base + stack->size;
}

/* Every signal, with the two that pthread_sigmask leaves alone: a handler that ran in
 * the child would run on the parent's memory. */
static void block_signals(uint64_t *before)
{
    const uint64_t all = ~(uint64_t)0;

    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, before, PSN_SIGMASK_BYTES);
}

static void restore_signals(const uint64_t *before)
{
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, before, NULL, PSN_SIGMASK_BYTES);
}

static int write_flag(void *flag)
{
    *(volatile int *)flag = 1;
    return 0;
}

/* One child on the way that is tried. Returns its pid or a negative errno. */
static pid_t try_clone(struct psn_stack *stack, int flags, volatile int *flag,
                       int *pidfd)
{
    uint64_t before;

    block_signals(&before);
    pid_t pid = clone(write_flag, stack_top(stack), CLONE_VM | CLONE_VFORK | flags,
                      (void *)flag, pidfd);
    int err = -errno;
    restore_signals(&before);
    return pid < 0 ? err : pid;
}

/* Whether all works that is done with a pidfd. */
static int is_usable(int pidfd)
{
    const struct psn_ref ref = {-1, pidfd};
    siginfo_t info;

    return pidfd >= 0 && psn_ref_signal(ref, 0) == 0 &&
           psn_ref_wait(ref, __WALL, &info, NULL) == 1;
}

/* Whether clone3(2) makes a child on our memory without handlers. Returns a negative
 * errno that is about the moment. */
static int try_clone3(struct psn_stack *stack)
{
    volatile int flag = 0;
    uint64_t before;
    const struct psn_clone3 call = {
        .start = write_flag,
        .arg = (void *)&flag,
        .flags = CLONE_VM | CLONE_VFORK | PSN_CLONE_CLEAR_SIGHAND,
    };

    block_signals(&before);
    pid_t pid = psn_clone3(&call, stack);
    restore_signals(&before);
    if (pid == -EAGAIN || pid == -ENOMEM)
        return pid;
    if (pid > 0)
        while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
            ;
    return pid > 0 && flag;
}

int psn_spawn_probe(struct psn_stack *stack, struct psn_abilities *can)
{
    int pidfd = -1;
    volatile int flag = 0;

    *can = (struct psn_abilities){.road = PSN_ROAD_SHARED};
    pid_t pid = try_clone(stack, PSN_CLONE_PIDFD, &flag, &pidfd);
    if (pid > 0) {
        can->has_pidfd = is_usable(pidfd);
        psn_sys_close(&pidfd);
    } else if (pid != -EINVAL && pid != -ENOSYS && pid != -EPERM) {
        return pid;
    } else {
        pid = try_clone(stack, 0, &flag, NULL);
    }
    if (pid < 0 && pid != -EINVAL)
        return pid;
    if (pid > 0 && !can->has_pidfd)
        while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
            ;
    if (!flag) {
        can->road = PSN_ROAD_COPIED;
        return 0;
    }
    can->clears_handlers = try_clone3(stack);
    return can->clears_handlers < 0 ? can->clears_handlers : 0;
}

static int run_child(void *arg)
{
    struct start *start = arg;

    if (psn_child_prepare(start->plan, start->report) == 0)
        psn_child_exec(start->plan, start->report);
    if (start->report_fd >= 0)
        syscall(SYS_write, start->report_fd, start->report, sizeof *start->report);
    return 127;
}

/* The child leaves by exec, in the middle of its frames: the sanitizer would take what
 * it marked there for real when the next child runs on the same stack. */
static void forget_frames(struct psn_stack *stack)
{
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region((char *)stack->base + GUARD_BYTES, STACK_BYTES);
#else
    (void)stack;
#endif
}

static pid_t by_clone(const struct psn_clone3 *call, struct psn_stack *stack)
{
    pid_t pid = clone(call->start, stack_top(stack), (int)call->flags, call->arg,
                      call->parent, NULL, call->child);

    return pid < 0 ? -errno : pid;
}

static int cgroup_of(const struct psn_plan *plan)
{
    return plan->limits != NULL ? plan->limits->cgroup : -1;
}

/* What the kernel stores before the child runs: its pidfd, or its number, or both, for
 * which the child's memory has to be ours. */
static int clone_child(struct start *start, uint64_t flags, struct psn_stack *stack,
                       struct psn_born *born)
{
    _Atomic int *pidfd = start->plan->own_table ? &born->away : &born->pidfd;
    _Atomic int *stored = flags & PSN_CLONE_PIDFD ? pidfd : &born->pid;
    const struct psn_clone3 call = {.start = run_child,
                                    .arg = start,
                                    .flags = flags | SIGCHLD,
                                    .parent = (int *)stored,
                                    .child = (int *)&born->pid,
                                    .cgroup = cgroup_of(start->plan)};
    uint64_t before;

    block_signals(&before);
    pid_t pid = start->plan->handlers_are_cleared ? psn_clone3(&call, stack)
                                                  : by_clone(&call, stack);
    if (pid < 0) {
        atomic_store(pidfd, -1);
        born->report = (struct psn_report){.step = PSN_STEP_CLONE, .err = pid};
    }
    atomic_store(&born->pid, pid < 0 ? -1 : pid);
    restore_signals(&before);
    forget_frames(stack);
    return pid < 0 ? pid : 0;
}

/* Have the child born in its cgroup where clone3 is there for that. What the kernel or
 * a filter has against it is left to the child to meet again, when it enters by itself,
 * and then has a name; but for what is about the moment. */
static int clone_into_cgroup(struct start *start, struct psn_plan *plan, uint64_t flags,
                             struct psn_stack *stack, struct psn_born *born)
{
    if (plan->handlers_are_cleared && cgroup_of(plan) >= 0) {
        plan->in_cgroup = 1;
        int err = clone_child(start, flags | PSN_CLONE_INTO_CGROUP, stack, born);
        if (err == 0 || err == -EAGAIN || err == -ENOMEM)
            return err;
        plan->in_cgroup = 0;
        born->report = (struct psn_report){.step = PSN_STEP_NONE};
    }
    return clone_child(start, flags, stack, born);
}

/* CLONE_VFORK: this thread is back when the child has exec'ed or ended. */
static int spawn_shared(const struct psn_plan *wanted, uint64_t flags,
                        struct psn_stack *stack, struct psn_born *born)
{
    struct psn_plan plan = *wanted;
    int changes_ids = plan.set_groups || plan.uid >= 0 || plan.gid >= 0;
    struct start start = {&plan, &born->report, -1};

    plan.handlers_are_cleared = (flags & PSN_CLONE_CLEAR_SIGHAND) != 0;
    flags |= CLONE_VM | CLONE_VFORK;
    if (plan.own_table)
        flags |= CLONE_CHILD_SETTID;
    if (changes_ids)
        psn_creds_enter();
    int err = clone_into_cgroup(&start, &plan, flags, stack, born);
    if (plan.handlers_are_cleared && (err == -ENOSYS || err == -EPERM)) {
        /* A filter has come since clone3 was tried out. */
        plan.handlers_are_cleared = 0;
        born->report = (struct psn_report){.step = PSN_STEP_NONE};
        err = clone_child(&start, flags & ~PSN_CLONE_CLEAR_SIGHAND, stack, born);
    }
    if (changes_ids)
        psn_creds_leave();
    return err;
}

/* The report comes through a pipe, which exec closes. */
static int spawn_copied(const struct psn_plan *plan, uint64_t flags,
                        struct psn_stack *stack, struct psn_born *born)
{
    int ends[2];
    struct psn_report report = {.step = PSN_STEP_NONE};

    if (pipe2(ends, O_CLOEXEC) < 0) {
        born->report = (struct psn_report){.step = PSN_STEP_PIPE, .err = -errno};
        return -errno;
    }
    /* The child puts its stdio on 0-2; the report's end must not be there. */
    int report_fd = psn_sys_dup(ends[1]);
    int err = report_fd < 0 ? report_fd : 0;
    psn_sys_close(&ends[1]);
    if (err < 0) {
        born->report = (struct psn_report){.step = PSN_STEP_PIPE, .err = err};
    } else {
        struct start start = {plan, &report, report_fd};
        err = clone_child(&start, flags, stack, born);
        psn_sys_close(&report_fd);
    }
    /* Nothing is shared, so the child cannot see the flag: the look comes after it. */
    if (err == 0 && atomic_load(plan->abandoned))
        kill(atomic_load(&born->pid), SIGKILL);
    if (err == 0 && psn_sys_read(ends[0], &report, sizeof report) == sizeof report)
        born->report = report;
    psn_sys_close(&ends[0]);
    return err;
}

/* A number that is closed now could be taken by a descriptor that the spawn itself
 * opens, and would then pass for the caller's. */
static int check_open(const struct psn_stdio *stdio)
{
    for (size_t i = 0; i < stdio->count; i++) {
        const struct psn_fdop *op = &stdio->ops[i];
        if (op->kind != PSN_FDOP_CLOSE && fcntl(op->from, F_GETFD) < 0)
            return -errno;
    }
    return 0;
}

int psn_spawn(const struct psn_plan *plan, const struct psn_abilities *can,
              struct psn_stack *stack, struct psn_born *born)
{
    uint64_t flags = can->has_pidfd ? PSN_CLONE_PIDFD : CLONE_PARENT_SETTID;
    uint64_t cleared = can->clears_handlers ? PSN_CLONE_CLEAR_SIGHAND : 0;

    atomic_store(&born->pid, -1);
    atomic_store(&born->pidfd, -1);
    atomic_store(&born->away, -1);
    born->report = (struct psn_report){.step = PSN_STEP_NONE};

    int err = check_open(&plan->stdio);
    if (err < 0) {
        born->report = (struct psn_report){.step = PSN_STEP_STDIO, .err = err};
        return err;
    }
    err = can->road == PSN_ROAD_SHARED
              ? spawn_shared(plan, flags | cleared, stack, born)
              : spawn_copied(plan, flags, stack, born);
    if (err < 0)
        return err;
    return born->report.step == PSN_STEP_NONE ? 0 : born->report.err;
}
