#include "command.h"

#include "psn_tree.h"

/* Another run may have left somebody behind. */
static uint64_t mark;

/* Where children announce themselves: a byte each. */
static int announced[2];

static void await_announcements(int n)
{
    char byte;

    for (; n > 0; n--) {
        wait_readable(announced[0]);
        assert(read(announced[0], &byte, 1) == 1);
    }
}

static _Noreturn void announce_and_wait(void)
{
    assert(write(announced[1], "", 1) == 1);
    for (;;)
        pause();
}

static void set_mark(uint64_t value)
{
    struct rlimit64 limit = {.rlim_cur = value, .rlim_max = RLIM64_INFINITY};

    assert(setrlimit64(RLIMIT_LOCKS, &limit) == 0);
}

/* Start a child that runs body() and then waits. */
static pid_t start(void (*body)(void))
{
    pid_t pid = fork();

    assert(pid >= 0);
    if (pid == 0) {
        if (body != NULL)
            body();
        announce_and_wait();
    }
    return pid;
}

static struct psn_tree tree_of(pid_t root)
{
    struct psn_tree tree;

    psn_tree_init(&tree, (struct psn_ref){root, -1}, mark);
    return tree;
}

static pid_t start_tree(void (*body)(void), int size)
{
    assert(pipe2(announced, O_CLOEXEC) == 0);
    pid_t root = start(body);
    await_announcements(size);
    return root;
}

static void await_end(const struct psn_tree *tree)
{
    struct psn_proc proc;

    for (size_t i = 0; i < tree->count; i++)
        for (pid_t pid = tree->members[i].proc.pid;
             psn_proc_read(pid, &proc) == 0 && proc.lives &&
             proc.started == tree->members[i].proc.started;)
            pause_briefly();
}

/* Whoever is still there is in the way of the next test. */
static void end_tree(struct psn_tree *tree)
{
    pid_t root = tree->root.pid;
    struct psn_tree all = tree_of(root);

    assert(psn_tree_signal(&all, SIGKILL) == 0);
    if (root > 0)
        assert(waitpid(root, NULL, 0) == root);
    await_end(&all);
    psn_tree_free(&all);
    psn_tree_free(tree);
    close(announced[0]);
    close(announced[1]);
}

static void change_session(void)
{
    assert(setsid() > 0);
}

/* The process in between has ended when the daemon announces itself. */
static void be_daemon(void)
{
    assert(setsid() > 0);
    pid_t between = getpid();
    if (fork() > 0)
        _exit(0);
    while (getppid() == between)
        pause_briefly();
}

/* Three besides the child: one that stays, one in a session of its own, and a daemon.
 * Behind the last one is a zombie, which the child does not reap. */
static void be_tree(void)
{
    set_mark(mark);
    start(NULL);
    start(change_session);
    start(be_daemon);
}

static void all_are_found_whatever_their_session_and_parent(void)
{
    pid_t root = start_tree(be_tree, 4);
    struct psn_tree tree = tree_of(root);

    assert(psn_tree_walk(&tree, 0) == 3);
    assert(psn_tree_walk(&tree, 0) == 0);

    for (size_t i = 0; i < tree.count; i++)
        assert(tree.members[i].proc.pid != root &&
               strcmp(tree.members[i].proc.name, "test_tree") == 0);
    end_tree(&tree);
}

static void all_are_ended(void)
{
    pid_t root = start_tree(be_tree, 4);
    struct psn_tree tree = tree_of(root), after = tree_of(root);

    assert(psn_tree_signal(&tree, SIGKILL) == 0);

    assert(tree.count == 3);
    for (size_t i = 0; i < tree.count; i++)
        assert(!tree.members[i].refused);
    await_end(&tree);
    assert(psn_tree_walk(&after, 0) == 0);
    psn_tree_free(&tree);
    end_tree(&after);
}

static void what_is_left_of_a_child_is_found_by_the_mark(void)
{
    pid_t root = start_tree(be_tree, 4);
    struct psn_tree tree = tree_of(-1);
    assert(kill(root, SIGKILL) == 0 && waitpid(root, NULL, 0) == root);

    assert(psn_tree_walk(&tree, SIGKILL) == 3);

    await_end(&tree);
    end_tree(&tree);
}

static void change_mark(void)
{
    set_mark(mark + 1);
    start(change_session);
}

static void be_tree_of_marks(void)
{
    set_mark(mark);
    start(change_mark);
}

