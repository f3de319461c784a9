"""What a row of the catalog says of a workload, and whether this machine can run it."""

import resource
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One row of the table: a rate, or one of the figures of a sample.

    An implementation whose sample lacks the key has no part in the row.
    """

    label: str
    unit: str
    scale: float = 1.0
    key: str = "seconds"
    rate: bool = True
    of_limit: bool = True  # whether its ratio to the C program's says anything

    def of(self, sample):
        if self.rate:
            return sample["ops"] / sample[self.key] * self.scale
        return sample[self.key] * self.scale


@dataclass(frozen=True)
class Workload:
    name: str
    function: str
    full: dict
    quick: dict
    metrics: tuple
    cpu: tuple  # unit, and what the CPU seconds of one operation are multiplied by
    limit: tuple = ()  # C program, child, and the parameters it takes; none without
    most_rounds: int = 99  # fewer where one round takes long
    quick_rounds: int = 99
    only: str | None = None  # "quick" or "full": left out of the other kind of run
    players: tuple = ()  # the workers that take part; all without
    one_cpu: bool = False
    fresh: bool = False  # a process of its own: what others left in memory would count
    pad: bool = False  # the C program also knows the launch pad
    mib: int = 0  # memory that all of it needs
    files: int = 0  # descriptors that all of it needs

    def params(self, quick):
        return self.quick if quick else self.full

    def rounds(self, wanted, quick):
        return min(wanted, self.quick_rounds if quick else self.most_rounds)

    def unmet(self):
        """Why this machine cannot run the workload, or None."""
        free = available_mib()
        if self.mib > free:
            return f"needs {self.mib} MiB of memory, {free} MiB are available"
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if files < self.files:
            return f"needs {self.files} open files, the limit is {files}"
        return None


def available_mib():
    with open("/proc/meminfo") as meminfo:
        for line in meminfo:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) >> 10
    raise LookupError("no MemAvailable in /proc/meminfo")
