"""A kernel that refuses system calls: older than it is, or in a container with a filter."""

import ctypes
import errno
import os
import platform
import struct

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
ALLOW = 0x7FFF0000
REFUSE = 0x00050000
P_PIDFD = 3
CLONE_PIDFD = 0x1000

CLONE_THREAD = 0x10000

NO_CALL = 0xFFFFFFFF

# The same numbers on every architecture, but for those in the table.
PIDFD_SEND_SIGNAL, PIDFD_OPEN, CLONE3, CLOSE_RANGE, PIDFD_GETFD = 424, 434, 435, 436, 438
NUMBERS = {
    "x86_64": {
        "clone": 56,
        "vfork": 58,
        "waitid": 247,
        "pipe2": 293,
        "prlimit64": 302,
        "setpriority": 141,
        "sched_setaffinity": 203,
        "ioprio_set": 251,
    },
    "aarch64": {
        "clone": 220,
        "vfork": NO_CALL,
        "waitid": 95,
        "pipe2": 59,
        "prlimit64": 261,
        "setpriority": 140,
        "sched_setaffinity": 122,
        "ioprio_set": 30,
    },
}

LOAD, JUMP_IF_EQUAL, JUMP_IF_SET, RETURN = 0x20, 0x15, 0x45, 0x06
NUMBER, FIRST_ARGUMENT = 0, 16


def is_possible():
    return platform.machine() in NUMBERS


def instruction(code, k, true=0, false=0):
    return struct.pack("=HBBI", code, true, false, k)


def refuse_pidfds(name):
    """Refuse, in this process and all its children, whatever has to do with pidfds, and
    close_range, with the error of this name.

    clone() with a flag that it does not know is EINVAL, whatever the rest is refused with.
    clone3() is ENOSYS, without which the C library starts no thread any more.
    """
    numbers = NUMBERS[platform.machine()]
    refused = REFUSE | getattr(errno, name)
    invalid = REFUSE | errno.EINVAL
    program = [instruction(LOAD, NUMBER)]
    program += [
        instruction(JUMP_IF_EQUAL, CLONE3, 0, 1),
        instruction(RETURN, REFUSE | errno.ENOSYS),
    ]
    for number in (PIDFD_SEND_SIGNAL, PIDFD_OPEN, CLOSE_RANGE, PIDFD_GETFD):
        program += [
            instruction(JUMP_IF_EQUAL, number, 0, 1),
            instruction(RETURN, refused),
        ]
    program += [
        instruction(JUMP_IF_EQUAL, numbers["waitid"], 0, 4),
        instruction(LOAD, FIRST_ARGUMENT),
        instruction(JUMP_IF_EQUAL, P_PIDFD, 0, 1),
        instruction(RETURN, invalid),
        instruction(RETURN, ALLOW),
        instruction(JUMP_IF_EQUAL, numbers["clone"], 0, 4),
        instruction(LOAD, FIRST_ARGUMENT),
        instruction(JUMP_IF_SET, CLONE_PIDFD, 0, 1),
        instruction(RETURN, invalid),
        instruction(RETURN, ALLOW),
        instruction(RETURN, ALLOW),
    ]
    install(b"".join(program), len(program))


def refuse_children(name):
    """Let no process be made any more by clone() and vfork(), with the error of this name;
    threads can be."""
    program = [
        instruction(LOAD, NUMBER),
        # The C library then makes threads by clone(), whose flags can be seen.
        instruction(JUMP_IF_EQUAL, CLONE3, 0, 1),
        instruction(RETURN, REFUSE | errno.ENOSYS),
        instruction(JUMP_IF_EQUAL, NUMBERS[platform.machine()]["vfork"], 0, 1),
        instruction(RETURN, REFUSE | getattr(errno, name)),
        instruction(JUMP_IF_EQUAL, NUMBERS[platform.machine()]["clone"], 0, 3),
        instruction(LOAD, FIRST_ARGUMENT),
        instruction(JUMP_IF_SET, CLONE_THREAD, 1, 0),
        instruction(RETURN, REFUSE | getattr(errno, name)),
        instruction(RETURN, ALLOW),
    ]
    install(b"".join(program), len(program))


def refuse_pipes(name):
    """Let no pipe be made any more, with the error of this name."""
    refuse_call(NUMBERS[platform.machine()]["pipe2"], name)


def refuse_clone3(name):
    """Refuse clone3 with the error of this name, in this process and all its children."""
    refuse_call(CLONE3, name)


def refuse_call(number, name):
    program = [
        instruction(LOAD, NUMBER),
        instruction(JUMP_IF_EQUAL, number, 0, 1),
        instruction(RETURN, REFUSE | getattr(errno, name)),
        instruction(RETURN, ALLOW),
    ]
    install(b"".join(program), len(program))


def install(program, length):
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a short, padding, a pointer.
    head = struct.pack("@HxxxxxxQ", length, ctypes.addressof(code))
    call(libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call(libc.prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(head), 0, 0)


def call(function, *args):
    if function(*args) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
