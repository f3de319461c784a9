#include "spawner.h"

#include "psn_sys.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

static struct psn_abilities can;

static void open_spawner(int workers)
{
    assert(psn_spawner_open(&spawner, workers, &can) == 0);
}

static int jobs_are_done(void)
{
    struct pollfd entry = {.fd = psn_spawner_event_fd(spawner), .events = POLLIN};

    return poll(&entry, 1, 0);
}

/* Reap the child of a job that was taken, and free it. Returns the status. */
static int end_of(struct psn_job *job)
{
    int status;

    assert(job->born.report.step == PSN_STEP_NONE);
    assert((job->born.pidfd >= 0) == has_pidfd);
    assert(waitpid(job->born.pid, &status, 0) == job->born.pid);
    psn_job_free(job);
    return status;
}

/* A job whose child's descriptor 1 is a pipe; the other end is returned. The job owns
 * the child's side, as it does for a user's pipes. */
static int add_output(struct psn_job *job)
{
    int ends[2];

    assert(pipe2(ends, O_CLOEXEC) == 0);
    job->ends[1] = ends[1];
    ready(job, (const int[3]){-1, ends[1], -1});
    return ends[0];
}

/* The pipe's end of file tells that no child and no job holds it any more. */
static void assert_silent_end(int output)
{
    char byte;

    wait_readable(output);
    assert(read(output, &byte, 1) == 0);
    close(output);
}

static void wait_for_byte(int output)
{
    char byte;

    wait_readable(output);
    assert(read(output, &byte, 1) == 1);
}

static struct psn_job *submit(struct psn_job *job)
{
    psn_spawner_submit(spawner, job);
    return job;
}

static struct psn_job *submit_program(const char *path)
{
    return submit(ready(new_program(path), inherited));
}

static void nothing_is_started_before_the_first_job(void)
{
    open_spawner(2);

    assert(count_threads() <= 1 + RUNTIME_THREADS);
    assert(fcntl(psn_spawner_event_fd(spawner), F_GETFD) == FD_CLOEXEC);
    assert(!jobs_are_done());
    assert(psn_spawner_take(spawner) == NULL);

    psn_spawner_close(spawner);
}

static void a_job_comes_back_with_its_child(void)
{
    open_spawner(2);
    struct psn_job *job = submit(ready(new_shell("exit 3"), inherited));

    assert(take() == job);
    assert(job->next == NULL);
    assert(!jobs_are_done());
    assert(end_of(job) == 3 << 8);

    psn_spawner_close(spawner);
}

static void a_job_that_failed_comes_back_without(void)
{
    open_spawner(2);
    struct psn_job *job = submit_program("/nowhere");

    assert(take() == job);
    assert(job->born.report.step == PSN_STEP_EXEC);
    assert(job->born.report.err == -ENOENT);
    assert(job->born.pid == -1 && job->born.pidfd == -1);
    psn_job_free(job);

    psn_spawner_close(spawner);
}

static void the_ends_of_a_finished_job_are_closed(void)
{
    open_spawner(1);
    struct psn_job *job = new_program("/bin/true");
    int output = add_output(job);
    submit(job);

    assert(take() == job);
    assert(job->ends[1] == -1);
    assert_silent_end(output);
    assert(end_of(job) == 0);

    job = new_program("/nowhere");
    output = add_output(job);
    submit(job);
    assert(take() == job);
    assert_silent_end(output);
    psn_job_free(job);

    psn_spawner_close(spawner);
}

static void hundreds_of_jobs_come_back_once_each(void)
{
    enum { COUNT = 300 };
    struct psn_job *jobs[COUNT];
    int taken = 0, failed = 0;
    open_spawner(2);

    for (int i = 0; i < COUNT; i++)
        jobs[i] = submit_program(i % 10 ? "/bin/true" : "/nowhere");
    while (taken < COUNT) {
        for (struct psn_job *job = take(), *next; job != NULL; job = next) {
            int i = 0;
            next = job->next;
            while (jobs[i] != job)
                i++;
            jobs[i] = NULL;
            taken++;
            failed += job->born.report.step != PSN_STEP_NONE;
            if (i % 10)
                assert(end_of(job) == 0);
            else
                psn_job_free(job);
        }
    }

    assert(failed == COUNT / 10);
    assert(!jobs_are_done() && psn_spawner_take(spawner) == NULL);
    psn_spawner_close(spawner);
}

