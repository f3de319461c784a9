#define _GNU_SOURCE
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A function of the C library that fails by `failed` and errno, with another in front
 * of it that may fail for it. */
#define STAND_IN(type, name, call, failed, parameters, arguments)                      \
    static type fake_##name parameters                                                 \
    {                                                                                  \
        int err = faults_meet(call);                                                   \
        if (err == 0)                                                                  \
            return name arguments;                                                     \
        errno = err;                                                                   \
        return failed;                                                                 \
    }

static int is_pipe(int fd)
{
    struct stat stat;
    int err = errno;
    int yes = fstat(fd, &stat) == 0 && S_ISFIFO(stat.st_mode);

    errno = err;
    return yes;
}

STAND_IN(ssize_t, read, is_pipe(fd) ? FAULTS_READ_PIPE : FAULTS_READ, -1,
         (int fd, void *to, size_t n), (fd, to, n))
STAND_IN(ssize_t, write, is_pipe(fd) ? FAULTS_WRITE_PIPE : FAULTS_WRITE, -1,
         (int fd, const void *from, size_t n), (fd, from, n))
STAND_IN(ssize_t, writev, FAULTS_WRITEV, -1, (int fd, const struct iovec *iov, int n),
         (fd, iov, n))
STAND_IN(int, pipe2, FAULTS_PIPE2, -1, (int *ends, int flags), (ends, flags))
STAND_IN(int, dup3, FAULTS_DUP3, -1, (int from, int to, int flags), (from, to, flags))
STAND_IN(int, epoll_create1, FAULTS_EPOLL_CREATE, -1, (int flags), (flags))
STAND_IN(int, epoll_wait, FAULTS_EPOLL_WAIT, -1,
         (int fd, struct epoll_event *events, int n, int ms), (fd, events, n, ms))
STAND_IN(int, eventfd, FAULTS_EVENTFD, -1, (unsigned n, int flags), (n, flags))
STAND_IN(int, socketpair, FAULTS_SOCKETPAIR, -1,
         (int domain, int type, int protocol, int *ends),
         (domain, type, protocol, ends))
STAND_IN(ssize_t, sendmsg, FAULTS_SENDMSG, -1,
         (int fd, const struct msghdr *message, int flags), (fd, message, flags))
STAND_IN(ssize_t, recvmsg, FAULTS_RECVMSG, -1,
         (int fd, struct msghdr *message, int flags), (fd, message, flags))
STAND_IN(int, fstat, FAULTS_FSTAT, -1, (int fd, struct stat *stat), (fd, stat))
STAND_IN(int, poll, FAULTS_POLL, -1, (struct pollfd * fds, nfds_t n, int ms),
         (fds, n, ms))
STAND_IN(int, nanosleep, FAULTS_NANOSLEEP, -1,
         (const struct timespec *time, struct timespec *left), (time, left))
STAND_IN(pid_t, waitpid, FAULTS_WAITPID, -1, (pid_t pid, int *status, int options),
         (pid, status, options))
STAND_IN(int, kill, FAULTS_KILL, -1, (pid_t pid, int sig), (pid, sig))
STAND_IN(pid_t, fork, FAULTS_FORK, -1, (void), ())
STAND_IN(int, getpriority, FAULTS_GETPRIORITY, -1, (unsigned which, id_t who),
         ((int)which, who))
STAND_IN(int, sigaction, FAULTS_SIGACTION, -1,
         (int sig, const struct sigaction *new, struct sigaction *old), (sig, new, old))
STAND_IN(void *, mmap, FAULTS_MMAP, MAP_FAILED,
         (void *at, size_t n, int protection, int flags, int fd, off_t offset),
         (at, n, protection, flags, fd, offset))
STAND_IN(int, mprotect, FAULTS_MPROTECT, -1, (void *at, size_t n, int protection),
         (at, n, protection))
STAND_IN(void *, malloc, FAULTS_MALLOC, NULL, (size_t n), (n))
STAND_IN(void *, calloc, FAULTS_CALLOC, NULL, (size_t n, size_t size), (n, size))
STAND_IN(void *, realloc, FAULTS_REALLOC, NULL, (void *old, size_t n), (old, n))
STAND_IN(char *, strdup, FAULTS_STRDUP, NULL, (const char *string), (string))