static void who_has_another_mark_is_found_by_its_parents(void)
{
    for (int lists_children = 0; lists_children < 2; lists_children++) {
        pid_t root = start_tree(be_tree_of_marks, 3);
        struct psn_tree tree = tree_of(root), after = tree_of(root);
        assert(tree.lists_children);
        tree.lists_children = after.lists_children = lists_children;

        assert(psn_tree_signal(&tree, SIGKILL) == 0);

        assert(tree.count == 2);
        await_end(&tree);
        assert(psn_tree_walk(&after, 0) == 0);
        psn_tree_free(&tree);
        end_tree(&after);
    }
}

static void a_tree_without_a_mark_is_found_by_its_parents(void)
{
    pid_t root = start_tree(be_tree_of_marks, 3);
    struct psn_tree tree = tree_of(root);
    tree.mark = 0;

    assert(psn_tree_walk(&tree, 0) == 2);

    end_tree(&tree);
}

static void others_are_left_alone(void)
{
    pid_t root = start_tree(be_tree, 4), stranger = start(NULL);
    await_announcements(1);
    struct psn_tree tree = tree_of(root);
    struct psn_proc proc;

    assert(psn_tree_signal(&tree, SIGKILL) == 0);

    assert(psn_proc_read(stranger, &proc) == 0 && proc.lives);
    assert(kill(stranger, SIGKILL) == 0 && waitpid(stranger, NULL, 0) == stranger);
    end_tree(&tree);
}

/* The number of a member that has ended is another's. */
static void a_link_to_a_number_that_is_anothers_by_now_leads_to_nobody(void)
{
    assert(pipe2(announced, O_CLOEXEC) == 0);
    pid_t stranger = start(NULL);
    await_announcements(1);
    struct psn_tree tree = tree_of(-1);
    struct psn_proc proc;
    assert(psn_proc_read(stranger, &proc) == 0);
    tree.links = calloc(2, sizeof *tree.links);
    tree.links[0] = (struct psn_link){stranger, proc.started - 1};
    tree.links[1] = (struct psn_link){stranger, 0};
    tree.n_links = tree.links_cap = 2;

    assert(psn_tree_walk(&tree, SIGKILL) == 0);

    assert(psn_proc_read(stranger, &proc) == 0 && proc.lives);
    assert(kill(stranger, SIGKILL) == 0 && waitpid(stranger, NULL, 0) == stranger);
    end_tree(&tree);
}

static int next_number_is(pid_t pid)
{
    char text[16];
    int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);

    snprintf(text, sizeof text, "%d", (int)pid - 1);
    int done = fd >= 0 && write(fd, text, strlen(text)) > 0;
    close(fd);
    return done;
}

/* Another process may be faster with that number. */
static pid_t start_as(pid_t number)
{
    for (int i = 0; i < 100 && next_number_is(number); i++) {
        pid_t pid = start(NULL);
        await_announcements(1);
        if (pid == number)
            return pid;
        assert(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
    }
    return -1;
}

static void a_stranger_with_the_number_of_a_member_is_no_member(void)
{
    pid_t root = start_tree(be_tree, 4);
    struct psn_tree tree = tree_of(root);
    struct psn_proc proc;
    assert(psn_tree_signal(&tree, SIGKILL) == 0);
    assert(waitpid(root, NULL, 0) == root);
    tree.root.pid = -1;
    await_end(&tree);

    pid_t stranger = start_as(root);
    assert(psn_tree_walk(&tree, SIGKILL) == 0);

    if (stranger > 0) {
        assert(psn_proc_read(stranger, &proc) == 0 && proc.lives);
        assert(kill(stranger, SIGKILL) == 0 && waitpid(stranger, NULL, 0) == stranger);
    } else {
        printf("skipped: numbers cannot be chosen here\n");
    }
    end_tree(&tree);
}

static void fork_for_ever(void)
{
    set_mark(mark);
    if (fork() == 0)
        announce_and_wait();
    /* Each of these has the next one and ends. */
    for (;;) {
        pid_t pid = fork();
        if (pid > 0)
            pause();
        assert(pid >= 0);
        if (getppid() == 1)
            setsid();
    }
}

static void a_tree_that_grows_is_ended(void)
{
    pid_t root = start_tree(fork_for_ever, 1);
    struct psn_tree tree = tree_of(root), after = tree_of(root);

    assert(psn_tree_signal(&tree, SIGKILL) == 0);

    await_end(&tree);
    assert(psn_tree_walk(&after, 0) == 0);
    psn_tree_free(&tree);
    end_tree(&after);
}

static void note_term(int sig)
{
    (void)sig;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGTERM, SIG_DFL);
        announce_and_wait();
    }
}

static void clean_up_on_term(void)
{
    set_mark(mark);
    signal(SIGTERM, note_term);
}

