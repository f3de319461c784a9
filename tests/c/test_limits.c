#include "command.h"

#include "psn_sys.h"

#include <sched.h>
#include <sys/resource.h>

static enum psn_road road;
static char text[8192];

static struct psn_job *limited(struct psn_job *job)
{
    assert(psn_job_limit(job) == 0);
    return job;
}

static void add(struct psn_job *job, enum psn_limit limit, int resource,
                struct psn_rlimit value)
{
    job->limits->rlimits[job->limits->n_rlimits++] =
        (struct psn_rlimit_of){limit, resource, value};
}

/* Which limit of a job could not be set. Frees the job. */
static enum psn_limit failed_limit_of(struct psn_job *job, int err)
{
    ready(job, inherited);
    assert(spawn(job, road) == err);
    assert(job->born.report.step == PSN_STEP_LIMIT);
    enum psn_limit limit = job->born.report.limit;
    psn_job_free(job);
    return limit;
}

static void limits_that_say_nothing_change_nothing(void)
{
    char before[sizeof text];
    const char *const argv[] = {"/bin/cat", "/proc/self/limits", NULL};
    output_of(new_command(argv), road, before, sizeof before);

    output_of(limited(new_command(argv)), road, text, sizeof text);

    assert(strcmp(text, before) == 0);
}

static void resource_limits_are_the_childs_only(void)
{
    struct rlimit before, after;
    getrlimit(RLIMIT_NOFILE, &before);
    struct psn_job *job = limited(new_shell("ulimit -Sn; ulimit -Hn; ulimit -c"));
    add(job, PSN_LIMIT_OPEN_FILES, RLIMIT_NOFILE, (struct psn_rlimit){20, 30});
    add(job, PSN_LIMIT_CORE, RLIMIT_CORE, (struct psn_rlimit){0, 0});

    output_of(job, road, text, sizeof text);

    assert(strcmp(text, "20\n30\n0\n") == 0);
    getrlimit(RLIMIT_NOFILE, &after);
    assert(before.rlim_cur == after.rlim_cur && before.rlim_max == after.rlim_max);
}

/* The child needs descriptors itself, and has more than it may open. */
static void a_limit_holds_only_from_exec_on(void)
{
    struct psn_job *job = limited(new_program("/bin/true"));
    char tight[] = "0";
    add(job, PSN_LIMIT_OPEN_FILES, RLIMIT_NOFILE, (struct psn_rlimit){0, 0});
    memcpy(job->limits->oom_score_adj, tight, 1);
    job->limits->n_oom_score_adj = 1;

    int status = status_of(ready(job, inherited), road);

    assert(WIFEXITED(status) && WEXITSTATUS(status) == 127);
}

