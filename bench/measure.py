"""What every workload needs: a meter, a check of the answer, a parent with memory."""

import gc
import math
import mmap
import os
import resource
import sys
import time
from contextlib import contextmanager


class WrongAnswer(Exception):
    """A workload ended with other bytes, counts or exit codes than it must."""


class Refused(Exception):
    """The implementation does not take the options of a workload."""


def expect(got, wanted, what):
    """Raise WrongAnswer unless both are equal."""
    if got != wanted:
        raise WrongAnswer(f"{what}: got {shorten(got)}, wanted {shorten(wanted)}")


def shorten(value):
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}... ({len(text)} characters)"


class Meter:
    """Wall time of the `with` block, CPU time from creation until `result`.

    CPU time of children counts when they are reaped, so `result` is called after the
    last one, also where that is outside of the timed block.
    """

    def __init__(self):
        self.cpu_self, self.cpu_children = cpu_seconds()
        self.seconds = 0.0

    def __enter__(self):
        self.begin = time.perf_counter()
        return self

    def __exit__(self, *exc_info):
        self.seconds += time.perf_counter() - self.begin

    @contextmanager
    def aside(self):
        """Leave a part of the `with` block out of wall time and the parent's CPU time."""
        began = time.perf_counter()
        cpu_self, _ = cpu_seconds()
        yield
        self.begin += time.perf_counter() - began
        self.cpu_self += cpu_seconds()[0] - cpu_self

    def result(self, ops, **more):
        """Return the sample: a dict that a pipe can carry as JSON."""
        cpu_self, cpu_children = cpu_seconds()
        return {
            "seconds": self.seconds,
            "ops": ops,
            "cpu_self": cpu_self - self.cpu_self,
            "cpu_children": cpu_children - self.cpu_children,
            **more,
        }


def cpu_seconds():
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return [usage.ru_utime + usage.ru_stime for usage in usages]


def quantile(values, q):
    """The smallest value that the share q of the values does not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * q) - 1]


@contextmanager
def ballast(mib):
    """Hold that many MiB of private memory, every page of it present."""
    size = mib << 20
    # A shared mapping would not do: fork copies the page tables of private memory only.
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    with mmap.mmap(-1, size, flags=flags):
        yield


def private_bytes():
    """Memory that this process has written to and shares with no other."""
    gc.collect()
    return kib_in("/proc/self/smaps_rollup", "Private_Dirty:") << 10


class Peak:
    """How far the resident memory has risen since, at the most."""

    def __init__(self):
        gc.collect()
        # This makes what is resident now the highest of all.
        with open("/proc/self/clear_refs", "w") as clear_refs:
            clear_refs.write("5")
        self.before = kib_in("/proc/self/status", "VmHWM:")

    def over(self, size):
        """As a share of that many bytes."""
        return ((kib_in("/proc/self/status", "VmHWM:") - self.before) << 10) / size


def kib_in(path, field):
    with open(path) as lines:
        for line in lines:
            if line.startswith(field):
                return int(line.split()[1])
    raise LookupError(f"no {field} in {path}")


@contextmanager
def open_descriptors(n):
    """Hold that many descriptors more."""
    with open(os.devnull) as null:
        copies = [os.dup(null.fileno()) for _ in range(n)]
        try:
            yield
        finally:
            for fd in copies:
                os.close(fd)


def growth(few, many):
    """The sample of a workload with much of something, with what the same with few took."""
    return {**many, "few": few["seconds"], "growth": many["seconds"] / few["seconds"]}


def own_ids(wanted):
    """The options that give a child the ids it has anyway, or none."""
    return {"user": os.getuid(), "group": os.getgid()} if wanted else {}


class Ticker:
    """Lateness of a tick each millisecond; the caller sleeps, this one counts."""

    PERIOD = 0.001

    def __init__(self):
        self.late = []
        self.last = time.perf_counter()

    def tick(self):
        now = time.perf_counter()
        self.late.append(max(0.0, now - self.last - self.PERIOD))
        self.last = now

    def summary(self):
        return {"max": max(self.late), "p99": quantile(self.late, 0.99)}


class Stamps:
    """A file in which a child leaves the time of its exit."""

    def __init__(self, file):
        self.path = file.name
        self.fd = file.fileno()
        self.late = []

    def exit_noticed(self):
        """Count the time since the last child's stamp."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        stamp = int.from_bytes(os.pread(self.fd, 8, 0), sys.byteorder)
        if not 0 < now - stamp < 60e9:
            raise WrongAnswer(f"stamp {stamp} at {now}")
        self.late.append((now - stamp) / 1e9)

    def p50(self):
        return quantile(self.late, 0.5)