static void wait_until_both_are_done(struct psn_job *job, struct psn_job *other)
{
    struct psn_job *head = take(), *tail = head->next ? head->next : take();

    assert(head == job && tail == other && tail->next == NULL);
    assert(end_of(head) == 0);
    assert(end_of(tail) == 0);
}

/* But for those that take long, as on a machine that is busy otherwise. */
static void jobs_come_back_in_the_order_in_which_they_were_submitted(void)
{
    enum { JOBS = 200, WAITED_FOR_NS = 20 * 1000 * 1000 };
    uint64_t last = 0;

    open_spawner(4);
    for (int i = 0; i < JOBS; i++)
        submit_program("/bin/true");
    for (int taken = 0; taken < JOBS;) {
        for (struct psn_job *job = take(), *next; job != NULL; job = next) {
            next = job->next;
            if (job->number < last)
                assert(psn_sys_now_ns() - job->begun_ns >= WAITED_FOR_NS);
            last = job->number;
            assert(end_of(job) == 0);
            taken++;
        }
    }
    psn_spawner_close(spawner);
}

static void a_thread_without_work_ends(void)
{
    open_spawner(2);
    for (int i = 0; i < 3; i++) {
        submit_program("/bin/true");
        assert(end_of(take()) == 0);
        while (count_threads() > 1 + RUNTIME_THREADS)
            usleep(1000);
    }
    psn_spawner_close(spawner);
}

static void jobs_come_back_in_the_order_in_which_they_finish(void)
{
    struct lease lease;
    if (!leases_work())
        return;
    assert(lease_take(&lease, 1) == 0);
    open_spawner(2);

    struct psn_job *late = submit_program(lease.path);
    lease_await(1);
    struct psn_job *early = submit_program("/bin/true");
    wait_readable(psn_spawner_event_fd(spawner));
    lease_release(&lease);

    wait_until_both_are_done(early, late);
    psn_spawner_close(spawner);
}

static void hung_execs_do_not_hold_up_other_jobs(void)
{
    enum { HUNG = 5, COUNT = 40 };
    struct lease leases[HUNG];
    struct psn_job *hung[HUNG];
    if (!leases_work())
        return;
    for (int i = 0; i < HUNG; i++)
        assert(lease_take(&leases[i], i + 1) == 0);
    open_spawner(2);
    for (int i = 0; i < HUNG; i++)
        hung[i] = submit_program(leases[i].path);
    for (int i = 0; i < COUNT; i++)
        submit_program("/bin/true");

    for (int taken = 0; taken < COUNT;)
        for (struct psn_job *job = take(), *next; job != NULL; job = next) {
            next = job->next;
            for (int i = 0; i < HUNG; i++)
                assert(job != hung[i]);
            assert(end_of(job) == 0);
            taken++;
        }

    lease_await(HUNG);
    assert(!jobs_are_done());
    for (int i = HUNG; i-- > 0;) {
        lease_release(&leases[i]);
        assert(take() == hung[i]);
        assert(end_of(hung[i]) == 0);
    }
    psn_spawner_close(spawner);
}

static void workers_that_hung_are_of_use_again(void)
{
    struct lease lease;
    if (!leases_work())
        return;
    open_spawner(1);

    for (int i = 0; i < 3; i++) {
        assert(lease_take(&lease, 1) == 0);
        struct psn_job *hung = submit_program(lease.path);
        struct psn_job *job = submit_program("/bin/true");
        assert(take() == job);
        assert(end_of(job) == 0);
        lease_await(1);
        lease_release(&lease);
        assert(take() == hung);
        assert(end_of(hung) == 0);
    }

    assert(count_threads() <= 4 + RUNTIME_THREADS);
    psn_spawner_close(spawner);
}

