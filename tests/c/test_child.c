#include "command.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

static enum psn_road road;
static char text[8192];

/* /proc/self/status of a child that is to become what the plan says. */
static struct psn_job *new_status(void)
{
    return new_command((const char *const[]){"/bin/cat", "/proc/self/status", NULL});
}

static unsigned long long own_field(const char *label, int base)
{
    read_file("/proc/self/status", text, sizeof text);
    return status_field(text, label, base);
}

static unsigned long long bit(int sig)
{
    return 1ull << (sig - 1);
}

static void arguments_and_environment_arrive_as_they_are(void)
{
    struct psn_job *job = psn_job_new();
    push_string(&job->paths, "/bin/sh");
    push_string(&job->argv, "name");
    push_string(&job->argv, "-c");
    push_string(&job->argv, "echo \"$0|$1|$2|$A\"");
    push_string(&job->argv, "");
    push_string(&job->argv, "a \n\377b");
    push_string(&job->argv, "*");
    push_string(&job->env, "A=x=y");
    psn_job_note_caller(job);

    output_of(job, road, text, sizeof text);

    assert(strcmp(text, "|a \n\377b|*|x=y\n") == 0);
}

static void the_environment_may_be_empty(void)
{
    struct psn_job *job = psn_job_new();
    push_string(&job->paths, "/usr/bin/env");
    push_string(&job->argv, "env");
    psn_job_note_caller(job);

    output_of(job, road, text, sizeof text);

    assert(text[0] == '\0');
}

static void the_directory_is_changed(void)
{
    struct psn_job *job = new_command((const char *const[]){"/bin/pwd", NULL});
    job->cwd = strdup("/usr/bin");

    output_of(job, road, text, sizeof text);

    assert(strcmp(text, "/usr/bin\n") == 0);
}

static void the_program_is_looked_for_in_the_new_directory(void)
{
    struct psn_job *job = new_command((const char *const[]){"./sh", "-c", "pwd", NULL});
    job->cwd = strdup("/bin/");

    output_of(job, road, text, sizeof text);

    assert(strstr(text, "/bin\n") != NULL);
}

static void the_parent_stays_where_it_was(void)
{
    char before[PATH_MAX], after[PATH_MAX];
    assert(getcwd(before, sizeof before) != NULL);
    struct psn_job *job = new_program("/bin/true");
    job->cwd = strdup("/");

    assert(status_of(ready(job, inherited), road) == 0);

    assert(getcwd(after, sizeof after) != NULL);
    assert(strcmp(before, after) == 0);
}

static void a_missing_directory_is_told_from_a_missing_program(void)
{
    struct psn_job *job = new_program("/bin/true");
    job->cwd = strdup("/nowhere");
    assert(failure_of(ready(job, inherited), road, PSN_STEP_CHDIR) == -ENOENT);

    job = new_program("/bin/true");
    job->cwd = strdup("/bin/sh");
    assert(failure_of(ready(job, inherited), road, PSN_STEP_CHDIR) == -ENOTDIR);

    job = new_program("/nowhere");
    assert(failure_of(ready(job, inherited), road, PSN_STEP_EXEC) == -ENOENT);
}

static void the_umask_is_the_childs_only(void)
{
    unsigned long long before = own_field("Umask:", 8);
    struct psn_job *job = new_status();
    job->plan.umask = 0571;
    output_of(job, road, text, sizeof text);
    assert(status_field(text, "Umask:", 8) == 0571);

    output_of(new_status(), road, text, sizeof text);
    assert(status_field(text, "Umask:", 8) == before);

    job = new_status();
    job->plan.umask = 0;
    output_of(job, road, text, sizeof text);
    assert(status_field(text, "Umask:", 8) == 0);
    assert(own_field("Umask:", 8) == before);
}

static void ignored_signals_stay_ignored_but_for_the_restored(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGRTMAX, SIG_IGN);
    signal(SIGUSR1, do_nothing);
    unsigned long long before = own_field("SigIgn:", 16);
    assert(before & bit(SIGPIPE) && before & bit(SIGRTMAX));

    output_of(new_status(), road, text, sizeof text);
    assert(status_field(text, "SigIgn:", 16) ==
           (before & ~bit(SIGPIPE) & ~bit(SIGXFSZ)));
    assert(status_field(text, "SigCgt:", 16) == 0);

    struct psn_job *job = new_status();
    job->plan.restore_signals = 0;
    output_of(job, road, text, sizeof text);
    assert(status_field(text, "SigIgn:", 16) == before);
    assert(own_field("SigIgn:", 16) == before);

    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
    signal(SIGRTMAX, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
}