/* Linux frees the number whatever close() reports. */
static int fake_close(int fd)
{
    int err = faults_meet(FAULTS_CLOSE);
    int rc = close(fd);

    if (err == 0)
        return rc;
    errno = err;
    return -1;
}

static int fake_posix_memalign(void **to, size_t alignment, size_t n)
{
    int err = faults_meet(FAULTS_MEMALIGN);

    return err ? err : posix_memalign(to, alignment, n);
}

static int fake_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                               void *(*start)(void *), void *arg)
{
    int err = faults_meet(FAULTS_THREAD);

    return err ? err : pthread_create(thread, attr, start, arg);
}

static int epoll_call(int op)
{
    return op == EPOLL_CTL_ADD   ? FAULTS_EPOLL_ADD
           : op == EPOLL_CTL_MOD ? FAULTS_EPOLL_MOD
                                 : FAULTS_EPOLL_DEL;
}

STAND_IN(int, epoll_ctl, epoll_call(op), -1,
         (int epoll, int op, int fd, struct epoll_event *event), (epoll, op, fd, event))

/* The variadic ones are called with what they take or less, in registers: what was not
 * passed is not looked at by the kernel either. */

STAND_IN(int, open, FAULTS_OPEN, -1, (const char *path, int flags, unsigned mode),
         (path, flags, mode))
STAND_IN(int, ioctl, FAULTS_IOCTL, -1, (int fd, unsigned long number, void *arg),
         (fd, number, arg))
STAND_IN(int, prctl, FAULTS_PRCTL, -1, (int option, long a, long b, long c, long d),
         (option, a, b, c, d))

static int fcntl_call(int command)
{
    return command == F_DUPFD_CLOEXEC ? FAULTS_FCNTL_DUP
           : command == F_GETFD       ? FAULTS_FCNTL_GETFD
           : command == F_SETFL       ? FAULTS_FCNTL_SETFL
                                      : FAULTS_FCNTL_PIPE_SIZE;
}

STAND_IN(int, fcntl, fcntl_call(command), -1, (int fd, int command, long arg),
         (fd, command, arg))

static int fake_clone(int (*start)(void *), void *stack, int flags, void *arg,
                      void *parent, void *tls, void *child)
{
    int err = faults_meet(FAULTS_CLONE);

    if (err == 0)
        return clone(start, stack, flags, arg, parent, tls, child);
    errno = err;
    return -1;
}

/* ECHILD says that somebody else has reaped: so it happens only to a child that has
 * ended, and that is reaped here. Anything else leaves the child as it is. */
static int reap_for(int err, int kind, int id, siginfo_t *info, int options)
{
    siginfo_t own = {.si_pid = 0};

    if (err == ECHILD) {
        options &= ~WNOWAIT;
        if (syscall(SYS_waitid, kind, id, &own, options, NULL) < 0)
            return -1;
        if (own.si_pid == 0) {
            if (info != NULL)
                *info = own;
            return 0;
        }
    }
    errno = err;
    return -1;
}

static int fake_waitid(idtype_t kind, id_t id, siginfo_t *info, int options)
{
    int err = faults_meet(FAULTS_WAITID);

    if (err == 0)
        return waitid(kind, id, info, options);
    return reap_for(err, (int)kind, (int)id, info, options);
}

