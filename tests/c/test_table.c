#include "command.h"

#include "psn_courier.h"
#include "psn_sys.h"
#include "psn_table.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

static struct psn_courier courier;
static int event_fd;

static void open_descriptors(void)
{
    psn_courier_init(&courier);
    assert(psn_courier_open(&courier) == 0);
    event_fd = eventfd(0, EFD_CLOEXEC);
    assert(event_fd >= 0);
}

static void close_descriptors(void)
{
    psn_courier_close(&courier);
    close(event_fd);
}

static void *run_body(void *arg)
{
    void (*const *body)(void) = arg;

    assert(psn_table_open() == 0);
    assert(psn_table_connect(&courier, event_fd) == 0);
    (*body)();
    return NULL;
}

/* Run a body in a thread that has a table of its own, and end it. */
static void in_own_table(void (*body)(void))
{
    pthread_t thread;

    open_descriptors();
    assert(pthread_create(&thread, NULL, run_body, (void *)&body) == 0);
    assert(pthread_join(thread, NULL) == 0);
    close_descriptors();
}

static int count_own(void)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%ld/fd", syscall(SYS_gettid));
    /* The directory itself is open while it is counted. */
    return count_entries(path) - 1;
}

static void look_at_an_open_table(void)
{
    const uint64_t one = 1;

    assert(count_own() == 5);
    for (int fd = 0; fd < 5; fd++)
        assert(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    assert(psn_courier_is_out(&courier, PSN_TABLE_COURIER));
    assert(write(PSN_TABLE_EVENT, &one, sizeof one) == sizeof one);
}

static void an_open_table_has_what_the_thread_needs(void)
{
    in_own_table(look_at_an_open_table);
}

static void the_check_changes_nothing(void)
{
    int before = count_entries("/proc/self/fd");
    open_descriptors();

    assert(psn_table_check(&courier) == 0);

    assert(count_entries("/proc/self/fd") == before + 3);
    close_descriptors();
}

static void refuse_and_check(unsigned number, unsigned err)
{
    open_descriptors();
    refuse_system_call(number, err);
    assert(psn_table_check(&courier) == -(int)err);
}

static void refuse_close_range(void)
{
    refuse_and_check(SYS_close_range, ENOSYS);
}

static void refuse_pidfd_open(void)
{
    refuse_and_check(SYS_pidfd_open, EPERM);
}

static void refuse_pidfd_getfd(void)
{
    refuse_and_check(SYS_pidfd_getfd, EPERM);
}

static void a_refusal_is_found_out(void)
{
    check_in_fork(refuse_close_range);
    check_in_fork(refuse_pidfd_open);
    check_in_fork(refuse_pidfd_getfd);
}

static void *check_in_other_table(void *unused)
{
    int numbers[2] = {courier.in, courier.out};

    assert(unshare(CLONE_FILES) == 0);
    psn_courier_close(&courier);
    assert(psn_courier_open(&courier) == 0);
    /* The process has another socket under this number. */
    assert(courier.in == numbers[0] && courier.out == numbers[1]);
    assert(psn_table_check(&courier) == -ENOTSUP);
    psn_courier_close(&courier);
    courier = (struct psn_courier){numbers[0], numbers[1], 0};
    return unused;
}

static void a_table_that_cannot_be_fetched_from_is_found_out(void)
{
    pthread_t thread;
    open_descriptors();

    assert(pthread_create(&thread, NULL, check_in_other_table, NULL) == 0);
    assert(pthread_join(thread, NULL) == 0);

    close_descriptors();
}

static struct psn_job *job;
static struct psn_stack stack;

/* Spawn the job. Returns as psn_table_spawn(). */
static int spawn_it(void)
{
    const struct psn_abilities can = {PSN_ROAD_SHARED, has_pidfd, clears_handlers, 1};

    assert(psn_stack_init(&stack) == 0);
    int rc = psn_table_spawn(job, &can, &stack);
    psn_stack_free(&stack);
    return rc;
}

static void spawn_and_reap(void)
{
    siginfo_t info;

    assert(spawn_it() == 0);
    assert(job->born.pidfd == -1 && job->born.pid > 0);
    assert((job->born.away >= 0) == has_pidfd);
    struct psn_ref ref = {job->born.pid, job->born.away};
    assert(psn_ref_wait(ref, 0, &info, NULL) == 1);
    assert(info.si_code == CLD_EXITED && info.si_status == 0);
    psn_sys_close(&ref.pidfd);
    assert(count_own() == 5);
}

static void seal(const int source[3], const int *keep, size_t n)
{
    assert(psn_stdio_plan(&job->plan.stdio, source, keep, n, 1) == 0);
    assert(psn_job_seal(job) == 0);
    assert(psn_table_suits(&job->plan));
    psn_table_note_caller(job);
}

#define REPORT 900

/* Expect of the child's descriptors these, each with the name of the file that it is.
 */
static void check_names(const int source[3], const int *keep, size_t n,
                        const char *expected)
{
    char text[1024];
    int out = open_memory();
    int report = fcntl(out, F_DUPFD_CLOEXEC, REPORT);
    int all[40] = {0};

    assert(report == REPORT);
    close(out);
    for (size_t i = 0; i < n; i++)
        all[i] = keep[i];
    all[n] = report;
    /* Its own descriptors are not changed by a shell that waits for another. */
    job = new_shell("(for n in 0 1 2 3 4 5 6 7 8 9 10 11 20 21 30 200 201; do "
                    "echo $n $(readlink /proc/$$/fd/$n); "
                    "done) >/proc/$$/fd/900 2>/dev/null; exit 0");
    seal(source, all, n + 1);
    in_own_table(spawn_and_reap);
    read_back(report, text, sizeof text);
    for (const char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        const char *name = strstr(line, "/memfd:");
        if (name == NULL) {
            assert(strchr(line, ' ') == NULL);
            continue;
        }
        assert(atoi(line) == atoi(expected));
        expected = strchr(expected, ' ') + 1;
        assert(name[7] == *expected++);
        expected += *expected == ' ';
    }
    assert(*expected == '\0');
    close(report);
    psn_job_free(job);
}

/* Open a file of this name under a number that is free. */
static void put(int number, const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    assert(fd >= 0);
    if (fd == number)
        return;
    assert(dup3(fd, number, O_CLOEXEC) == number);
    close(fd);
}

static void pass_many(void)
{
    const int keep[] = {3, 4, 5, 6, 7, 8, 9, 11, 20, 21, 200};

    for (int fd = 0; fd < 3; fd++)
        close(fd);
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
        put(keep[i], (const char[2]){(char)('a' + i), '\0'});
    put(30, "y");
    put(201, "z");

    check_names(inherited, keep, sizeof keep / sizeof *keep,
                "3 a 4 b 5 c 6 d 7 e 8 f 9 g 11 h 20 i 21 j 200 k");
}

static void every_number_can_be_passed_on(void)
{
    check_in_fork(pass_many);
}

static void mix_the_low_ones(void)
{
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    put(0, "a");
    put(1, "b");
    put(2, "c");
    put(30, "d");

    check_names((const int[3]){2, 0, 1}, NULL, 0, "0 c 1 a 2 b");
    check_names((const int[3]){1, 1, 1}, NULL, 0, "0 b 1 b 2 b");
    check_names((const int[3]){-1, 0, -1}, (const int[1]){2}, 1, "1 a 2 c");
    check_names(inherited, NULL, 0, "");
    fcntl(0, F_SETFD, 0);
    fcntl(1, F_SETFD, 0);
    check_names(inherited, NULL, 0, "0 a 1 b");
    check_names((const int[3]){-1, 30, -1}, (const int[1]){30}, 1, "0 a 1 d 30 d");
    close(0);
    check_names(inherited, NULL, 0, "1 b");
}

static void the_low_ones_are_those_of_any_child(void)
{
    check_in_fork(mix_the_low_ones);
}

static void spawn_in_vain(void)
{
    assert(spawn_it() == -EBADF);
    assert(job->born.report.step == PSN_STEP_STDIO && job->born.report.err == -EBADF);
    assert(job->born.pid == -1 && job->born.away == -1);
    assert(count_own() == 5);
}

static void one_that_is_closed_is_an_error(void)
{
    job = new_program("/bin/true");
    seal(inherited, (const int[2]){5, 700}, 2);

    in_own_table(spawn_in_vain);

    psn_job_free(job);
}

static void fail_to_exec(void)
{
    assert(spawn_it() == -ENOENT);
    assert(job->born.report.step == PSN_STEP_EXEC);
    psn_ref_bury((struct psn_ref){job->born.pid, job->born.away});
    assert(count_own() == 5);
}

static void a_failure_of_the_child_is_reported(void)
{
    job = new_program("/nowhere");
    seal(inherited, NULL, 0);

    in_own_table(fail_to_exec);

    psn_job_free(job);
}

static void not_every_plan_suits(void)
{
    int keep[40];
    job = new_program("/bin/true");
    assert(psn_stdio_plan(&job->plan.stdio, inherited, NULL, 0, 0) == 0);
    assert(!psn_table_suits(&job->plan));
    psn_stdio_free(&job->plan.stdio);

    for (int i = 0; i < 40; i++)
        keep[i] = 100 + i;
    assert(psn_stdio_plan(&job->plan.stdio, inherited, keep, 40, 1) == 0);
    assert(!psn_table_suits(&job->plan));

    psn_job_free(job);
}

static void a_record_lock_stays_with_the_process(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    int memory = open_memory();
    assert(fcntl(memory, F_SETLK, &lock) == 0);
    job = new_program("/bin/true");
    seal((const int[3]){-1, memory, -1}, (const int[1]){memory}, 1);

    in_own_table(spawn_and_reap);

    pid_t pid = fork();
    if (pid == 0) {
        fcntl(memory, F_GETLK, &lock);
        _exit(lock.l_type == F_WRLCK && lock.l_pid == getppid() ? 0 : 1);
    }
    int status;
    assert(waitpid(pid, &status, 0) == pid && status == 0);
    close(memory);
    psn_job_free(job);
}

int main(void)
{
    /* Nothing but these, so that the numbers in here are free. */
    syscall(SYS_close_range, 3, ~0u, 0);
    for (has_pidfd = 0; has_pidfd < 2; has_pidfd++) {
        CHECK(an_open_table_has_what_the_thread_needs);
        CHECK(the_check_changes_nothing);
        CHECK(a_refusal_is_found_out);
        CHECK(a_table_that_cannot_be_fetched_from_is_found_out);
        CHECK(every_number_can_be_passed_on);
        CHECK(the_low_ones_are_those_of_any_child);
        CHECK(one_that_is_closed_is_an_error);
        CHECK(a_failure_of_the_child_is_reported);
        CHECK(not_every_plan_suits);
        CHECK(a_record_lock_stays_with_the_process);
    }
    return 0;
}