static void what_is_started_to_clean_up_is_not_told_to_end(void)
{
    pid_t root = start_tree(clean_up_on_term, 1);
    struct psn_tree tree = tree_of(root), after = tree_of(root);

    assert(psn_tree_signal(&tree, SIGTERM) == 0);
    await_announcements(1);

    assert(tree.count == 0);
    assert(psn_tree_walk(&after, 0) == 1);
    psn_tree_free(&tree);
    end_tree(&after);
}

static void reap_orphans(void)
{
    assert(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    pid_t root = start_tree(be_tree, 4);
    struct psn_tree tree = tree_of(root);

    assert(psn_tree_signal(&tree, SIGKILL) == 0);

    assert(waitpid(root, NULL, 0) == root);
    tree.root.pid = -1;
    while (has_children())
        assert(psn_tree_walk(&tree, SIGKILL) == 0);
    end_tree(&tree);
}

static void orphans_are_reaped_by_who_is_their_reaper(void)
{
    check_in_fork(reap_orphans);
}

static void end_without_pidfds(void)
{
    refuse_system_call(SYS_pidfd_open, ENOSYS);
    all_are_ended();
    who_has_another_mark_is_found_by_its_parents();
}

static void signal_without_pidfds(void)
{
    refuse_system_call(SYS_pidfd_send_signal, EPERM);
    all_are_ended();
    others_are_left_alone();
}

static void all_are_ended_without_pidfds(void)
{
    check_in_fork(end_without_pidfds);
    check_in_fork(signal_without_pidfds);
}

static void be_another_user(void)
{
    set_mark(mark);
    if (start(NULL) > 0)
        assert(setuid(65534) == 0);
}

static void end_as_another_user(void)
{
    pid_t root = start_tree(be_another_user, 2);
    struct psn_tree tree = tree_of(root);
    assert(setresuid(65534, 65534, 65534) == 0);

    assert(psn_tree_signal(&tree, SIGKILL) == 0);

    assert(tree.count == 1 && tree.members[0].refused);
    assert(waitpid(root, NULL, 0) == root);
    _exit(tree.members[0].proc.pid != 0 ? 0 : 1);
}

static void who_may_not_be_signalled_is_left_and_told(void)
{
    if (getuid() != 0) {
        printf("skipped: we are not root\n");
        return;
    }
    struct psn_tree tree = tree_of(-1);

    check_in_fork(end_as_another_user);

    assert(psn_tree_walk(&tree, SIGKILL) == 1);
    await_end(&tree);
    psn_tree_free(&tree);
}

static void a_child_of_the_core_is_marked_with_all_that_it_starts(void)
{
    int ends[2];
    char byte;
    assert(pipe2(ends, O_CLOEXEC) == 0);
    struct psn_job *job = new_shell("(/bin/sh -c 'echo; sleep 3600' & ); sleep 3600");
    job->plan.mark = mark;
    ready(job, (const int[3]){-1, ends[1], -1});
    assert(spawn(job, PSN_ROAD_SHARED) == 0);
    wait_readable(ends[0]);
    assert(read(ends[0], &byte, 1) == 1);
    struct psn_tree tree;
    psn_tree_init(&tree, ref_of(job), mark);

    assert(psn_tree_signal(&tree, SIGKILL) == 0);

    assert(tree.count >= 1);
    psn_ref_bury(take_ref(job));
    await_end(&tree);
    close(ends[1]);
    assert(read(ends[0], &byte, 1) == 0);
    close(ends[0]);
    psn_tree_free(&tree);
    psn_job_free(job);
}

int main(void)
{
    mark = 1ull << 61 | (uint64_t)getpid() << 20;
    CHECK(all_are_found_whatever_their_session_and_parent);
    CHECK(all_are_ended);
    CHECK(what_is_left_of_a_child_is_found_by_the_mark);
    CHECK(who_has_another_mark_is_found_by_its_parents);
    CHECK(a_tree_without_a_mark_is_found_by_its_parents);
    CHECK(others_are_left_alone);
    CHECK(a_link_to_a_number_that_is_anothers_by_now_leads_to_nobody);
    CHECK(a_stranger_with_the_number_of_a_member_is_no_member);
    CHECK(a_tree_that_grows_is_ended);
    CHECK(what_is_started_to_clean_up_is_not_told_to_end);
    CHECK(orphans_are_reaped_by_who_is_their_reaper);
    CHECK(all_are_ended_without_pidfds);
    CHECK(who_may_not_be_signalled_is_left_and_told);
    CHECK(a_child_of_the_core_is_marked_with_all_that_it_starts);
    return 0;
}