static int number_call(long number, long second)
{
    switch (number) {
    case SYS_waitid:
        return FAULTS_SYS_WAITID;
    case SYS_pidfd_open:
        return FAULTS_SYS_PIDFD_OPEN;
    case SYS_pidfd_getfd:
        return FAULTS_SYS_PIDFD_GETFD;
    case SYS_pidfd_send_signal:
        return FAULTS_SYS_PIDFD_SIGNAL;
    case SYS_close_range:
        return FAULTS_SYS_CLOSE_RANGE;
    case SYS_openat:
        return FAULTS_SYS_OPENAT;
    case SYS_getdents64:
        return FAULTS_SYS_GETDENTS;
    case SYS_close:
        return FAULTS_SYS_CLOSE;
    case SYS_write:
        return FAULTS_SYS_WRITE;
    case SYS_dup3:
        return FAULTS_SYS_DUP3;
    case SYS_fcntl:
        return second == F_SETFD ? FAULTS_SYS_FCNTL_SETFD : FAULTS_SYS_FCNTL_DUP;
    case SYS_chdir:
        return FAULTS_SYS_CHDIR;
    case SYS_umask:
        return FAULTS_SYS_UMASK;
    case SYS_setpriority:
        return FAULTS_SYS_SETPRIORITY;
    case SYS_sched_setaffinity:
        return FAULTS_SYS_SETAFFINITY;
    case SYS_sched_getaffinity:
        return FAULTS_SYS_GETAFFINITY;
    case SYS_rt_sigaction:
        return FAULTS_SYS_SIGACTION;
    case SYS_rt_sigprocmask:
        return FAULTS_SYS_SIGPROCMASK;
    case SYS_prlimit64:
        return second == RLIMIT_LOCKS ? FAULTS_SYS_PRLIMIT_MARK : FAULTS_SYS_PRLIMIT;
    case SYS_prctl:
        return FAULTS_SYS_PRCTL;
    case SYS_ioprio_set:
        return FAULTS_SYS_IOPRIO;
    case SYS_setsid:
        return FAULTS_SYS_SETSID;
    case SYS_setpgid:
        return FAULTS_SYS_SETPGID;
    case SYS_setgroups:
        return FAULTS_SYS_SETGROUPS;
    case SYS_setregid:
        return FAULTS_SYS_SETREGID;
    case SYS_setreuid:
        return FAULTS_SYS_SETREUID;
    case SYS_execve:
        return FAULTS_SYS_EXECVE;
    case SYS_nanosleep:
        return FAULTS_SYS_NANOSLEEP;
    case SYS_exit_group:
        return FAULTS_SYS_EXIT;
    default:
        return FAULTS_SYS_OTHER;
    }
}

static long fake_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    int err = faults_meet(number_call(number, b));

    if (err == 0)
        return syscall(number, a, b, c, d, e, f);
    if (number == SYS_waitid)
        return reap_for(err, (int)a, (int)b, (siginfo_t *)c, (int)d);
    if (number == SYS_close)
        syscall(SYS_close, a);
    errno = err;
    return -1;
}

void *faults_stand_in(const char *name)
{
    static const struct {
        const char *name;
        void *function;
    } all[] = {
        {"read", fake_read},
        {"write", fake_write},
        {"writev", fake_writev},
        {"close", fake_close},
        {"open", fake_open},
        {"open64", fake_open},
        {"pipe2", fake_pipe2},
        {"dup3", fake_dup3},
        {"fcntl", fake_fcntl},
        {"fcntl64", fake_fcntl},
        {"ioctl", fake_ioctl},
        {"epoll_create1", fake_epoll_create1},
        {"epoll_ctl", fake_epoll_ctl},
        {"epoll_wait", fake_epoll_wait},
        {"eventfd", fake_eventfd},
        {"socketpair", fake_socketpair},
        {"sendmsg", fake_sendmsg},
        {"recvmsg", fake_recvmsg},
        {"fstat", fake_fstat},
        {"poll", fake_poll},
        {"nanosleep", fake_nanosleep},
        {"waitid", fake_waitid},
        {"waitpid", fake_waitpid},
        {"kill", fake_kill},
        {"clone", fake_clone},
        {"fork", fake_fork},
        {"pthread_create", fake_pthread_create},
        {"sigaction", fake_sigaction},
        {"prctl", fake_prctl},
        {"getpriority", fake_getpriority},
        {"mmap", fake_mmap},
        {"mmap64", fake_mmap},
        {"mprotect", fake_mprotect},
        {"malloc", fake_malloc},
        {"calloc", fake_calloc},
        {"realloc", fake_realloc},
        {"strdup", fake_strdup},
        {"posix_memalign", fake_posix_memalign},
        {"syscall", fake_syscall},
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].function;
    return NULL;
}
