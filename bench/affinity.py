"""Run a workload, all threads and children of it, on one CPU."""

import contextlib
import os


def confined(one_cpu):
    """A context in which this process and what it starts have one CPU, or all."""
    return on_one_cpu() if one_cpu else contextlib.nullcontext()


@contextlib.contextmanager
def on_one_cpu():
    before = os.sched_getaffinity(0)
    set_all_threads({max(before)})
    try:
        yield
    finally:
        set_all_threads(before)


def set_all_threads(cpus):
    # A child inherits from the thread that starts it, and some implementations start
    # children on threads of a pool.
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), cpus)
