#include "spawner.h"

#include "psn_crew.h"
#include "psn_sys.h"

#include <sys/resource.h>

static void open_spawner(int own_table_from)
{
    const struct psn_abilities can = {PSN_ROAD_SHARED, has_pidfd, clears_handlers,
                                      own_table_from};

    assert(psn_spawner_open(&spawner, 2, &can) == 0);
}

static struct psn_job *submit(struct psn_job *job)
{
    assert(psn_spawner_submit(spawner, job) == 0);
    return job;
}

/* A job whose child keeps n descriptors, or, if n is -1, the whole table. */
static struct psn_job *new_keeper(const char *path, const int *keep, int n)
{
    struct psn_job *job = new_program(path);
    size_t count = n > 0 ? (size_t)n : 0;

    assert(psn_stdio_plan(&job->plan.stdio, inherited, keep, count, n >= 0) == 0);
    assert(psn_job_seal(job) == 0);
    return job;
}

static struct psn_job *submit_true(void)
{
    return submit(new_keeper("/bin/true", NULL, 0));
}

static void end_well(struct psn_job *job)
{
    siginfo_t info;

    assert(job->born.report.step == PSN_STEP_NONE);
    assert((job->born.pidfd >= 0) == has_pidfd);
    assert(psn_ref_wait(ref_of(job), 0, &info, NULL) == 1);
    assert(info.si_code == CLD_EXITED && info.si_status == 0);
    psn_job_free(job);
}

/* How many threads have as many descriptors as one with a table of its own has for
 * good. */
static int count_settled(void)
{
    DIR *tasks = opendir("/proc/self/task");
    char path[300];
    int count = 0;

    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        snprintf(path, sizeof path, "/proc/self/task/%s/fd", entry->d_name);
        DIR *directory = entry->d_name[0] == '.' ? NULL : opendir(path);
        if (directory == NULL)
            continue;
        closedir(directory);
        count += count_entries(path) == 5;
    }
    closedir(tasks);
    return count;
}

static void a_small_process_has_one_crew(void)
{
    open_spawner(1000);

    submit_true();
    end_well(take());

    assert(spawner->courier.in == -1 && spawner->apart.threads == 0);
    psn_spawner_close(spawner);
}

static void a_large_process_has_threads_with_a_table_of_their_own(void)
{
    int many[64];
    for (int i = 0; i < 64; i++)
        many[i] = open_memory();
    open_spawner(60);

    submit_true();
    while (count_settled() == 0)
        pause_briefly();
    end_well(take());

    assert(spawner->common.threads == 0);
    psn_spawner_close(spawner);
    for (int i = 0; i < 64; i++)
        close(many[i]);
}

static void the_measure_follows_the_process(void)
{
    int many[64];
    open_spawner(60);
    submit_true();
    end_well(take());
    assert(spawner->courier.in == -1);

    for (int i = 0; i < 64; i++)
        many[i] = open_memory();
    struct psn_job *job = new_program("/bin/true");
    job->ends[1] = open_memory();
    submit(ready(job, inherited));
    end_well(take());
    assert(spawner->courier.in >= 0);

    psn_spawner_close(spawner);
    for (int i = 0; i < 64; i++)
        close(many[i]);
}

static void a_child_that_inherits_all_is_made_by_the_other_crew(void)
{
    open_spawner(1);

    submit(new_keeper("/bin/true", NULL, -1));
    end_well(take());

    assert(spawner->courier.in == -1);
    psn_spawner_close(spawner);
}

enum { MOST_JOBS = 100 };

static int64_t submitted_ns[MOST_JOBS];

static void submit_in_turn(struct psn_job *job, int number)
{
    submitted_ns[number] = psn_sys_now_ns();
    submit(job);
}

/* Take the jobs that are numbered from 0 on. They come in that order, but for those
 * that take long, as on a machine that is busy otherwise. */
static void take_in_order(int count)
{
    const int64_t waited_for_ns = 20 * 1000 * 1000;
    uint64_t last = 0;

    for (int taken = 0; taken < count;)
        for (struct psn_job *job = take(), *next; job != NULL; job = next) {
            next = job->next;
            if (job->number < last)
                assert(psn_sys_now_ns() - submitted_ns[job->number] >= waited_for_ns);
            last = job->number;
            end_well(job);
            taken++;
        }
}

static void both_crews_keep_one_order(void)
{
    open_spawner(1);

    for (int i = 0; i < MOST_JOBS; i++)
        submit_in_turn(new_keeper("/bin/true", NULL, i % 3 == 0 ? -1 : 0), i);

    take_in_order(MOST_JOBS);
    psn_spawner_close(spawner);
}

static void what_is_closed_is_an_error(void)
{
    open_spawner(1);

    struct psn_job *job = submit(new_keeper("/bin/true", (const int[1]){700}, 1));

    assert(take() == job);
    assert(job->born.report.step == PSN_STEP_STDIO && job->born.report.err == -EBADF);
    assert(job->born.pid == -1 && job->born.pidfd == -1 && job->seat == -1);
    psn_job_free(job);
    psn_spawner_close(spawner);
}

