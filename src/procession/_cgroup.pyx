"""A cgroup v2 of its own for a child: made below a directory of the program's, limited,
ended as a whole, removed."""
from procession._errors cimport limit_error_of

import atexit
import os
from collections import deque
from itertools import count

cdef object _numbers = count()

# Leaves that were not empty when they were left, or not yet.
cdef object _busy = deque()
cdef bint _has_exit = False

cdef enum:
    # How many of those are tried at each occasion, so that it costs the same with many.
    TRIES = 2


def make_leaf(str directory):
    """Make a cgroup below a directory of cgroup v2.

    Raises:
        OSError: with limit_name "cgroup".
    """
    cdef Leaf leaf
    sweep(TRIES)
    while True:
        path = f"{directory}/procession-{os.getpid()}-{next(_numbers)}"
        try:
            os.mkdir(path)
        except FileExistsError:
            # Left by a process that had our number.
            continue
        except OSError as error:
            raise limit_error_of(-error.errno, "cgroup", path) from None
        leaf = Leaf()
        leaf.path = path
        leaf.owner = os.getpid()
        return leaf


def kill_leaf(path):
    """Send SIGKILL to all processes of a cgroup, and of those below it.

    Returns whether that was done: Linux 5.14 is the first that can.
    """
    try:
        put(path, "cgroup.kill", "1")
    except FileNotFoundError:
        return not os.path.exists(path)
    return True


def oom_kills(path):
    """Return how many processes of a cgroup were ended because memory was short."""
    try:
        with open(f"{path}/memory.events") as events:
            for line in events:
                name, _, number = line.partition(" ")
                if name == "oom_kill":
                    return int(number)
    except FileNotFoundError:
        # No controller, or no cgroup any more.
        pass
    return 0


def remove_leaf(path):
    """Remove a cgroup that is empty. Returns whether there is none any more."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


def sweep(tries=None):
    """Remove what was left busy and is empty now."""
    for _ in range(len(_busy) if tries is None else min(tries, len(_busy))):
        path = _busy.popleft()
        if not remove_leaf(path):
            _busy.append(path)


cdef put(path, name, text):
    # Not made if there is none: where the path is no cgroup that would be a common file.
    fd = os.open(f"{path}/{name}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


cdef bint limit(path, name, file, amount, least) except -1:
    hard = amount[1] if type(amount) is tuple else amount
    try:
        put(path, file, "max" if hard < 0 else str(max(hard, least)))
    except FileNotFoundError:
        return False
    except OSError as error:
        raise limit_error_of(-error.errno, name, f"{path}/{file}") from None
    return True


cdef class Leaf:
    """A cgroup of one child.

    It is removed by leave(), or, if that finds somebody in there, when a later one is made
    or the interpreter ends, once it is empty.
    """

    cdef int open(self) except -1:
        try:
            return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise limit_error_of(-error.errno, "cgroup", self.path) from None

    cdef bint limit_memory(self, amount) except -1:
        if not limit(self.path, "memory", "memory.max", amount, 0):
            return False
        # What does not fit would be swapped out, and the limit not be met.
        limit(self.path, "memory", "memory.swap.max", 0, 0)
        return True

    cdef bint limit_processes(self, amount) except -1:
        # The child itself is one.
        return limit(self.path, "processes", "pids.max", amount, 1)

    def __del__(self):
        self.leave()

    def __repr__(self):
        return f"<Leaf {self.path}>"

    def kill(self):
        """Send SIGKILL to the child and to all that it has started.

        Returns whether that was done: Linux 5.14 is the first that can.
        """
        return kill_leaf(self.path)

    def processes(self):
        """Return the numbers of those who are in there, and not in a cgroup below it."""
        try:
            with open(f"{self.path}/cgroup.procs") as procs:
                return [int(line) for line in procs]
        except FileNotFoundError:
            return []

    def oom_killed(self):
        """Return whether a process in there was ended because memory was short."""
        return (oom_kills(self.path) if self.oom_count is None else self.oom_count) > 0

    def leave(self):
        """Remove the cgroup now or, if somebody is in there, later."""
        global _has_exit
        # A copy of the object, in a forked process, is not to remove what the parent has.
        if self.left or self.owner != os.getpid():
            return
        self.left = True
        self.oom_count = oom_kills(self.path)
        if remove_leaf(self.path):
            return
        _busy.append(self.path)
        if not _has_exit:
            _has_exit = True
            atexit.register(sweep)
