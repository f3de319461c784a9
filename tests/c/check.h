/* What the C tests share: a test is a function, CHECK runs it and finds what it
 * leaves behind. Files are made in the working directory, which is the caller's. */
#ifndef CHECK_H
#define CHECK_H

#undef NDEBUG

#include "psn_config.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Longest wait for what another thread or process is about to do. */
#define PATIENCE_MS 10000

/* ThreadSanitizer has a thread of its own from the program's first one on. */
#ifdef __SANITIZE_THREAD__
#define RUNTIME_THREADS 1
#else
#define RUNTIME_THREADS 0
#endif

static inline void pause_briefly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
}

static inline int count_entries(const char *path)
{
    DIR *directory = opendir(path);
    int count = 0;

    assert(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static inline int has_children(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | WNOHANG | __WALL) == 0;
}

static inline int count_threads(void)
{
    return count_entries("/proc/self/task");
}

static inline int is_alone(int descriptors)
{
    return count_threads() <= 1 + RUNTIME_THREADS && !has_children() &&
           count_entries("/proc/self/fd") == descriptors;
}

/* What an assertion says does not name the test. */
static const char *running_test;

static inline void name_test(int sig)
{
    (void)sig;
    (void)!write(STDERR_FILENO, "in ", 3);
    (void)!write(STDERR_FILENO, running_test, strlen(running_test));
    (void)!write(STDERR_FILENO, "\n", 1);
}

/* Detached threads may still be on their way out, hence the patience. */
static inline void check_test(const char *name, void (*test)(void))
{
    int descriptors = count_entries("/proc/self/fd");

    running_test = name;
    signal(SIGABRT, name_test);
    test();
    for (int waited = 0; !is_alone(descriptors); waited++) {
        if (waited == 2 * PATIENCE_MS) {
            fprintf(stderr, "%s leaves %d threads, %d descriptors more, children: %d\n",
                    name, count_threads() - 1,
                    count_entries("/proc/self/fd") - descriptors, has_children());
            abort();
        }
        pause_briefly();
    }
}

#define CHECK(test) check_test(#test, test)

/* Run what changes the process for good, or all of its descriptors, in a copy. */
static inline void check_in_fork(void (*body)(void))
{
    int status;
    pid_t pid = fork();

    assert(pid >= 0);
    if (pid == 0) {
        body();
        _exit(0);
    }
    assert(waitpid(pid, &status, 0) == pid);
    assert(status == 0);
}

static inline int open_memory(void)
{
    int fd = memfd_create("check", MFD_CLOEXEC);

    assert(fd >= 0);
    return fd;
}

/* All that was written to a file, as a string. */
static inline void read_back(int fd, char *to, size_t size)
{
    ssize_t n = pread(fd, to, size - 1, 0);

    assert(n >= 0);
    to[n] = '\0';
}

static inline void wait_readable(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    assert(poll(&entry, 1, PATIENCE_MS) == 1);
}

static inline void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    assert(fd >= 0);
    assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    assert(fchmod(fd, mode) == 0);
    close(fd);
}

static inline void install_filter(struct sock_filter *filter, unsigned short length)
{
    struct sock_fprog program = {.len = length, .filter = filter};

    assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    assert(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* From here on the system call fails with err, in this process for good. */
static inline void refuse_system_call(unsigned number, unsigned err)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    install_filter(filter, 4);
}

/* The number behind a label in the text of /proc/PID/status. */
static inline unsigned long long status_field(const char *status, const char *label,
                                              int base)
{
    const char *at = strstr(status, label);

    assert(at != NULL);
    return strtoull(at + strlen(label), NULL, base);
}

static inline void read_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert(fd >= 0);
    ssize_t n = read(fd, to, size - 1);
    assert(n >= 0);
    to[n] = '\0';
    close(fd);
}

#endif