static void a_queued_job_that_is_abandoned_never_runs(void)
{
    struct lease lease;
    if (!leases_work())
        return;
    assert(lease_take(&lease, 1) == 0);
    open_spawner(1);
    struct psn_job *hung = submit_program(lease.path);
    lease_await(1);
    struct psn_job *job = new_shell("echo ran");
    int output = add_output(job);

    submit(job);
    psn_spawner_abandon(spawner, job);

    assert_silent_end(output);
    lease_release(&lease);
    assert(take() == hung);
    assert(end_of(hung) == 0);
    psn_spawner_close(spawner);
}

static void a_queue_can_be_abandoned_from_the_middle(void)
{
    struct lease lease;
    struct psn_job *jobs[4];
    if (!leases_work())
        return;
    assert(lease_take(&lease, 1) == 0);
    open_spawner(1);
    struct psn_job *hung = submit_program(lease.path);
    lease_await(1);
    for (int i = 0; i < 4; i++)
        jobs[i] = submit_program("/bin/true");
    psn_spawner_abandon(spawner, jobs[1]);
    psn_spawner_abandon(spawner, jobs[3]);
    struct psn_job *last = submit_program("/bin/true");

    for (int taken = 0; taken < 3;)
        for (struct psn_job *job = take(), *next; job != NULL; job = next) {
            next = job->next;
            assert(job == jobs[0] || job == jobs[2] || job == last);
            assert(end_of(job) == 0);
            taken++;
        }

    lease_release(&lease);
    assert(take() == hung);
    assert(end_of(hung) == 0);
    psn_spawner_close(spawner);
}

static void an_exec_that_hangs_is_ended_when_abandoned(void)
{
    struct lease lease;
    if (!leases_work())
        return;
    assert(lease_take(&lease, 1) == 0);
    open_spawner(2);
    struct psn_job *job = new_program(lease.path);
    int output = add_output(job);
    submit(job);
    lease_await(1);

    psn_spawner_abandon(spawner, job);

    assert_silent_end(output);
    assert(!jobs_are_done());
    lease_release(&lease);
    psn_spawner_close(spawner);
}

static void a_running_child_is_ended_when_its_job_is_abandoned(void)
{
    open_spawner(2);
    struct psn_job *job = new_shell("echo; read line");
    int output = add_output(job);
    submit(job);
    wait_readable(psn_spawner_event_fd(spawner));
    wait_for_byte(output);

    psn_spawner_abandon(spawner, job);

    assert(psn_spawner_take(spawner) == NULL);
    assert_silent_end(output);
    psn_spawner_close(spawner);
}

static void a_failed_job_may_be_abandoned(void)
{
    open_spawner(2);
    struct psn_job *job = submit_program("/nowhere");
    wait_readable(psn_spawner_event_fd(spawner));

    psn_spawner_abandon(spawner, job);

    assert(psn_spawner_take(spawner) == NULL);
    psn_spawner_close(spawner);
}

/* Whatever state each job is in by then. */
static void jobs_may_be_abandoned_at_any_moment(void)
{
    enum { COUNT = 200 };
    open_spawner(2);

    for (int i = 0; i < COUNT; i++) {
        struct psn_job *job = ready(new_shell("read line"), inherited);
        submit(job);
        for (volatile int spin = 0; spin < i * 2000; spin++)
            ;
        psn_spawner_abandon(spawner, job);
    }

    assert(psn_spawner_take(spawner) == NULL);
    psn_spawner_close(spawner);
}

static void a_spawner_without_jobs_may_be_closed(void)
{
    open_spawner(2);
    struct psn_job *job = submit_program("/bin/true");
    assert(take() == job);
    assert(end_of(job) == 0);

    psn_spawner_close(spawner);
}

