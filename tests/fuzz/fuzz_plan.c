/* Plans from arbitrary bytes: strings are packed as they were given, and a child that
 * carries a plan out has the descriptors that the plan says, and no other. */
#include "input.h"

#include "psn_argv.h"
#include "psn_child.h"
#include "psn_job.h"
#include "psn_stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifdef HAS_SANITIZER
#include <sanitizer/asan_interface.h>
#else
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

#define MOST_STRINGS 24
#define MOST_OF_A_STRING 700
#define N_FDS 16
#define FIRST_OF_OURS 40
#define STACK_BYTES (256 * 1024)

/* What is known of a string: its bytes, and how many. */
static struct {
    char bytes[4 * MOST_OF_A_STRING];
    size_t n;
} strings[MOST_STRINGS];

/* How a child begins: each of its first descriptors is a file of its own, or closed. */
struct beginning {
    int is_open[N_FDS];
    int is_cloexec[N_FDS];
};

/* The child's memory is ours, so it can tell what it has become. */
struct child {
    const struct psn_plan *plan;
    const struct beginning *beginning;
    struct psn_report report;
    ino_t survives[N_FDS]; /* 0: closed, or to be closed by the exec */
};

static ino_t inodes[N_FDS];
static char stack[STACK_BYTES] __attribute__((aligned(4096)));

static void check_strings(struct psn_argv *argv, size_t count)
{
    char *const *vector = psn_argv_seal(argv);

    assert(vector != NULL && argv->count == count && vector[count] == NULL);
    for (size_t i = 0; i < count; i++) {
        assert(strlen(vector[i]) == strings[i].n);
        assert(memcmp(vector[i], strings[i].bytes, strings[i].n) == 0);
    }
}

static void pack_strings(struct input *input)
{
    char given[MOST_OF_A_STRING];
    struct psn_argv argv, again;
    size_t count = 0;

    psn_argv_init(&argv);
    for (int steps = input_byte(input) % (2 * MOST_STRINGS); steps > 0; steps--) {
        unsigned what = input_byte(input);
        size_t n = input_copy(input, given, input_size(input) % sizeof given);
        int has_nul = n > 0 && memchr(given, '\0', n) != NULL, rc;
        if (what % 4 == 0 && count > 0 &&
            strings[count - 1].n + n + 1 < sizeof strings[0].bytes) {
            rc = psn_argv_extend(&argv, '=', given, n);
            if (rc == 0) {
                strings[count - 1].bytes[strings[count - 1].n] = '=';
                memcpy(strings[count - 1].bytes + strings[count - 1].n + 1, given, n);
                strings[count - 1].n += n + 1;
            }
        } else if (count < MOST_STRINGS) {
            rc = psn_argv_push(&argv, given, n);
            if (rc == 0) {
                memcpy(strings[count].bytes, given, n);
                strings[count++].n = n;
            }
        } else {
            break;
        }
        assert(rc == (has_nul ? -EINVAL : 0));
        if (what % 16 == 1)
            check_strings(&argv, count);
    }
    check_strings(&argv, count);
    psn_argv_init(&again);
    assert(psn_argv_push_all(&again, psn_argv_seal(&argv)) == 0);
    psn_argv_free(&argv);
    check_strings(&again, count);
    psn_argv_free(&again);
}

static void make_files(void)
{
    if (inodes[0] != 0)
        return;
    for (int i = 0; i < N_FDS; i++) {
        struct stat stat;
        int fd = memfd_create("fuzz", MFD_CLOEXEC);
        assert(fd >= 0 && dup3(fd, FIRST_OF_OURS + i, O_CLOEXEC) >= 0);
        assert(fstat(fd, &stat) == 0);
        inodes[i] = stat.st_ino;
        close(fd);
    }
}

static int child_main(void *arg)
{
    struct child *child = arg;

    for (int fd = 0; fd < N_FDS; fd++) {
        if (child->beginning->is_open[fd])
            dup3(FIRST_OF_OURS + fd, fd,
                 child->beginning->is_cloexec[fd] ? O_CLOEXEC : 0);
        else
            close(fd);
    }
    if (psn_child_prepare(child->plan, &child->report) == 0)
        psn_child_exec(child->plan, &child->report);
    for (int fd = 0; fd < N_FDS; fd++) {
        struct stat stat;
        int flags = fcntl(fd, F_GETFD);
        child->survives[fd] = 0;
        if (flags >= 0 && !(flags & FD_CLOEXEC) && fstat(fd, &stat) == 0)
            child->survives[fd] = stat.st_ino;
    }
    psn_child_exit(0);
    return 0;
}

