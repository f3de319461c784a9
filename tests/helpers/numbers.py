"""Numbers of processes that are used again: in a namespace they can be chosen."""

import ctypes
import os
import sys
import traceback

from helpers.own_interpreter import skip

CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CANNOT_CHOOSE = 77
LAST = "/proc/sys/kernel/ns_last_pid"


def in_namespace(call):
    """Run call() as the first process of a namespace of numbers; assert that it returns."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = CLONE_NEWPID if os.getuid() == 0 else CLONE_NEWPID | CLONE_NEWUSER
    if libc.unshare(flags) < 0:
        skip(f"no namespace can be had: {os.strerror(ctypes.get_errno())}")
    pid = os.fork()
    if pid == 0:
        os._exit(status_of(call))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status == CANNOT_CHOOSE:
        skip("the next number cannot be chosen")
    assert status == 0


def status_of(call):
    try:
        choose_next(100)
    except OSError:
        return CANNOT_CHOOSE
    try:
        call()
    except BaseException:
        traceback.print_exc()
        return 1
    sys.stdout.flush()
    return 0


def choose_next(number):
    """Give this number to the process that is started next."""
    with open(LAST, "w") as last:
        last.write(str(number - 1))
