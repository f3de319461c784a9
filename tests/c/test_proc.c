#include "check.h"

#include "psn_proc.h"

#include <pthread.h>
#include <sys/resource.h>

static int includes(const struct psn_proc_pids *pids, pid_t pid)
{
    for (size_t i = 0; i < pids->count; i++)
        if (pids->at[i] == pid)
            return 1;
    return 0;
}

static void set_name(const char *name)
{
    assert(prctl(PR_SET_NAME, name, 0, 0, 0) == 0);
}

static pid_t start_waiting(void)
{
    pid_t pid = fork();

    assert(pid >= 0);
    for (; pid == 0;)
        pause();
    return pid;
}

static void end(pid_t pid)
{
    assert(kill(pid, SIGKILL) == 0);
    assert(waitpid(pid, NULL, 0) == pid);
}

static void a_process_is_read_whatever_its_name(void)
{
    static const char *const names[] = {"plain", "a) R 1 (b", "(", ")",
                                        "sixteen letters"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct psn_proc proc;
        set_name(names[i]);
        assert(psn_proc_read(getpid(), &proc) == 0);
        assert(proc.pid == getpid() && proc.parent == getppid());
        assert(proc.lives && proc.started > 0);
        assert(strcmp(proc.name, names[i]) == 0);
    }
    set_name("test_proc");
}

static void a_zombie_does_not_live(void)
{
    struct psn_proc alive, dead;
    siginfo_t info;
    pid_t pid = start_waiting();
    assert(psn_proc_read(pid, &alive) == 0 && alive.lives);
    assert(kill(pid, SIGKILL) == 0);
    assert(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);

    assert(psn_proc_read(pid, &dead) == 0);

    assert(!dead.lives && dead.parent == getpid() && dead.started == alive.started);
    assert(waitpid(pid, NULL, 0) == pid);
    assert(psn_proc_read(pid, &dead) == -ESRCH);
}

static void *go_on(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void a_process_whose_first_thread_has_ended_lives(void)
{
    struct psn_proc proc;
    char path[64], text[512];
    pid_t pid = fork();
    assert(pid >= 0);
    if (pid == 0) {
        pthread_t thread;
        assert(pthread_create(&thread, NULL, go_on, NULL) == 0);
        syscall(SYS_exit, 0);
    }
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    do
        read_file(path, text, sizeof text);
    while (strstr(text, ") Z ") == NULL);

    assert(psn_proc_read(pid, &proc) == 0);

    assert(proc.lives);
    end(pid);
}

static void the_mark_is_read(void)
{
    const struct rlimit64 none = {RLIM64_INFINITY, RLIM64_INFINITY};
    struct rlimit64 limit = {.rlim_cur = 1ull << 61 | 7, .rlim_max = RLIM64_INFINITY};
    pid_t pid = start_waiting();

    assert(prlimit64(pid, RLIMIT_LOCKS, &limit, NULL) == 0);
    assert(psn_proc_mark(pid) == limit.rlim_cur);
    assert(prlimit64(pid, RLIMIT_LOCKS, &none, NULL) == 0);
    assert(psn_proc_mark(pid) == RLIM64_INFINITY);

    end(pid);
    assert(psn_proc_mark(pid) == 0);
}

static pid_t marked;

static void read_by_text(void)
{
    refuse_system_call(SYS_prlimit64, EPERM);
    assert(psn_proc_mark(marked) == (1ull << 61 | 7));
    assert(psn_proc_mark(getpid()) == 0);
    assert(psn_proc_mark(0x3fffffff) == 0);
}

static void the_mark_is_read_where_prlimit_is_refused(void)
{
    struct rlimit64 limit = {.rlim_cur = 1ull << 61 | 7, .rlim_max = RLIM64_INFINITY};
    marked = start_waiting();
    assert(prlimit64(marked, RLIMIT_LOCKS, &limit, NULL) == 0);

    check_in_fork(read_by_text);

    end(marked);
}

static void everybody_is_found(void)
{
    struct psn_proc_pids pids = {0};
    pid_t pid = start_waiting();

    assert(psn_proc_all(&pids) == 0);

    assert(includes(&pids, 1) && includes(&pids, getpid()) && includes(&pids, pid));
    psn_proc_pids_free(&pids);
    end(pid);
}

static void *fork_here(void *pid)
{
    *(pid_t *)pid = start_waiting();
    return pid;
}

static void the_children_of_all_threads_are_found(void)
{
    struct psn_proc_pids pids = {0};
    pthread_t thread;
    pid_t other, own = start_waiting();
    assert(pthread_create(&thread, NULL, fork_here, &other) == 0);
    assert(pthread_join(thread, NULL) == 0);

    assert(psn_proc_children(getpid(), &pids) == 0);

    if (psn_proc_lists_children())
        assert(pids.count == 2 && includes(&pids, own) && includes(&pids, other));
    else
        printf("skipped: this kernel lists no children\n");
    pids.count = 0;
    end(own);
    end(other);
    assert(psn_proc_children(own, &pids) == 0 && pids.count == 0);
    psn_proc_pids_free(&pids);
}

static void numbers_beyond_the_first_block_are_kept(void)
{
    struct psn_proc_pids pids = {0};

    for (int i = 0; i < 1000; i++)
        assert(psn_proc_pids_push(&pids, i) == 0);

    for (int i = 0; i < 1000; i++)
        assert(pids.at[i] == i);
    psn_proc_pids_free(&pids);
    psn_proc_pids_free(&pids);
}

int main(void)
{
    CHECK(a_process_is_read_whatever_its_name);
    CHECK(a_zombie_does_not_live);
    CHECK(a_process_whose_first_thread_has_ended_lives);
    CHECK(the_mark_is_read);
    CHECK(the_mark_is_read_where_prlimit_is_refused);
    CHECK(everybody_is_found);
    CHECK(the_children_of_all_threads_are_found);
    CHECK(numbers_beyond_the_first_block_are_kept);
    return 0;
}
