#include "command.h"

#include "psn_stdio.h"

static enum psn_road road;

static void a_plan_for_nothing_is_empty(void)
{
    struct psn_stdio stdio;
    psn_stdio_init(&stdio);

    assert(psn_stdio_plan(&stdio, inherited, NULL, 0, 0) == 0);

    assert(stdio.count == 0);
    psn_stdio_free(&stdio);
    psn_stdio_free(&stdio);
    assert(stdio.ops == NULL);
}

static void sources_in_the_way_are_lifted_before_anything_moves(void)
{
    struct psn_stdio stdio;
    psn_stdio_init(&stdio);

    assert(psn_stdio_plan(&stdio, (const int[3]){1, 0, 7}, NULL, 0, 0) == 0);

    const enum psn_fdop_kind kinds[] = {PSN_FDOP_LIFT, PSN_FDOP_LIFT, PSN_FDOP_LIFTED,
                                        PSN_FDOP_LIFTED, PSN_FDOP_MOVE};
    assert(stdio.count == 5);
    for (size_t i = 0; i < stdio.count; i++)
        assert(stdio.ops[i].kind == kinds[i]);
    psn_stdio_free(&stdio);
}

static void all_is_marked_before_the_kept_are_unmarked(void)
{
    struct psn_stdio stdio;
    psn_stdio_init(&stdio);

    assert(psn_stdio_plan(&stdio, inherited, (const int[]){9, 8}, 2, 1) == 0);

    assert(stdio.count == 3);
    assert(stdio.ops[0].kind == PSN_FDOP_CLOSE && stdio.ops[0].from == 3);
    assert(stdio.ops[1].kind == PSN_FDOP_KEEP && stdio.ops[1].from == 9);
    assert(stdio.ops[2].kind == PSN_FDOP_KEEP && stdio.ops[2].from == 8);
    psn_stdio_free(&stdio);
}

static void the_fullest_plan_fits(void)
{
    struct psn_stdio stdio;
    psn_stdio_init(&stdio);

    assert(psn_stdio_plan(&stdio, (const int[3]){1, 2, 0}, (const int[]){9}, 1, 1) ==
           0);

    assert(stdio.count == 8);
    psn_stdio_free(&stdio);
}

static void a_keep_list_without_end_is_refused(void)
{
    struct psn_stdio stdio;
    psn_stdio_init(&stdio);

    assert(psn_stdio_plan(&stdio, inherited, NULL, (size_t)-1, 1) == -ENOMEM);

    psn_stdio_free(&stdio);
}

enum { SPARE = 20, MEMORIES = 40 };

/* What stands at 0-2 and at SPARE in the parent: a file each, or nothing. The files
 * have a second, inaccessible number from MEMORIES on. */
static void check_arrangement(const int source[3], unsigned closed)
{
    char expected[4][8] = {"", "", "", ""}, got[16];
    for (int fd = 0; fd < 3; fd++) {
        int from = source[fd] >= 0 ? source[fd] : fd;
        if (from == SPARE || !(closed & 1u << from))
            sprintf(strchr(expected[from == SPARE ? 3 : from], 0), "%d\n", fd);
    }
    for (int i = 0; i < 4; i++) {
        assert(ftruncate(MEMORIES + i, 0) == 0);
        assert(lseek(MEMORIES + i, 0, SEEK_SET) == 0);
    }

    struct psn_job *job =
        new_shell("{ echo 0 >&0; echo 1; } 2>/dev/null; echo 2 >&2; exit 0");
    status_of(ready(job, source), road);

    for (int i = 0; i < 4; i++) {
        read_back(MEMORIES + i, got, sizeof got);
        assert(strcmp(got, expected[i]) == 0);
    }
}

static int is_a_source(int fd, unsigned closed)
{
    return fd < 0 || fd == SPARE || !(closed & 1u << fd);
}

static void arrange_with(unsigned closed)
{
    static const int sources[] = {-1, 0, 1, 2, SPARE};
    int source[3];

    for (int i = 0; i < 5 * 5 * 5; i++) {
        source[0] = sources[i % 5];
        source[1] = sources[i / 5 % 5];
        source[2] = sources[i / 25];
        if (is_a_source(source[0], closed) && is_a_source(source[1], closed) &&
            is_a_source(source[2], closed))
            check_arrangement(source, closed);
    }
}

