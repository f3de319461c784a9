#include "command.h"

#include "psn_reap.h"

#include <sys/utsname.h>

static struct psn_job *start(const char *script)
{
    struct psn_job *job = ready(new_shell(script), inherited);

    assert(spawn(job, PSN_ROAD_SHARED) == 0);
    return job;
}

static struct psn_exit end_of(struct psn_job *job)
{
    struct psn_exit exit;

    assert(psn_reap_wait(ref_of(job), PATIENCE_MS));
    assert(psn_reap_take(ref_of(job), &exit) == 1);
    psn_job_free(job);
    return exit;
}

static void exit_codes_are_told(void)
{
    static const int codes[] = {0, 1, 3, 127, 255};

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        char script[16];
        sprintf(script, "exit %d", codes[i]);
        struct psn_exit exit = end_of(start(script));
        assert(exit.source == PSN_EXIT_WAITID);
        assert(exit.status == codes[i] << 8);
    }
}

static void signals_are_told(void)
{
    static const int signals[] = {SIGHUP, SIGKILL, SIGTERM, SIGUSR1};

    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        char script[16];
        sprintf(script, "kill -%d $$", signals[i]);
        struct psn_exit exit = end_of(start(script));
        assert(exit.source == PSN_EXIT_WAITID);
        assert(exit.status == signals[i]);
    }
}

static void a_core_dump_is_told(void)
{
    struct psn_job *job = start("ulimit -c unlimited; kill -ABRT $$");
    siginfo_t info;
    assert(waitid(P_PID, (id_t)job->born.pid, &info, WEXITED | WNOWAIT) == 0);

    struct psn_exit exit = end_of(job);

    assert(WIFSIGNALED(exit.status) && WTERMSIG(exit.status) == SIGABRT);
    assert(!WCOREDUMP(exit.status) == (info.si_code != CLD_DUMPED));
}

static void a_running_child_is_left_alone(void)
{
    struct psn_exit exit;
    struct psn_job *job = start("read line");
    assert(psn_ref_signal(ref_of(job), SIGSTOP) == 0);

    assert(psn_reap_take(ref_of(job), &exit) == 0);
    assert(psn_ref_signal(ref_of(job), SIGCONT) == 0);
    assert(psn_reap_take(ref_of(job), &exit) == 0);

    assert(psn_ref_signal(ref_of(job), SIGKILL) == 0);
    assert(end_of(job).status == SIGKILL);
}

static void the_usage_is_the_childs_own(void)
{
    struct psn_exit busy = end_of(start("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); "
                                        "done"));
    struct psn_exit idle = end_of(start("exit 0"));

    long long spent =
        busy.usage.ru_utime.tv_sec * 1000000ll + busy.usage.ru_utime.tv_usec;
    assert(spent > 0);
    assert(idle.usage.ru_utime.tv_sec * 1000000ll + idle.usage.ru_utime.tv_usec <
           spent);
    assert(idle.usage.ru_maxrss > 0);
}

static int kernel_keeps_the_status(void)
{
    struct utsname name;
    int major, minor;

    assert(uname(&name) == 0);
    assert(sscanf(name.release, "%d.%d", &major, &minor) == 2);
    if (major > 6 || (major == 6 && minor >= 15))
        return 1;
    printf("skipped: the kernel is older than 6.15 and forgets the status\n");
    return 0;
}

static void check_stolen(struct psn_exit exit, int status)
{
    if (has_pidfd && kernel_keeps_the_status()) {
        assert(exit.source == PSN_EXIT_INFO);
        assert(exit.status == status);
    } else {
        assert(exit.source == PSN_EXIT_UNKNOWN);
    }
    assert(exit.usage.ru_maxrss == 0);
}

static void a_status_that_somebody_took_by_name_is_asked_for(void)
{
    struct psn_job *job = start("exit 7");
    assert(waitpid(job->born.pid, NULL, 0) == job->born.pid);

    check_stolen(end_of(job), 7 << 8);

    job = start("kill -TERM $$");
    assert(waitpid(-1, NULL, 0) == job->born.pid);

    check_stolen(end_of(job), SIGTERM);
}

static void reap_while_ignoring(void)
{
    signal(SIGCHLD, SIG_IGN);
    struct psn_job *job = start("exit 9");
    check_stolen(end_of(job), 9 << 8);
}

static void a_status_that_nobody_wanted_is_asked_for(void)
{
    check_in_fork(reap_while_ignoring);
}