static void the_mask_is_the_callers(void)
{
    sigset_t wanted, before;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    sigaddset(&wanted, SIGRTMAX);
    sigprocmask(SIG_SETMASK, &wanted, &before);
    struct psn_job *job = new_status();
    sigprocmask(SIG_SETMASK, &before, NULL);
    unsigned long long own = own_field("SigBlk:", 16);

    output_of(job, road, text, sizeof text);

    assert(status_field(text, "SigBlk:", 16) == (bit(SIGUSR1) | bit(SIGRTMAX)));
    assert(own_field("SigBlk:", 16) == own);
}

static void a_pending_signal_is_not_the_childs(void)
{
    sigset_t wanted, before;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigprocmask(SIG_BLOCK, &wanted, &before);
    raise(SIGTERM);

    output_of(new_status(), road, text, sizeof text);

    assert(status_field(text, "ShdPnd:", 16) == 0);
    assert(status_field(text, "SigPnd:", 16) == 0);
    int sig;
    assert(sigwait(&wanted, &sig) == 0 && sig == SIGTERM);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static pid_t handling_pid;
static volatile sig_atomic_t handled, handled_in_child;

static void note_where(int sig)
{
    (void)sig;
    if (syscall(SYS_getpid) == handling_pid)
        handled++;
    else
        handled_in_child++;
}

static void *signal_the_group(void *go_on)
{
    while (atomic_load((_Atomic int *)go_on)) {
        kill(0, SIGUSR1);
        kill(0, SIGRTMIN);
        pause_briefly();
    }
    return NULL;
}

/* The exec is tried again for 126 ms, since the program is open for writing. Every
 * signal to the group in that time would find our handler if it were still there. */
static void exec_under_fire(void)
{
    _Atomic int go_on = 1;
    struct sigaction action = {.sa_handler = note_where, .sa_flags = SA_RESTART};
    pthread_t thread;

    assert(setpgid(0, 0) == 0);
    handling_pid = getpid();
    assert(sigaction(SIGUSR1, &action, NULL) == 0);
    assert(sigaction(SIGRTMIN, &action, NULL) == 0);
    write_file("busy", "#!/bin/sh\n", 0755);
    int busy = open("busy", O_WRONLY | O_CLOEXEC);
    struct psn_job *job = ready(new_program("./busy"), inherited);
    assert(pthread_create(&thread, NULL, signal_the_group, &go_on) == 0);

    for (int i = 0; i < 5; i++) {
        int status;
        assert(spawn(job, road) == 0);
        assert(waitpid(job->born.pid, &status, 0) == job->born.pid);
        assert(status == SIGUSR1 || status == SIGRTMIN);
        psn_ref_bury(take_ref(job));
    }

    atomic_store(&go_on, 0);
    assert(pthread_join(thread, NULL) == 0);
    assert(handled_in_child == 0);
    psn_job_free(job);
    close(busy);
}

static void no_signal_runs_the_parents_handler_in_the_child(void)
{
    check_in_fork(exec_under_fire);
}

static void spawn_under_fire(void)
{
    _Atomic int go_on = 1;
    struct sigaction action = {.sa_handler = note_where, .sa_flags = SA_RESTART};
    pthread_t thread;

    assert(setpgid(0, 0) == 0);
    handling_pid = getpid();
    assert(sigaction(SIGUSR1, &action, NULL) == 0);
    assert(sigaction(SIGRTMIN, &action, NULL) == 0);
    assert(pthread_create(&thread, NULL, signal_the_group, &go_on) == 0);

    for (int i = 0; i < 50 || handled == 0; i++) {
        int status;
        struct psn_job *job = ready(new_program("/bin/true"), inherited);
        assert(spawn(job, road) == 0);
        assert(waitpid(job->born.pid, &status, 0) == job->born.pid);
        assert(status == 0 || status == SIGUSR1 || status == SIGRTMIN);
        psn_job_free(job);
    }

    atomic_store(&go_on, 0);
    assert(pthread_join(thread, NULL) == 0);
    assert(handled_in_child == 0);
}

static void a_spawn_under_fire_is_a_spawn(void)
{
    check_in_fork(spawn_under_fire);
}

static void a_new_session_is_made(void)
{
    struct psn_job *job = new_shell("echo $$; cut -d' ' -f5,6 /proc/$$/stat");
    job->plan.new_session = 1;
    int pid, group, session;

    output_of(job, road, text, sizeof text);

    assert(sscanf(text, "%d %d %d", &pid, &group, &session) == 3);
    assert(group == pid && session == pid);
}

static void a_group_of_its_own_is_made(void)
{
    struct psn_job *job = new_shell("echo $$; cut -d' ' -f5,6 /proc/$$/stat");
    job->plan.process_group = 0;
    int pid, group, session;

    output_of(job, road, text, sizeof text);

    assert(sscanf(text, "%d %d %d", &pid, &group, &session) == 3);
    assert(group == pid && session == getsid(0));
}

static void a_group_is_joined(void)
{
    struct psn_job *leader = ready(new_shell("kill -STOP $$"), inherited);
    leader->plan.process_group = 0;
    assert(spawn(leader, road) == 0);
    struct psn_job *job = new_shell("cut -d' ' -f5 /proc/$$/stat");
    job->plan.process_group = leader->born.pid;

    output_of(job, road, text, sizeof text);

    assert(atoi(text) == leader->born.pid);
    kill(leader->born.pid, SIGKILL);
    assert(waitpid(leader->born.pid, NULL, 0) == leader->born.pid);
    psn_job_free(leader);
}

static void a_group_that_cannot_be_joined_is_reported(void)
{
    struct psn_job *job = ready(new_program("/bin/true"), inherited);
    job->plan.process_group = 1;
    assert(failure_of(job, road, PSN_STEP_SESSION) == -EPERM);

    job = ready(new_program("/bin/true"), inherited);
    job->plan.new_session = 1;
    job->plan.process_group = 0;
    assert(failure_of(job, road, PSN_STEP_SESSION) == -EPERM);
}

static int is_root(void)
{
    if (geteuid() != 0)
        printf("skipped: only root can change user and groups\n");
    return geteuid() == 0;
}

static void user_and_groups_are_changed(void)
{
    static const gid_t groups[] = {7, 3};
    if (!is_root())
        return;
    struct psn_job *job = new_status();
    job->groups = malloc(sizeof groups);
    memcpy(job->groups, groups, sizeof groups);
    job->plan.set_groups = 1;
    job->plan.n_groups = 2;
    job->plan.gid = 65533;
    job->plan.uid = 65534;

    output_of(job, road, text, sizeof text);

    assert(strstr(text, "Uid:\t65534\t65534\t65534\t65534\n") != NULL);
    assert(strstr(text, "Gid:\t65533\t65533\t65533\t65533\n") != NULL);
    assert(strstr(text, "Groups:\t3 7 \n") != NULL);
    assert(geteuid() == 0);
}

static void groups_may_be_dropped_alone(void)
{
    if (!is_root())
        return;
    struct psn_job *job = new_status();
    job->plan.set_groups = 1;

    output_of(job, road, text, sizeof text);

    assert(strstr(text, "Groups:\t \n") != NULL);
    assert(strstr(text, "Uid:\t0\t0\t0\t0\n") != NULL);
}

static void ask_for_too_much(void)
{
    static const gid_t group = 0;
    if (geteuid() == 0)
        assert(setgid(65534) == 0 && setuid(65534) == 0);

    struct psn_job *job = ready(new_program("/bin/true"), inherited);
    job->plan.uid = 0;
    assert(failure_of(job, road, PSN_STEP_CREDENTIALS) == -EPERM);

    job = ready(new_program("/bin/true"), inherited);
    job->plan.gid = 0;
    assert(failure_of(job, road, PSN_STEP_CREDENTIALS) == -EPERM);

    job = ready(new_program("/bin/true"), inherited);
    job->plan.set_groups = 1;
    job->plan.n_groups = 1;
    job->plan.groups = &group;
    assert(failure_of(job, road, PSN_STEP_CREDENTIALS) == -EPERM);

    job = ready(new_program("/bin/true"), inherited);
    job->plan.uid = geteuid();
    job->plan.gid = getegid();
    assert(status_of(job, road) == 0);
}

static void credentials_that_are_not_granted_are_reported(void)
{
    check_in_fork(ask_for_too_much);
}

static void be_nice(void)
{
    struct psn_job *job = new_command((const char *const[]){"/usr/bin/nice", NULL});
    job->plan.set_nice = 1;
    job->plan.nice = 19;
    int before = getpriority(PRIO_PROCESS, 0);

    output_of(job, road, text, sizeof text);

    assert(atoi(text) == 19);
    assert(getpriority(PRIO_PROCESS, 0) == before);
}

static void the_nice_value_is_the_childs_only(void)
{
    check_in_fork(be_nice);
}

static void the_affinity_is_the_childs_only(void)
{
    unsigned long long before = own_field("Cpus_allowed_list:", 10);
    cpu_set_t all, one, after;
    assert(sched_getaffinity(0, sizeof all, &all) == 0);
    CPU_ZERO(&one);
    int last = CPU_SETSIZE - 1;
    while (!CPU_ISSET(last, &all))
        last--;
    CPU_SET(last, &one);
    struct psn_job *job = new_status();
    job->plan.affinity = &one;
    job->plan.n_affinity = sizeof one;

    output_of(job, road, text, sizeof text);

    assert(status_field(text, "Cpus_allowed_list:", 10) == (unsigned)last);
    assert(own_field("Cpus_allowed_list:", 10) == before);
    assert(sched_getaffinity(0, sizeof after, &after) == 0);
    assert(CPU_EQUAL(&all, &after));
}

static void be_limited(void)
{
    struct rlimit64 own = {.rlim_cur = 12345, .rlim_max = 1ull << 60};
    assert(setrlimit64(RLIMIT_LOCKS, &own) == 0);
    const uint64_t marks[] = {0, 1ull << 59 | 5, 1ull << 61};
    const char *const lines[] = {
        "Max file locks            12345 ",
        "Max file locks            576460752303423493 ",
        /* Above the hard limit: none. */
        "Max file locks            12345 ",
    };

    for (int i = 0; i < 3; i++) {
        struct psn_job *job =
            new_command((const char *const[]){"/bin/cat", "/proc/self/limits", NULL});
        job->plan.mark = marks[i];
        output_of(job, road, text, sizeof text);
        const char *line = strstr(text, lines[i]);
        assert(line != NULL && strstr(line, " 1152921504606846976 ") != NULL);
    }

    struct rlimit64 after;
    assert(getrlimit64(RLIMIT_LOCKS, &after) == 0);
    assert(after.rlim_cur == own.rlim_cur && after.rlim_max == own.rlim_max);
}

static void the_mark_is_the_childs_only_and_the_hard_limit_stays(void)
{
    check_in_fork(be_limited);
}

/* A job for a program that is looked for at the paths, NULL-terminated. */
static struct psn_job *new_search(const char *const *paths)
{
    struct psn_job *job = psn_job_new();

    for (; *paths != NULL; paths++)
        push_string(&job->paths, *paths);
    push_string(&job->argv, "program");
    psn_job_note_caller(job);
    return ready(job, inherited);
}

static int error_of_search(const char *first, const char *second, const char *third)
{
    return failure_of(new_search((const char *const[]){first, second, third, NULL}),
                      road, PSN_STEP_EXEC);
}

static void the_search_goes_on_past_what_cannot_be_run(void)
{
    write_file("denied", "#!/bin/sh\n", 0644);
    const char *const paths[] = {"./missing", "./denied",   "./denied/x",
                                 "/bin/true", "/bin/false", NULL};

    assert(status_of(new_search(paths), road) == 0);
}

static void the_error_that_says_most_wins(void)
{
    write_file("denied", "#!/bin/sh\n", 0644);
    write_file("garbage", "\1\2\3", 0755);

    assert(error_of_search("./missing", NULL, NULL) == -ENOENT);
    assert(error_of_search("./denied/x", NULL, NULL) == -ENOTDIR);
    assert(error_of_search("./denied", NULL, NULL) == -EACCES);
    assert(error_of_search("./garbage", NULL, NULL) == -ENOEXEC);
    assert(error_of_search("./missing", "./denied", "./missing") == -EACCES);
    assert(error_of_search("./denied", "./denied/x", "./missing") == -EACCES);
    assert(error_of_search("./denied", "./garbage", NULL) == -EACCES);
    assert(error_of_search("./garbage", "./denied", NULL) == -ENOEXEC);
    assert(error_of_search("./missing", "./denied/x", NULL) == -ENOTDIR);
    assert(error_of_search("./denied/x", "./missing", NULL) == -ENOENT);
}

static void no_path_at_all_is_not_found(void)
{
    assert(error_of_search(NULL, NULL, NULL) == -ENOENT);
}

static void a_program_that_we_write_to_ourselves_is_busy(void)
{
    write_file("busy", "#!/bin/sh\n", 0755);
    int busy = open("busy", O_WRONLY | O_CLOEXEC);

    assert(error_of_search("./busy", NULL, NULL) == -ETXTBSY);

    close(busy);
}

/* The writer is another process: ours would pass its descriptor on to the child. It
 * cannot see the exec being refused, so it waits for some of the 126 ms. */
static void a_program_that_was_written_a_moment_ago_is_run(void)
{
    int opened[2];
    char byte;
    write_file("busy", "#!/bin/sh\nexit 6\n", 0755);
    assert(pipe2(opened, O_CLOEXEC) == 0);
    pid_t writer = fork();
    assert(writer >= 0);
    if (writer == 0) {
        int busy = open("busy", O_WRONLY | O_CLOEXEC);
        if (write(opened[1], "", 1) != 1)
            _exit(1);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        close(busy);
        _exit(0);
    }
    assert(read(opened[0], &byte, 1) == 1);

    assert(status_of(new_search((const char *const[]){"./busy", NULL}), road) ==
           6 << 8);

    assert(waitpid(writer, NULL, 0) == writer);
    close(opened[0]);
    close(opened[1]);
}

static void exit_with_42(void)
{
    psn_child_exit(42);
}

static void exit_is_immediate(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        exit_with_42();
    assert(waitpid(pid, &status, 0) == pid);
    assert(status == 42 << 8);
}

static void check_all(void)
{
    CHECK(arguments_and_environment_arrive_as_they_are);
    CHECK(the_environment_may_be_empty);
    CHECK(the_directory_is_changed);
    CHECK(the_program_is_looked_for_in_the_new_directory);
    CHECK(the_parent_stays_where_it_was);
    CHECK(a_missing_directory_is_told_from_a_missing_program);
    CHECK(the_umask_is_the_childs_only);
    CHECK(ignored_signals_stay_ignored_but_for_the_restored);
    CHECK(the_mask_is_the_callers);
    CHECK(a_pending_signal_is_not_the_childs);
    CHECK(no_signal_runs_the_parents_handler_in_the_child);
    CHECK(a_spawn_under_fire_is_a_spawn);
    CHECK(a_new_session_is_made);
    CHECK(a_group_of_its_own_is_made);
    CHECK(a_group_is_joined);
    CHECK(a_group_that_cannot_be_joined_is_reported);
    CHECK(user_and_groups_are_changed);
    CHECK(groups_may_be_dropped_alone);
    CHECK(credentials_that_are_not_granted_are_reported);
    CHECK(the_nice_value_is_the_childs_only);
    CHECK(the_affinity_is_the_childs_only);
    CHECK(the_mark_is_the_childs_only_and_the_hard_limit_stays);
    CHECK(the_search_goes_on_past_what_cannot_be_run);
    CHECK(the_error_that_says_most_wins);
    CHECK(no_path_at_all_is_not_found);
    CHECK(a_program_that_we_write_to_ourselves_is_busy);
    CHECK(a_program_that_was_written_a_moment_ago_is_run);
}

int main(void)
{
    for (road = PSN_ROAD_SHARED; road <= PSN_ROAD_COPIED; road++)
        check_all();
    road = PSN_ROAD_SHARED;
    clears_handlers = 0;
    check_all();
    CHECK(exit_is_immediate);
    return 0;
}