static void arrange_in_all_ways(void)
{
    for (int i = 0; i < 4; i++) {
        int memory = open_memory();
        assert(dup3(memory, MEMORIES + i, O_CLOEXEC) == MEMORIES + i);
        close(memory);
    }
    assert(dup3(MEMORIES + 3, SPARE, O_CLOEXEC) == SPARE);
    for (unsigned closed = 0; closed < 8; closed++) {
        for (int fd = 0; fd < 3; fd++) {
            if (closed & 1u << fd)
                close(fd);
            else
                assert(dup2(MEMORIES + fd, fd) == fd);
        }
        arrange_with(closed);
    }
}

static void every_arrangement_with_0_to_2_open_or_closed_reaches_the_child(void)
{
    check_in_fork(arrange_in_all_ways);
}

static void use_pipes_at_0_to_2(void)
{
    int ends[2];
    char got[8];

    for (int fd = 0; fd < 3; fd++)
        close(fd);
    assert(pipe2(ends, O_CLOEXEC) == 0);
    assert(ends[0] == 0 && ends[1] == 1);
    struct psn_job *job = new_shell("echo out; echo err >&2");
    status_of(ready(job, (const int[3]){-1, 1, 1}), road);
    close(1);
    assert(read(0, got, sizeof got) == 8);
    assert(memcmp(got, "out\nerr\n", 8) == 0);
    close(0);
}

static void pipes_born_at_0_to_2_are_as_good_as_any(void)
{
    check_in_fork(use_pipes_at_0_to_2);
}

static void the_parents_descriptors_stay_as_they_are(void)
{
    int memory = open_memory();
    int flags = fcntl(0, F_GETFD);

    struct psn_job *job = new_program("/bin/true");
    assert(status_of(ready(job, (const int[3]){memory, memory, memory}), road) == 0);

    assert(fcntl(memory, F_GETFD) == FD_CLOEXEC);
    assert(fcntl(0, F_GETFD) == flags);
    close(memory);
}

static void a_closed_source_is_reported(void)
{
    struct psn_job *job = ready(new_program("/bin/true"), (const int[3]){-1, 999, -1});

    assert(failure_of(job, road, PSN_STEP_STDIO) == -EBADF);
}

static void lift_a_closed_source(void)
{
    close(0);
    struct psn_job *job = ready(new_program("/bin/true"), (const int[3]){-1, 0, -1});
    assert(failure_of(job, road, PSN_STEP_STDIO) == -EBADF);
}

/* Where memory is copied the report's pipe takes the number that is free. */
static void a_closed_source_in_the_way_is_reported(void)
{
    if (road == PSN_ROAD_SHARED)
        check_in_fork(lift_a_closed_source);
}

static void list_descriptors(const int *keep, size_t n, int close_fds, char *to,
                             size_t size)
{
    struct psn_job *job =
        new_command((const char *const[]){"/bin/ls", "/proc/self/fd", NULL});
    int memory = open_memory();
    const int source[3] = {-1, memory, -1};

    assert(psn_stdio_plan(&job->plan.stdio, source, keep, n, close_fds) == 0);
    assert(psn_job_seal(job) == 0);
    assert(status_of(job, road) == 0);
    read_back(memory, to, size);
    close(memory);
}

/* Descriptor 3 of ls is the directory that it reads. */
static void nothing_above_2_survives(void)
{
    char got[256];
    int copies[300];
    for (int i = 0; i < 300; i++)
        assert((copies[i] = fcntl(1, F_DUPFD, 3)) >= 3);

    list_descriptors(NULL, 0, 1, got, sizeof got);

    assert(strcmp(got, "0\n1\n2\n3\n") == 0);
    for (int i = 0; i < 300; i++)
        close(copies[i]);
}