static void a_second_take_says_that_it_was_reaped(void)
{
    struct psn_exit exit;
    struct psn_job *job = start("exit 5");
    assert(psn_reap_wait(ref_of(job), PATIENCE_MS));
    assert(psn_reap_take(ref_of(job), &exit) == 1);
    assert(exit.source == PSN_EXIT_WAITID);

    assert(psn_reap_take(ref_of(job), &exit) == 1);

    assert(exit.source != PSN_EXIT_WAITID);
    psn_job_free(job);
}

static void only_the_child_behind_the_pidfd_is_reaped(void)
{
    struct psn_job *first = start("exit 1");
    struct psn_job *second = start("exit 2");
    assert(psn_reap_wait(ref_of(first), PATIENCE_MS));
    assert(psn_reap_wait(ref_of(second), PATIENCE_MS));

    assert(end_of(second).status == 2 << 8);
    assert(end_of(first).status == 1 << 8);
}

static void a_signal_reaches_the_child(void)
{
    struct psn_job *job = start("read line");

    assert(psn_ref_signal(ref_of(job), 0) == 0);
    assert(psn_ref_signal(ref_of(job), SIGUSR2) == 0);

    assert(end_of(job).status == SIGUSR2);
}

static void a_signal_to_a_zombie_is_no_error_and_to_nobody_is(void)
{
    struct psn_exit exit;
    struct psn_job *job = start("exit 0");
    assert(psn_reap_wait(ref_of(job), PATIENCE_MS));

    assert(psn_ref_signal(ref_of(job), SIGKILL) == 0);
    assert(psn_reap_take(ref_of(job), &exit) == 1);
    assert(exit.status == 0);

    assert(psn_ref_signal(ref_of(job), SIGKILL) == -ESRCH);
    psn_job_free(job);
}

static void errors_are_negative_errnos(void)
{
    struct psn_exit exit;
    int memory = open_memory();

    assert(psn_reap_take((struct psn_ref){1, memory}, &exit) == -EBADF);
    assert(psn_ref_signal((struct psn_ref){1, memory}, SIGTERM) == -EBADF);
    assert(psn_ref_signal((struct psn_ref){-1, -1}, SIGTERM) == -ESRCH);

    close(memory);
}

static void the_number_of_somebody_else_is_not_signalled(void)
{
    assert(psn_ref_signal((struct psn_ref){getpid(), -1}, SIGKILL) == -ESRCH);
    assert(psn_ref_signal((struct psn_ref){1, -1}, SIGKILL) == -ESRCH);
}

static void a_wait_ends_in_time(void)
{
    struct psn_job *job = start("read line");

    assert(!psn_reap_wait(ref_of(job), 0));
    assert(!psn_reap_wait(ref_of(job), 20));

    assert(psn_ref_signal(ref_of(job), SIGKILL) == 0);
    end_of(job);
}

static void a_burial_reaps(void)
{
    struct psn_job *job = start("exit 0");

    psn_ref_bury(take_ref(job));
    psn_ref_bury(take_ref(job));

    assert(!has_children());
    psn_job_free(job);
}

static void a_bad_signal_is_an_error(void)
{
    struct psn_job *job = start("read line");

    assert(psn_ref_signal(ref_of(job), 1000) == -EINVAL);

    assert(psn_ref_signal(ref_of(job), SIGKILL) == 0);
    end_of(job);
}

int main(void)
{
    int ends[2];

    /* read(1) of the children waits here for ever. */
    assert(pipe2(ends, O_CLOEXEC) == 0);
    assert(dup2(ends[0], 0) == 0);
    for (has_pidfd = 1; has_pidfd >= 0; has_pidfd--) {
        CHECK(exit_codes_are_told);
        CHECK(signals_are_told);
        CHECK(a_core_dump_is_told);
        CHECK(a_running_child_is_left_alone);
        CHECK(the_usage_is_the_childs_own);
        CHECK(a_status_that_somebody_took_by_name_is_asked_for);
        CHECK(a_status_that_nobody_wanted_is_asked_for);
        CHECK(a_second_take_says_that_it_was_reaped);
        CHECK(only_the_child_behind_the_pidfd_is_reaped);
        CHECK(a_signal_reaches_the_child);
        CHECK(a_signal_to_a_zombie_is_no_error_and_to_nobody_is);
        CHECK(errors_are_negative_errnos);
        CHECK(the_number_of_somebody_else_is_not_signalled);
        CHECK(a_wait_ends_in_time);
        CHECK(a_burial_reaps);
        CHECK(a_bad_signal_is_an_error);
    }
    return 0;
}
