"""Processes that run into their limits."""

import contextlib
import errno
import os
import resource

NOBODY = 65534


@contextlib.contextmanager
def few_descriptors(free, limit=256):
    """Leave that many descriptors to open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, limit), hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/", os.O_PATH | os.O_CLOEXEC))
        for _ in range(free):
            os.close(taken.pop())
        yield
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def all_descriptors():
    """Raise the soft limit to the hard one, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


@contextlib.contextmanager
def few_processes():
    """Leave no process to start; RLIMIT_NPROC counts those of the user."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))


def become_unprivileged():
    """Become nobody if this is root, whom RLIMIT_NPROC does not hold."""
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


async def assert_out_of_descriptors_is_clean(sp, free, *, limit=256, **options):
    """Spawn with that many free descriptors; say whether it failed."""
    with few_descriptors(free, limit):
        try:
            child = await sp.create_subprocess_exec("true", **options)
        except OSError as error:
            assert error.errno == errno.EMFILE, error
            return True
        await child.communicate()
        assert child.returncode == 0
        return False