static void what_is_kept_survives_whatever_its_flag(void)
{
    char got[256];
    assert(dup3(1, 50, O_CLOEXEC) == 50);
    assert(dup2(1, 51) == 51);
    assert(dup2(1, 52) == 52);

    list_descriptors((const int[]){51, 50, 2}, 3, 1, got, sizeof got);

    assert(strcmp(got, "0\n1\n2\n3\n50\n51\n") == 0);
    assert(fcntl(50, F_GETFD) == FD_CLOEXEC);
    for (int fd = 50; fd < 53; fd++)
        close(fd);
}

static void without_closing_the_flags_decide(void)
{
    char got[256];
    assert(dup3(1, 50, O_CLOEXEC) == 50);
    assert(dup2(1, 51) == 51);
    assert(dup3(1, 52, O_CLOEXEC) == 52);

    list_descriptors((const int[]){50}, 1, 0, got, sizeof got);

    assert(strstr(got, "50\n51\n") != NULL);
    assert(strstr(got, "52\n") == NULL);
    for (int fd = 50; fd < 53; fd++)
        close(fd);
}

static void a_kept_descriptor_that_is_closed_is_reported(void)
{
    struct psn_job *job = new_program("/bin/true");
    assert(psn_stdio_plan(&job->plan.stdio, inherited, (const int[]){999}, 1, 1) == 0);
    assert(psn_job_seal(job) == 0);

    assert(failure_of(job, road, PSN_STEP_STDIO) == -EBADF);
}

static void close_without_close_range(unsigned err)
{
    refuse_system_call(SYS_close_range, err);
    nothing_above_2_survives();
    what_is_kept_survives_whatever_its_flag();
}

static void refuse_as_an_old_kernel(void)
{
    close_without_close_range(ENOSYS);
}

static void refuse_as_a_sandbox(void)
{
    close_without_close_range(EPERM);
}

/* From Linux 5.9 to 5.10 the call is there and the flag is not. */
static void refuse_the_flag(void)
{
    close_without_close_range(EINVAL);
}

static void descriptors_are_closed_where_close_range_is_refused(void)
{
    check_in_fork(refuse_as_an_old_kernel);
    check_in_fork(refuse_as_a_sandbox);
    check_in_fork(refuse_the_flag);
}

/* A process that gave its privileges away must still be able to list its own
 * descriptors, though its memory, the parent's, cannot be dumped any more. */
static void refuse_and_become_another_user(void)
{
    char got[256];
    int memory = open_memory();

    refuse_system_call(SYS_close_range, ENOSYS);
    assert(dup2(1, 51) == 51);
    struct psn_job *job =
        new_command((const char *const[]){"/bin/ls", "/proc/self/fd", NULL});
    job->plan.uid = 65534;
    job->plan.gid = 65534;
    assert(status_of(ready(job, (const int[3]){-1, memory, -1}), road) == 0);
    read_back(memory, got, sizeof got);
    assert(strcmp(got, "0\n1\n2\n3\n") == 0);
}

static void descriptors_are_closed_by_another_user_without_close_range(void)
{
    if (geteuid() != 0) {
        printf("skipped: only root can change the user\n");
        return;
    }
    check_in_fork(refuse_and_become_another_user);
}

int main(void)
{
    CHECK(a_plan_for_nothing_is_empty);
    CHECK(sources_in_the_way_are_lifted_before_anything_moves);
    CHECK(all_is_marked_before_the_kept_are_unmarked);
    CHECK(the_fullest_plan_fits);
    CHECK(a_keep_list_without_end_is_refused);
    for (road = PSN_ROAD_SHARED; road <= PSN_ROAD_COPIED; road++) {
        CHECK(every_arrangement_with_0_to_2_open_or_closed_reaches_the_child);
        CHECK(pipes_born_at_0_to_2_are_as_good_as_any);
        CHECK(the_parents_descriptors_stay_as_they_are);
        CHECK(a_closed_source_is_reported);
        CHECK(a_closed_source_in_the_way_is_reported);
        CHECK(nothing_above_2_survives);
        CHECK(what_is_kept_survives_whatever_its_flag);
        CHECK(without_closing_the_flags_decide);
        CHECK(a_kept_descriptor_that_is_closed_is_reported);
        CHECK(descriptors_are_closed_where_close_range_is_refused);
        CHECK(descriptors_are_closed_by_another_user_without_close_range);
    }
    return 0;
}