static void run(struct child *child)
{
    sigset_t all, before;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone(child_main, stack + sizeof stack,
                      CLONE_VM | CLONE_VFORK | SIGCHLD, child);
    assert(pid > 0);
    assert(waitpid(pid, NULL, 0) == pid);
    sigprocmask(SIG_SETMASK, &before, NULL);
    /* The child has left in the middle of its frames. */
    ASAN_UNPOISON_MEMORY_REGION(stack, sizeof stack);
}

/* A descriptor that is open to begin with, or `otherwise`. */
static int pick(struct input *input, const struct beginning *beginning, int otherwise)
{
    unsigned fd = input_byte(input) % (2 * N_FDS);

    return fd < N_FDS && beginning->is_open[fd] ? (int)fd : otherwise;
}

static void carry_out(struct input *input)
{
    struct beginning beginning;
    struct psn_job *job = psn_job_new();
    struct child child = {&job->plan, &beginning, {.step = PSN_STEP_NONE}, {0}};
    int source[3], keep[N_FDS], is_kept[N_FDS] = {0};
    size_t n_kept = 0;
    char name[16];

    assert(job != NULL);
    unsigned open_ones = input_byte(input) | input_byte(input) << 8;
    unsigned cloexec_ones = input_byte(input) | input_byte(input) << 8;
    for (int fd = 0; fd < N_FDS; fd++) {
        beginning.is_open[fd] = open_ones >> fd & 1;
        beginning.is_cloexec[fd] = cloexec_ones >> fd & 1;
    }
    for (int to = 0; to < 3; to++)
        source[to] = pick(input, &beginning, -1);
    for (int n = input_byte(input) % N_FDS; n > 0; n--) {
        int fd = pick(input, &beginning, -1);
        if (fd >= 0) {
            keep[n_kept++] = fd;
            is_kept[fd] = 1;
        }
    }
    unsigned wishes = input_byte(input);
    int close_fds = wishes & 1, is_abandoned = (wishes & 14) == 14;
    int has_no_directory = (wishes & 48) == 48;

    assert(psn_stdio_plan(&job->plan.stdio, source, keep, n_kept, close_fds) == 0);
    /* Nothing below this directory is ever run. */
    size_t n = input_copy(input, name, sizeof name);
    assert(psn_argv_push(&job->paths, "/nonexistent", 12) == 0);
    int rc = psn_argv_extend(&job->paths, '/', name, n);
    assert(rc == 0 || rc == -EINVAL);
    assert(psn_job_seal(job) == 0);
    job->plan.cwd = has_no_directory ? "/nonexistent" : wishes & 64 ? "/" : NULL;
    job->plan.umask = wishes & 128 ? 077 : -1;
    atomic_store(&job->abandoned, is_abandoned);

    run(&child);

    if (has_no_directory) {
        assert(child.report.step == PSN_STEP_CHDIR && child.report.err == -ENOENT);
    } else if (is_abandoned) {
        assert(child.report.step == PSN_STEP_ABANDONED);
    } else {
        assert(child.report.step == PSN_STEP_EXEC);
        assert(child.report.err == -ENOENT || child.report.err == -ENAMETOOLONG);
        for (int fd = 0; fd < N_FDS; fd++) {
            int from = fd < 3 && source[fd] >= 0 ? source[fd] : fd;
            int is_inherited = beginning.is_open[fd] && !beginning.is_cloexec[fd] &&
                               (fd < 3 || !close_fds);
            int stays = (fd < 3 && source[fd] >= 0) || is_kept[fd] || is_inherited;
            assert(child.survives[fd] == (stays ? inodes[from] : 0));
        }
    }
    psn_job_free(job);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};

    make_files();
    if (input_byte(&input) % 2)
        pack_strings(&input);
    else
        carry_out(&input);
    return 0;
}