static void close_ends_all_that_was_submitted(void)
{
    enum { COUNT = 60 };
    int outputs[COUNT];
    open_spawner(2);
    for (int i = 0; i < COUNT; i++) {
        struct psn_job *job = new_program("/bin/cat");
        outputs[i] = add_output(job);
        submit(job);
    }

    psn_spawner_close(spawner);

    for (int i = 0; i < COUNT; i++)
        assert_silent_end(outputs[i]);
}

static void close_ends_children_that_were_not_taken(void)
{
    int outputs[5];
    open_spawner(2);
    for (int i = 0; i < 5; i++) {
        struct psn_job *job = new_shell("echo; read line");
        outputs[i] = add_output(job);
        submit(job);
    }
    for (int i = 0; i < 5; i++)
        wait_for_byte(outputs[i]);

    psn_spawner_close(spawner);

    for (int i = 0; i < 5; i++)
        assert_silent_end(outputs[i]);
}

static void close_ends_execs_that_hang(void)
{
    enum { HUNG = 3 };
    struct lease leases[HUNG];
    int outputs[HUNG + 1];
    if (!leases_work())
        return;
    for (int i = 0; i < HUNG; i++)
        assert(lease_take(&leases[i], i + 1) == 0);
    open_spawner(2);
    for (int i = 0; i < HUNG; i++) {
        struct psn_job *job = new_program(leases[i].path);
        outputs[i] = add_output(job);
        submit(job);
    }
    lease_await(HUNG);
    struct psn_job *queued = new_shell("echo ran");
    outputs[HUNG] = add_output(queued);
    submit(queued);

    psn_spawner_close(spawner);

    for (int i = 0; i <= HUNG; i++)
        assert_silent_end(outputs[i]);
    for (int i = 0; i < HUNG; i++)
        lease_release(&leases[i]);
}

static void close_right_after_abandon_loses_nothing(void)
{
    for (int i = 0; i < 20; i++) {
        open_spawner(2);
        struct psn_job *job = submit(ready(new_shell("read line"), inherited));
        submit(ready(new_shell("read line"), inherited));
        psn_spawner_abandon(spawner, job);
        psn_spawner_close(spawner);
    }
}

static void many_spawners_do_not_meet(void)
{
    struct psn_spawner *spawners[10];
    int outputs[10];

    for (int i = 0; i < 10; i++) {
        open_spawner(1 + i % 2);
        spawners[i] = spawner;
        struct psn_job *job = new_shell("echo; read line");
        outputs[i] = add_output(job);
        submit(job);
    }
    for (int i = 0; i < 10; i++) {
        wait_for_byte(outputs[i]);
        psn_spawner_close(spawners[i]);
        assert_silent_end(outputs[i]);
    }
}

static void a_child_can_be_buried(void)
{
    open_spawner(2);
    struct psn_job *job = new_program("/bin/cat");
    int output = add_output(job);
    submit(job);
    assert(take() == job);

    psn_spawner_bury(spawner, take_ref(job));

    assert_silent_end(output);
    assert(!jobs_are_done());
    psn_job_free(job);
    psn_spawner_close(spawner);
}

static void a_burial_is_done_though_the_spawner_is_closed(void)
{
    struct psn_job *jobs[20];
    open_spawner(2);
    for (int i = 0; i < 20; i++) {
        submit_program("/bin/cat");
        jobs[i] = take();
        assert(jobs[i]->next == NULL);
    }

    for (int i = 0; i < 20; i++)
        psn_spawner_bury(spawner, take_ref(jobs[i]));
    psn_spawner_close(spawner);

    for (int i = 0; i < 20; i++)
        psn_job_free(jobs[i]);
}

static void one_that_is_gone_already_can_be_buried(void)
{
    open_spawner(2);
    submit_program("/bin/true");
    struct psn_job *job = take();
    assert(waitpid(job->born.pid, NULL, 0) == job->born.pid);

    psn_spawner_bury(spawner, take_ref(job));

    psn_job_free(job);
    psn_spawner_close(spawner);
}