static void the_rest_is_the_childs_only(void)
{
    int nice = getpriority(PRIO_PROCESS, 0);
    cpu_set_t before, after;
    sched_getaffinity(0, sizeof before, &before);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    struct psn_job *job =
        limited(new_shell("nice; cat /proc/self/oom_score_adj; cat /proc/self/status"));
    job->limits->set_nice = 1;
    job->limits->nice = 15;
    memcpy(job->limits->oom_score_adj, "700", 3);
    job->limits->n_oom_score_adj = 3;
    job->limits->cpus[cpu / 8] = (unsigned char)(1 << cpu % 8);
    job->limits->n_cpus = sizeof job->limits->cpus;
    job->limits->io_priority = 3 << 13;
    job->limits->no_new_privileges = 1;
    job->limits->parent = getpid();

    output_of(job, road, text, sizeof text);

    assert(strncmp(text, "15\n700\n", 7) == 0);
    assert(status_field(text, "NoNewPrivs:", 10) == 1);
    assert(status_field(text, "Cpus_allowed_list:", 10) == (unsigned)cpu);
    assert(getpriority(PRIO_PROCESS, 0) == nice);
    sched_getaffinity(0, sizeof after, &after);
    assert(CPU_EQUAL(&before, &after));
    assert(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    read_file("/proc/self/oom_score_adj", text, sizeof text);
    assert(strcmp(text, "700\n") != 0);
}

static void what_cannot_be_set_is_named(void)
{
    struct psn_job *job = limited(new_program("/bin/true"));
    job->limits->cpus[1000] = 1;
    job->limits->n_cpus = sizeof job->limits->cpus;
    assert(failed_limit_of(job, -EINVAL) == PSN_LIMIT_CPUS);

    job = limited(new_program("/bin/true"));
    job->limits->io_priority = 7 << 13;
    assert(failed_limit_of(job, -EINVAL) == PSN_LIMIT_IO_PRIORITY);

    job = limited(new_program("/bin/true"));
    memcpy(job->limits->oom_score_adj, "1001", 4);
    job->limits->n_oom_score_adj = 4;
    assert(failed_limit_of(job, -EINVAL) == PSN_LIMIT_OOM_SCORE_ADJ);

    job = limited(new_program("/bin/true"));
    add(job, PSN_LIMIT_STACK, RLIMIT_STACK, (struct psn_rlimit){2, 1});
    assert(failed_limit_of(job, -EINVAL) == PSN_LIMIT_STACK);
}

static void refuse_privileges(void)
{
    const struct rlimit low = {100, 100};
    const struct psn_rlimit high = {50, 200};

    assert(setrlimit(RLIMIT_NOFILE, &low) == 0);
    if (geteuid() == 0)
        assert(syscall(SYS_setresuid, 65534, 65534, 65534) == 0);
    struct psn_job *job = limited(new_program("/bin/true"));
    add(job, PSN_LIMIT_OPEN_FILES, RLIMIT_NOFILE, high);
    assert(failed_limit_of(job, -EPERM) == PSN_LIMIT_OPEN_FILES);

    job = limited(new_program("/bin/true"));
    job->limits->set_nice = 1;
    job->limits->nice = -20;
    assert(failed_limit_of(job, -EACCES) == PSN_LIMIT_NICE);
}

static void what_takes_a_privilege_is_named(void)
{
    check_in_fork(refuse_privileges);
}

static void raise_for_another_user(void)
{
    const struct rlimit low = {100, 100}, higher = {100, 101};
    char expected[32];

    assert(setrlimit(RLIMIT_NOFILE, &low) == 0);
    /* Root may be without this privilege. */
    const uint64_t hard = setrlimit(RLIMIT_NOFILE, &higher) == 0 ? 200 : 100;
    struct psn_job *job = limited(new_shell("ulimit -Sn; ulimit -Hn; nice"));
    job->plan.uid = 65534;
    add(job, PSN_LIMIT_OPEN_FILES, RLIMIT_NOFILE, (struct psn_rlimit){50, hard});
    job->limits->set_nice = 1;
    job->limits->nice = -5;
    job->limits->parent = getpid();
    output_of(job, road, text, sizeof text);
    snprintf(expected, sizeof expected, "50\n%d\n-5\n", (int)hard);
    assert(strcmp(text, expected) == 0);
}

static void privileges_are_used_before_they_are_given_away(void)
{
    if (geteuid() == 0)
        check_in_fork(raise_for_another_user);
}

static void a_child_whose_parent_is_gone_goes_too(void)
{
    struct psn_job *job = limited(ready(new_program("/bin/true"), inherited));
    job->limits->parent = getppid();
    job->plan.limits = job->limits;

    assert(failure_of(job, road, PSN_STEP_ABANDONED) == -ECANCELED);
}

/* A cgroup v2 directory that we may write to, or NULL. */
static const char *cgroups(void)
{
    static const char *const places[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};

    for (size_t i = 0; i < 2; i++) {
        int fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int is_there = fd >= 0 && faccessat(fd, "cgroup.procs", W_OK, 0) == 0;
        psn_sys_close(&fd);
        if (is_there)
            return places[i];
    }
    printf("skipped: no cgroup v2 that can be written to\n");
    return NULL;
}

static void a_child_starts_in_its_cgroup(void)
{
    char path[128], line[64];
    if (cgroups() == NULL)
        return;
    snprintf(line, sizeof line, "/procession-test-%d", getpid());
    snprintf(path, sizeof path, "%s%s", cgroups(), line);
    assert(mkdir(path, 0755) == 0);
    struct psn_job *job = limited(
        new_command((const char *const[]){"/bin/cat", "/proc/self/cgroup", NULL}));
    job->limits->cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    output_of(job, road, text, sizeof text);

    assert(strstr(text, line) != NULL);
    assert(rmdir(path) == 0);
}

static void a_directory_that_is_no_cgroup_is_named(void)
{
    struct psn_job *job = limited(new_program("/bin/true"));
    job->limits->cgroup = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert(failed_limit_of(job, -ENOENT) == PSN_LIMIT_CGROUP);
}

static void check_all(void)
{
    CHECK(limits_that_say_nothing_change_nothing);
    CHECK(resource_limits_are_the_childs_only);
    CHECK(a_limit_holds_only_from_exec_on);
    CHECK(the_rest_is_the_childs_only);
    CHECK(what_cannot_be_set_is_named);
    CHECK(what_takes_a_privilege_is_named);
    CHECK(privileges_are_used_before_they_are_given_away);
    CHECK(a_child_whose_parent_is_gone_goes_too);
    CHECK(a_child_starts_in_its_cgroup);
    CHECK(a_directory_that_is_no_cgroup_is_named);
}

int main(void)
{
    for (road = PSN_ROAD_SHARED; road <= PSN_ROAD_COPIED; road++)
        check_all();
    road = PSN_ROAD_SHARED;
    clears_handlers = 0;
    check_all();
    return 0;
}