static void pass_what_is_beyond_the_limit(void)
{
    const struct rlimit few = {50, 50};
    int memory = open_memory();
    int high = fcntl(memory, F_DUPFD_CLOEXEC, 100);
    assert(high == 100 && setrlimit(RLIMIT_NOFILE, &few) == 0);
    open_spawner(1);

    for (int i = 0; i < 10; i++)
        submit_in_turn(new_keeper("/bin/true", &high, i % 4 == 1), i);

    take_in_order(10);
    psn_spawner_close(spawner);
}

static void what_cannot_be_made_apart_is_made_by_the_other_crew(void)
{
    check_in_fork(pass_what_is_beyond_the_limit);
}

static void more_children_than_can_be_on_their_way_keep_their_pidfds(void)
{
    enum { JOBS = 700 };
    open_spawner(1);

    for (int i = 0; i < JOBS; i++)
        submit_true();
    for (;;) {
        pthread_mutex_lock(&spawner->lock);
        int left = spawner->apart.queue.head != NULL || spawner->running.head != NULL;
        pthread_mutex_unlock(&spawner->lock);
        if (!left)
            break;
        pause_briefly();
    }

    for (int taken = 0; taken < JOBS;)
        for (struct psn_job *job = take(), *next; job != NULL; job = next) {
            next = job->next;
            end_well(job);
            taken++;
        }
    psn_spawner_close(spawner);
}

static void leave_no_number(void)
{
    struct rlimit before;
    open_spawner(1);
    submit_true();
    end_well(take());
    struct psn_job *job = new_keeper("/bin/true", NULL, 0);
    getrlimit(RLIMIT_NOFILE, &before);

    setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, before.rlim_max});
    assert(psn_spawner_submit(spawner, job) == -EMFILE);
    setrlimit(RLIMIT_NOFILE, &before);

    submit(job);
    assert(take() == job);
    end_well(job);
    psn_spawner_close(spawner);
}

static void without_a_number_for_the_pidfd_nothing_is_started(void)
{
    if (has_pidfd)
        check_in_fork(leave_no_number);
}

static void take_without_a_number(void)
{
    struct rlimit before;
    open_spawner(1);
    struct psn_job *job = submit_true();
    wait_readable(psn_spawner_event_fd(spawner));
    getrlimit(RLIMIT_NOFILE, &before);

    setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, before.rlim_max});
    assert(psn_spawner_take(spawner) == job);
    setrlimit(RLIMIT_NOFILE, &before);

    assert(job->born.pid > 0 && job->born.pidfd == -1);
    assert(waitpid(job->born.pid, NULL, 0) == job->born.pid);
    psn_job_free(job);
    psn_spawner_close(spawner);
}

static void a_child_whose_pidfd_got_lost_is_known_by_its_number(void)
{
    check_in_fork(take_without_a_number);
}

static void work_under_a_filter(void)
{
    refuse_system_call(SYS_pidfd_getfd, EPERM);
    open_spawner(1);
    for (int i = 0; i < 3; i++) {
        submit_true();
        end_well(take());
    }
    assert(spawner->can.own_table_from == 0 && spawner->courier.in == -1);
    psn_spawner_close(spawner);
}

static void a_refusal_is_remembered(void)
{
    check_in_fork(work_under_a_filter);
}

static void the_other_process_of_a_fork_keeps_nothing(void)
{
    int before = count_entries("/proc/self/fd");
    open_spawner(1);
    submit_true();
    end_well(take());

    pid_t pid = fork();
    if (pid == 0) {
        psn_spawner_forget(spawner);
        _exit(count_entries("/proc/self/fd") == before ? 0 : 1);
    }
    int status;
    assert(waitpid(pid, &status, 0) == pid && status == 0);

    psn_spawner_close(spawner);
}

int main(void)
{
    for (has_pidfd = 0; has_pidfd < 2; has_pidfd++) {
        CHECK(a_small_process_has_one_crew);
        CHECK(a_large_process_has_threads_with_a_table_of_their_own);
        CHECK(the_measure_follows_the_process);
        CHECK(a_child_that_inherits_all_is_made_by_the_other_crew);
        CHECK(both_crews_keep_one_order);
        CHECK(what_is_closed_is_an_error);
        CHECK(what_cannot_be_made_apart_is_made_by_the_other_crew);
        CHECK(more_children_than_can_be_on_their_way_keep_their_pidfds);
        CHECK(without_a_number_for_the_pidfd_nothing_is_started);
        CHECK(a_child_whose_pidfd_got_lost_is_known_by_its_number);
        CHECK(a_refusal_is_remembered);
        CHECK(the_other_process_of_a_fork_keeps_nothing);
    }
    return 0;
}