/* Returns how many threads there are. */
static int check_signals_of_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    char path[300], text[4096];
    int threads = 0;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == getpid())
            continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        read_file(path, text, sizeof text);
        if (strstr(text, "Name:\tprocession\n") == NULL)
            continue;
        unsigned long long blocked = status_field(text, "SigBlk:", 16);
        for (int sig = 1; sig <= SIGRTMAX; sig++)
            if (sig != SIGKILL && sig != SIGSTOP && (sig < 32 || sig >= SIGRTMIN))
                assert(blocked & 1ull << (sig - 1));
        threads++;
    }
    closedir(tasks);
    return threads;
}

static void no_thread_takes_the_programs_signals(void)
{
    open_spawner(2);
    do {
        submit_program("/bin/true");
        assert(end_of(take()) == 0);
        /* On a busy machine a thread may have ended before it is looked at. */
    } while (check_signals_of_threads() == 0);
    psn_spawner_close(spawner);
}

static void check_status_of_child(const char *label, int base,
                                  unsigned long long expected)
{
    char text[8192];
    int memory = open_memory();
    struct psn_job *job =
        new_command((const char *const[]){"/bin/cat", "/proc/self/status", NULL});

    submit(ready(job, (const int[3]){-1, memory, -1}));
    assert(take() == job);
    assert(end_of(job) == 0);
    read_back(memory, text, sizeof text);
    assert(status_field(text, label, base) == expected);
    close(memory);
}

static void the_mask_is_the_callers_not_the_threads(void)
{
    sigset_t wanted, before;
    sigemptyset(&wanted);
    open_spawner(1);

    sigprocmask(SIG_SETMASK, &wanted, &before);
    check_status_of_child("SigBlk:", 16, 0);
    sigaddset(&wanted, SIGUSR1);
    sigprocmask(SIG_SETMASK, &wanted, NULL);
    check_status_of_child("SigBlk:", 16, 1ull << (SIGUSR1 - 1));

    sigprocmask(SIG_SETMASK, &before, NULL);
    psn_spawner_close(spawner);
}

static void change_affinity(void)
{
    cpu_set_t all, one;
    int last = CPU_SETSIZE - 1;
    open_spawner(1);
    assert(sched_getaffinity(0, sizeof all, &all) == 0);
    struct psn_job *job = submit_program("/bin/true");
    assert(take() == job);
    assert(end_of(job) == 0);

    while (!CPU_ISSET(last, &all))
        last--;
    CPU_ZERO(&one);
    CPU_SET(last, &one);
    assert(sched_setaffinity(0, sizeof one, &one) == 0);
    check_status_of_child("Cpus_allowed_list:", 10, (unsigned)last);

    psn_spawner_close(spawner);
}

static void change_nice_value(void)
{
    char text[16];
    int memory = open_memory();
    open_spawner(1);
    struct psn_job *job = submit_program("/bin/true");
    assert(take() == job);
    assert(end_of(job) == 0);

    assert(setpriority(PRIO_PROCESS, 0, 11) == 0);
    job = new_command((const char *const[]){"/usr/bin/nice", NULL});
    submit(ready(job, (const int[3]){-1, memory, -1}));
    assert(take() == job);
    assert(end_of(job) == 0);

    read_back(memory, text, sizeof text);
    assert(atoi(text) == 11);
    psn_spawner_close(spawner);
}

static void affinity_and_nice_value_are_the_callers_not_the_threads(void)
{
    check_in_fork(change_affinity);
    check_in_fork(change_nice_value);
}

/* Threads are refused, processes are not: glibc asks for a thread by clone3. */
static void refuse_threads(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    install_filter(filter, 7);
}

