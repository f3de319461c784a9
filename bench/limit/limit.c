#define _GNU_SOURCE
#include "limit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

/* CLOSE_RANGE_UNSHARE of close_range(2). */
enum { LIM_UNSHARE = 2 };

/* P_PIDFD of waitid(2), an enum value that older libc headers do not have. */
enum { LIM_P_PIDFD = 3 };

/* The first descriptor of the launch pad, which has three. */
enum { PAD = 3 };

extern char **environ;

struct start {
    char *const *argv;
    int fd[3];  /* the child's ends, -1 to inherit */
    int on_pad; /* the table is shared: unshare the part up to the pad first */
};

/* Runs in the parent's memory until exec. */
static int child_main(void *arg)
{
    const struct start *start = arg;
    if (start->on_pad && syscall(SYS_close_range, PAD + 3, ~0u, LIM_UNSHARE) != 0)
        _exit(125);
    for (int i = 0; i < 3; i++)
        if (start->fd[i] >= 0 && dup2(start->fd[i], i) < 0)
            _exit(126);
    execve(start->argv[0], start->argv, environ);
    _exit(127);
}

/* Returns the pidfd. */
static int start_child(struct start *start, int more_flags)
{
    /* The parent stands still until exec, so one stack serves all children. */
    static _Alignas(64) char stack[32768];
    int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD | more_flags;
    int pidfd;
    int pid = clone(child_main, stack + sizeof(stack), flags, start, &pidfd);
    lim_expect(pid > 0, "clone");
    return pidfd;
}

static void open_pipe(int i, int *ours, int *theirs)
{
    int ends[2];
    lim_expect(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
    *ours = i == 0 ? ends[1] : ends[0];
    *theirs = i == 0 ? ends[0] : ends[1];
}

void lim_spawn(struct lim_child *child, char *const argv[], unsigned pipes)
{
    struct start start = {argv, {-1, -1, -1}, 0};

    for (int i = 0; i < 3; i++) {
        child->fd[i] = -1;
        if (pipes & 1u << i)
            open_pipe(i, &child->fd[i], &start.fd[i]);
    }
    child->pidfd = start_child(&start, 0);
    for (int i = 0; i < 3; i++)
        lim_close(&start.fd[i]);
}

int lim_open_pad(void)
{
    /* An empty range: nothing is closed, the call only says whether it is there. */
    lim_expect(syscall(SYS_close_range, ~0u, ~0u, 0) == 0, "close_range");
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int pad = fcntl(fd, F_DUPFD_CLOEXEC, PAD + 3);
    lim_expect(pad >= 0, "/dev/null");
    for (int i = 0; i < 3; i++)
        lim_expect(dup3(pad, PAD + i, O_CLOEXEC) == PAD + i, "dup3");
    if (fd >= PAD + 3)
        lim_close(&fd);
    return pad;
}

void lim_spawn_from_pad(struct lim_child *child, char *const argv[], unsigned pipes,
                        int pad)
{
    struct start start = {argv, {-1, -1, -1}, 1};

    for (int i = 0; i < 3; i++) {
        int theirs;
        child->fd[i] = -1;
        if (!(pipes & 1u << i))
            continue;
        open_pipe(i, &child->fd[i], &theirs);
        lim_expect(dup3(theirs, PAD + i, O_CLOEXEC) == PAD + i, "dup3");
        lim_close(&theirs);
        start.fd[i] = PAD + i;
    }
    child->pidfd = start_child(&start, CLONE_FILES);
    /* A pipe end that stayed on the pad would hold off the end of file. */
    for (int i = 0; i < 3; i++)
        if (start.fd[i] >= 0)
            lim_expect(dup3(pad, PAD + i, O_CLOEXEC) == PAD + i, "dup3");
}

int lim_reap(struct lim_child *child)
{
    siginfo_t info;
    lim_expect(waitid((idtype_t)LIM_P_PIDFD, (id_t)child->pidfd, &info, WEXITED) == 0,
               "waitid");
    lim_close(&child->pidfd);
    return info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
}

void lim_kill(const struct lim_child *child)
{
    lim_expect(syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0) == 0,
               "pidfd_send_signal");
}

void lim_grow(int fd)
{
    fcntl(fd, F_SETPIPE_SZ, 4 * LIM_BLOCK);
}

void lim_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void lim_watch(int epfd, int fd, uint64_t data)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = data};
    lim_expect(epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

void lim_unwatch(int epfd, int *fd)
{
    lim_expect(epoll_ctl(epfd, EPOLL_CTL_DEL, *fd, NULL) == 0, "epoll_ctl");
    lim_close(fd);
}

int64_t lim_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static double cpu_seconds(int who)
{
    struct rusage usage;
    getrusage(who, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void lim_meter_init(struct lim_meter *meter)
{
    meter->cpu_self = cpu_seconds(RUSAGE_SELF);
    meter->cpu_children = cpu_seconds(RUSAGE_CHILDREN);
    meter->begin_ns = meter->end_ns = 0;
}

void lim_meter_begin(struct lim_meter *meter)
{
    meter->begin_ns = lim_now_ns();
}

void lim_meter_end(struct lim_meter *meter)
{
    meter->end_ns = lim_now_ns();
}

void lim_meter_print(const struct lim_meter *meter, size_t ops, const char *more)
{
    printf("{\"seconds\": %.9f, \"ops\": %zu, \"cpu_self\": %.6f, "
           "\"cpu_children\": %.6f%s}\n",
           (double)(meter->end_ns - meter->begin_ns) / 1e9, ops,
           cpu_seconds(RUSAGE_SELF) - meter->cpu_self,
           cpu_seconds(RUSAGE_CHILDREN) - meter->cpu_children, more);
}

void *lim_pages(size_t n)
{
    void *pages =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    lim_expect(pages != MAP_FAILED, "mmap");
    return pages;
}

void lim_write(int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, data, n);
        lim_expect(done > 0, "write");
        data += done;
        n -= (size_t)done;
    }
}

size_t lim_number(char **argv, int i)
{
    unsigned long long number = strtoull(argv[i], NULL, 10);
    lim_expect(number > 0, "a number above zero is needed");
    return (size_t)number;
}

void lim_expect(int ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "%s: errno %d (%s)\n", what, errno, strerror(errno));
    exit(1);
}
