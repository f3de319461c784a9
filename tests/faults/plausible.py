"""How each call can fail, by its manual and by what the kernel does, and what comes of it.

What a pipe or an eventfd never says is not here: a read() that says EAGAIN although there is
something, for one, or a kill() that says ESRCH of a child that nobody has reaped.
"""

from errno import (
    E2BIG,
    EACCES,
    EAGAIN,
    EBUSY,
    ECHILD,
    EINTR,
    EINVAL,
    EIO,
    EMFILE,
    ENFILE,
    ENOEXEC,
    ENOMEM,
    ENOSPC,
    ENOSYS,
    EPERM,
    EPIPE,
    ESRCH,
    ETXTBSY,
)

NO_NUMBER = (EMFILE, ENFILE)
REFUSED = (ENOSYS, EPERM)

# The first of a line counts most: where not all are tried it is.
PLAUSIBLE = {
    "read": (EINTR, EAGAIN),
    "read of a pipe": (EIO, EINTR),
    "write": (EINTR,),
    "write to a pipe": (EPIPE, EAGAIN, EINTR),
    "writev": (EPIPE, EINTR),
    "close": (EINTR, EIO),
    "open": (EMFILE, ENFILE, ENOMEM, EACCES, EINTR),
    "pipe2": NO_NUMBER,
    "dup3": (EBUSY, EMFILE, EINTR),
    "fcntl(F_DUPFD_CLOEXEC)": (EMFILE,),
    "fcntl(F_SETPIPE_SZ)": (EPERM, EBUSY, ENOMEM),
    "ioctl": (ESRCH, EINVAL),
    "epoll_create1": (*NO_NUMBER, ENOMEM),
    "epoll_ctl(ADD)": (ENOMEM, ENOSPC),
    "epoll_ctl(MOD)": (ENOMEM,),
    "epoll_wait": (EINTR,),
    "eventfd": (*NO_NUMBER, ENOMEM),
    "socketpair": (*NO_NUMBER, ENOMEM, EPERM),
    "sendmsg": (EAGAIN, ENOMEM, EPERM, EINTR),
    "recvmsg": (ENOMEM, EINTR),
    "fstat": (ENOMEM,),
    "poll": (EINTR, ENOMEM),
    "nanosleep": (EINTR,),
    "waitid": (ECHILD, EINTR),
    "waitpid": (EINTR,),
    "kill": (EPERM,),
    "clone": (EAGAIN, ENOMEM, EPERM),
    "fork": (EAGAIN, ENOMEM),
    "pthread_create": (EAGAIN, EPERM),
    "mmap": (ENOMEM,),
    "mprotect": (ENOMEM,),
    "malloc": (ENOMEM,),
    "calloc": (ENOMEM,),
    "realloc": (ENOMEM,),
    "strdup": (ENOMEM,),
    "posix_memalign": (ENOMEM,),
    "SYS_waitid": (ECHILD, EINTR),
    "SYS_pidfd_open": (*NO_NUMBER, ENOMEM, *REFUSED),
    "SYS_pidfd_getfd": (*REFUSED, *NO_NUMBER, ENOMEM),
    "SYS_pidfd_send_signal": (EPERM, ENOSYS),
    "SYS_close_range": (*REFUSED, ENOMEM, EMFILE),
    "SYS_openat": (*NO_NUMBER, ENOMEM, EACCES, EINTR),
    "SYS_getdents64": (EIO, ENOMEM),
    "SYS_close": (EINTR, EIO),
    "SYS_dup3": (EMFILE, EBUSY, EINTR),
    "SYS_fcntl(F_DUPFD_CLOEXEC)": (EMFILE,),
    "SYS_chdir": (EACCES, EIO, ENOMEM, EINTR),
    "SYS_setpriority": (EPERM, EACCES),
    "SYS_prlimit64(RLIMIT_LOCKS)": REFUSED,
    "SYS_sched_setaffinity": (EINVAL, EPERM),
    "SYS_sched_getaffinity": (EINVAL, ENOSYS),
    "SYS_prlimit64": (EPERM, ENOSYS),
    "SYS_prctl": (EPERM, EINVAL),
    "SYS_ioprio_set": (EPERM, ENOSYS),
    "SYS_setsid": (EPERM,),
    "SYS_setpgid": (EPERM, EACCES, ESRCH),
    "SYS_setgroups": (EPERM, ENOMEM),
    "SYS_setregid": (EPERM, EAGAIN),
    "SYS_setreuid": (EPERM, EAGAIN),
    "SYS_execve": (
        *(EACCES, ETXTBSY, EAGAIN, ENOMEM, EIO, EPERM),
        *(*NO_NUMBER, ENOEXEC, E2BIG, EINTR),
    ),
    "SYS_nanosleep": (EINTR,),
}

# What a process can run out of, whatever it asks for.
SHORT = (EMFILE, ENFILE, ENOMEM)

# What the program never sees: it is tried again, done in another way, or done without.
SERVED = {
    "read",
    "write",
    "close",
    "fcntl(F_SETPIPE_SZ)",
    "ioctl",
    "socketpair",
    "sendmsg",
    "recvmsg",
    "fstat",
    "poll",
    "pthread_create",
    "mprotect",
    "SYS_waitid",
    "SYS_pidfd_getfd",
    "SYS_close_range",
    "SYS_close",
    "SYS_setpriority",
    "SYS_prlimit64(RLIMIT_LOCKS)",
    "SYS_sched_setaffinity",
    "SYS_sched_getaffinity",
}

# The same, of calls that fail in other ways for the program, too.
SERVED_ERRORS = {("write to a pipe", EAGAIN), ("SYS_execve", ETXTBSY)}


def is_served(call, err, lasting):
    """Whether the scenario has to end well, though the call fails."""
    if lasting and err == ETXTBSY:
        return False
    return err == EINTR or call in SERVED or (call, err) in SERVED_ERRORS


def is_state(call, err):
    """Whether the error can go on: what comes with a signal, or with one child, does not."""
    if err == EAGAIN:
        return call in ("clone", "fork", "pthread_create", "SYS_execve")
    return err not in (EINTR, ECHILD)