static void work_without_threads(void)
{
    refuse_threads();
    open_spawner(2);
    struct psn_job *job = submit_program("/bin/true");
    assert(jobs_are_done());
    struct psn_job *failed = submit_program("/nowhere");
    assert(count_threads() <= 1 + RUNTIME_THREADS);

    assert(take() == job);
    assert(job->next == failed && failed->next == NULL);
    assert(end_of(job) == 0);
    psn_job_free(failed);

    job = ready(new_shell("read line"), inherited);
    submit(job);
    psn_spawner_abandon(spawner, job);
    assert(!has_children());

    submit_program("/bin/cat");
    job = take();
    psn_spawner_bury(spawner, take_ref(job));
    assert(!has_children());
    psn_job_free(job);

    submit_program("/bin/cat");
    psn_spawner_close(spawner);
    assert(!has_children());
}

static void without_threads_the_caller_does_the_work(void)
{
    check_in_fork(work_without_threads);
}

static void *use_a_spawner(void *unused)
{
    struct psn_spawner *own;

    assert(psn_spawner_open(&own, 2, &can) == 0);
    for (int i = 0; i < 20; i++)
        psn_spawner_submit(own, ready(new_program("/bin/true"), inherited));
    for (int taken = 0; taken < 20;) {
        wait_readable(psn_spawner_event_fd(own));
        for (struct psn_job *job = psn_spawner_take(own), *next; job; job = next) {
            next = job->next;
            assert(end_of(job) == 0);
            taken++;
        }
    }
    psn_spawner_close(own);
    return unused;
}

static void each_thread_may_have_its_own(void)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        assert(pthread_create(&threads[i], NULL, use_a_spawner, NULL) == 0);
    for (int i = 0; i < 4; i++)
        assert(pthread_join(threads[i], NULL) == 0);
}

int main(void)
{
    int ends[2];

    /* read(1) of the children waits here for ever. */
    assert(pipe2(ends, O_CLOEXEC) == 0);
    assert(dup2(ends[0], 0) == 0);
    for (int way = 0; way < 6; way++) {
        has_pidfd = way < 3;
        can.has_pidfd = has_pidfd;
        can.road = way % 3 ? PSN_ROAD_SHARED : PSN_ROAD_COPIED;
        can.own_table_from = way % 3 == 2;
        CHECK(nothing_is_started_before_the_first_job);
        CHECK(a_job_comes_back_with_its_child);
        CHECK(a_job_that_failed_comes_back_without);
        CHECK(the_ends_of_a_finished_job_are_closed);
        CHECK(hundreds_of_jobs_come_back_once_each);
        CHECK(jobs_come_back_in_the_order_in_which_they_were_submitted);
        CHECK(jobs_come_back_in_the_order_in_which_they_finish);
        CHECK(a_thread_without_work_ends);
        CHECK(hung_execs_do_not_hold_up_other_jobs);
        CHECK(workers_that_hung_are_of_use_again);
        CHECK(a_queued_job_that_is_abandoned_never_runs);
        CHECK(a_queue_can_be_abandoned_from_the_middle);
        CHECK(an_exec_that_hangs_is_ended_when_abandoned);
        CHECK(a_running_child_is_ended_when_its_job_is_abandoned);
        CHECK(a_failed_job_may_be_abandoned);
        CHECK(jobs_may_be_abandoned_at_any_moment);
        CHECK(a_spawner_without_jobs_may_be_closed);
        CHECK(close_ends_all_that_was_submitted);
        CHECK(close_ends_children_that_were_not_taken);
        CHECK(close_ends_execs_that_hang);
        CHECK(close_right_after_abandon_loses_nothing);
        CHECK(many_spawners_do_not_meet);
        CHECK(a_child_can_be_buried);
        CHECK(a_burial_is_done_though_the_spawner_is_closed);
        CHECK(one_that_is_gone_already_can_be_buried);
        CHECK(no_thread_takes_the_programs_signals);
        CHECK(the_mask_is_the_callers_not_the_threads);
        CHECK(affinity_and_nice_value_are_the_callers_not_the_threads);
        CHECK(without_threads_the_caller_does_the_work);
        CHECK(each_thread_may_have_its_own);
    }
    return 0;
}
