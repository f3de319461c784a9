#include "command.h"

#include "psn_clone3.h"
#include "psn_sys.h"

#include <sched.h>

/* What the child saw, in memory that it shares. */
static struct {
    char *frame;
    int has_handler;
    int is_ignored;
} seen;

static struct psn_stack stack;

static int look(void *arg)
{
    struct sigaction action;

    seen.frame = __builtin_frame_address(0);
    sigaction(SIGUSR1, NULL, &action);
    seen.has_handler = action.sa_handler != SIG_DFL;
    sigaction(SIGUSR2, NULL, &action);
    seen.is_ignored = action.sa_handler == SIG_IGN;
    return *(const int *)arg;
}

/* Returns what psn_clone3() does for a child that looks around and exits with 7. */
static pid_t clone_looker(uint64_t flags, int *parent, int *child)
{
    int status = 7;
    const struct psn_clone3 call = {look, &status, flags, parent, child, -1};

    return psn_clone3(&call, &stack);
}

static int is_missing(void)
{
    int missing = clone_looker(~0ull & ~0xffull, NULL, NULL) == -ENOSYS;

    if (missing)
        puts("no clone3() here");
    return missing;
}

static void a_child_runs_on_its_stack_and_exits_with_what_it_returns(void)
{
    int status;
    pid_t pid = clone_looker(CLONE_VM | CLONE_VFORK | SIGCHLD, NULL, NULL);

    assert(waitpid(pid, &status, 0) == pid);
    assert(status == 7 << 8);
    assert(seen.frame > (char *)stack.base);
    assert(seen.frame < (char *)stack.base + stack.size);
}

static void numbers_are_stored_where_they_are_wanted(void)
{
    int pidfd = -1, parent = -1, child = -1;
    const int both = CLONE_VM | CLONE_VFORK | SIGCHLD;

    pid_t pid = clone_looker(both | PSN_CLONE_PIDFD, &pidfd, NULL);
    assert(pidfd >= 0 && waitpid(pid, NULL, 0) == pid);
    psn_sys_close(&pidfd);
    pid =
        clone_looker(both | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, &parent, &child);

    assert(pid > 0 && parent == pid && child == pid);
    assert(waitpid(pid, NULL, 0) == pid);
}

static void a_child_can_be_without_handlers(void)
{
    signal(SIGUSR1, do_nothing);
    signal(SIGUSR2, SIG_IGN);
    for (int clears = 0; clears <= 1; clears++) {
        uint64_t flag = clears ? PSN_CLONE_CLEAR_SIGHAND : 0;
        pid_t pid = clone_looker(CLONE_VM | CLONE_VFORK | SIGCHLD | flag, NULL, NULL);
        assert(waitpid(pid, NULL, 0) == pid);
        assert(seen.has_handler == !clears && seen.is_ignored);
    }
    signal(SIGUSR1, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

static void a_flag_that_there_is_not_is_an_error(void)
{
    assert(clone_looker(1ull << 63 | SIGCHLD, NULL, NULL) == -EINVAL);
    assert(!has_children());
}

int main(void)
{
    if (is_missing())
        return 0;
    assert(psn_stack_init(&stack) == 0);
    CHECK(a_child_runs_on_its_stack_and_exits_with_what_it_returns);
    CHECK(numbers_are_stored_where_they_are_wanted);
    CHECK(a_child_can_be_without_handlers);
    CHECK(a_flag_that_there_is_not_is_an_error);
    psn_stack_free(&stack);
    return 0;
}
