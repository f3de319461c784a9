#include "command.h"

#include "psn_sigchld.h"

#include <pthread.h>

static _Atomic int heard;

static void run_child(void)
{
    struct psn_job *job = ready(new_shell("exit 0"), inherited);

    assert(spawn(job, PSN_ROAD_SHARED) == 0);
    psn_ref_bury(take_ref(job));
    psn_job_free(job);
}

static void note(int sig)
{
    assert(sig == SIGCHLD);
    heard++;
}

static void note_info(int sig, siginfo_t *info, void *context)
{
    assert(sig == SIGCHLD && info->si_pid > 0 && context != NULL);
    heard++;
}

static void (*handler(void))(int)
{
    struct sigaction now;

    assert(sigaction(SIGCHLD, NULL, &now) == 0);
    return now.sa_handler;
}

static void the_bell_rings_when_a_child_ends(void)
{
    int bell = psn_sigchld_open();
    assert(bell >= 0 && fcntl(bell, F_GETFD) == FD_CLOEXEC);

    run_child();
    wait_readable(bell);

    psn_sigchld_close(&bell);
    assert(bell == -1);
    assert(handler() == SIG_DFL);
}

static void every_bell_rings(void)
{
    int bells[5];
    for (int i = 0; i < 5; i++)
        bells[i] = psn_sigchld_open();

    run_child();
    for (int i = 0; i < 5; i++)
        wait_readable(bells[i]);

    for (int i = 0; i < 5; i++)
        psn_sigchld_close(&bells[i]);
    assert(handler() == SIG_DFL);
}

static void who_had_the_signal_hears_it_still(void)
{
    heard = 0;
    signal(SIGCHLD, note);
    int bell = psn_sigchld_open();
    run_child();
    assert(heard == 1);
    psn_sigchld_close(&bell);
    assert(handler() == note);

    struct sigaction action = {.sa_sigaction = note_info, .sa_flags = SA_SIGINFO};
    sigaction(SIGCHLD, &action, NULL);
    bell = psn_sigchld_open();
    run_child();
    assert(heard == 2);
    psn_sigchld_close(&bell);
    signal(SIGCHLD, SIG_DFL);
}

static void who_takes_the_signal_later_keeps_it(void)
{
    heard = 0;
    int bell = psn_sigchld_open();
    signal(SIGCHLD, note);

    run_child();
    assert(heard == 1);
    psn_sigchld_close(&bell);

    assert(handler() == note);
    signal(SIGCHLD, SIG_DFL);
}

static struct sigaction behind;

static void call_who_was_there(int sig, siginfo_t *info, void *context)
{
    heard++;
    behind.sa_sigaction(sig, info, context);
}

static void a_chain_never_becomes_a_circle(void)
{
    struct sigaction action = {.sa_sigaction = call_who_was_there,
                               .sa_flags = SA_SIGINFO};
    heard = 0;
    int bell = psn_sigchld_open();
    assert(sigaction(SIGCHLD, &action, &behind) == 0);
    psn_sigchld_close(&bell);

    bell = psn_sigchld_open();
    run_child();
    wait_readable(bell);
    assert(heard == 1);

    sigaction(SIGCHLD, &behind, NULL);
    psn_sigchld_close(&bell);
    assert(handler() == SIG_DFL);
}

static void children_that_nobody_wants_stay_so(void)
{
    signal(SIGCHLD, SIG_IGN);
    int bell = psn_sigchld_open();

    run_child();
    wait_readable(bell);
    assert(!has_children());

    psn_sigchld_close(&bell);
    assert(handler() == SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
}

static void more_than_there_is_room_for_are_refused(void)
{
    int bells[64];

    for (int i = 0; i < 64; i++)
        assert((bells[i] = psn_sigchld_open()) >= 0);
    assert(psn_sigchld_open() == -EAGAIN);

    for (int i = 0; i < 64; i++)
        psn_sigchld_close(&bells[i]);
    assert(handler() == SIG_DFL);
}

static void *come_and_go(void *unused)
{
    for (int i = 0; i < 300; i++) {
        int bell = psn_sigchld_open();
        assert(bell >= 0);
        psn_sigchld_close(&bell);
    }
    return unused;
}

static void bells_come_and_go_while_signals_arrive(void)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        assert(pthread_create(&threads[i], NULL, come_and_go, NULL) == 0);
    for (int i = 0; i < 20; i++)
        run_child();
    for (int i = 0; i < 2; i++)
        assert(pthread_join(threads[i], NULL) == 0);

    assert(handler() == SIG_DFL);
}

int main(void)
{
    CHECK(the_bell_rings_when_a_child_ends);
    CHECK(every_bell_rings);
    CHECK(who_had_the_signal_hears_it_still);
    CHECK(a_chain_never_becomes_a_circle);
    CHECK(children_that_nobody_wants_stay_so);
    CHECK(more_than_there_is_room_for_are_refused);
    CHECK(bells_come_and_go_while_signals_arrive);
    /* From here on the handler counts as part of a chain. */
    CHECK(who_takes_the_signal_later_keeps_it);
    return 0;
}
