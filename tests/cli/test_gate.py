"""--delay, --load and --mem-free: when the next job may begin, and what is told meanwhile."""

import asyncio
import os
import subprocess

import pytest

from procession.cli.control.gate import FRESH, LONGEST_PAUSE, SHORTEST_PAUSE, Gate
from procession.cli.control.machine import Memory, running_tasks
from procession.cli.errors import UsageError

GIB = 1024**3
MOUNT_V2 = "41 31 0:38 / {point} rw,relatime shared:9 - cgroup2 cgroup2 rw"
MOUNT_V1 = "36 31 0:29 / {point} rw,relatime - cgroup cgroup rw,memory"


class Machine:
    """Files as the kernel has them, and a time that passes only while somebody sleeps."""

    def __init__(self, path):
        self.proc = path / "proc"
        self.point = path / "cg"
        (self.proc / "self").mkdir(parents=True)
        self.now = 1000.0
        self.pauses = []
        self.reasons = []
        self.after_sleep = lambda: None

    def set_running(self, running, blocked=0):
        # As the kernel counts, with the one that reads it.
        text = f"cpu  1 2 3\nintr 5 0 0\nprocs_running {running + 1}\nprocs_blocked {blocked}\n"
        (self.proc / "stat").write_text(text)

    def set_available(self, size):
        text = f"MemTotal:  99 kB\nMemAvailable:   {size // 1024} kB\nHugePages_Total:  0\n"
        (self.proc / "meminfo").write_text(text)

    def set_group(self, line, mount, files):
        (self.proc / "self/cgroup").write_text(line)
        (self.proc / "self/mountinfo").write_text(mount.format(point=self.point) + "\n")
        for name, text in files.items():
            path = self.point / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        self.reasons.append(self.gate.reason)
        self.now += seconds
        self.after_sleep()

    def make_gate(self, **options):
        self.gate = Gate(clock=lambda: self.now, sleep=self.sleep, proc=self.proc, **options)
        return self.gate

    async def start_jobs(self, seconds):
        """Return when jobs were started that wanted to for so long."""
        begin, times = self.now, []
        while True:
            if not self.gate.is_open():
                await self.gate.wait()
            if self.now > begin + seconds:
                return times
            self.gate.begin()
            times.append(round(self.now - begin, 6))


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


async def test_without_options_it_is_always_open(machine):
    gate = machine.make_gate()
    for _ in range(1000):
        assert gate.is_open()
        await gate.wait()
        gate.begin()

    assert machine.pauses == []


async def test_a_delay_is_between_starts(machine):
    machine.make_gate(delay=0.25)

    assert await machine.start_jobs(1) == [0, 0.25, 0.5, 0.75, 1]
    assert machine.reasons[0] == "the delay of 0.25 s between jobs"
    assert machine.gate.reason is None


async def test_a_delay_that_has_passed_meanwhile_holds_nobody_up(machine):
    gate = machine.make_gate(delay=5)
    gate.begin()
    assert not gate.is_open()
    machine.now += 5

    assert gate.is_open()
    assert gate.reason is None


async def test_load_lets_as_many_begin_as_there_is_room_for(machine):
    machine.set_running(1, blocked=1)
    machine.make_gate(load=5)

    times = await machine.start_jobs(FRESH * 1.5)

    assert times == [0, 0, 0, FRESH, FRESH, FRESH]


async def test_too_high_a_load_is_waited_for_less_and_less_often(machine):
    machine.set_running(4)
    gate = machine.make_gate(load=4)
    machine.now += FRESH

    def after_sleep():
        if len(machine.pauses) == 12:
            machine.set_running(3)

    machine.after_sleep = after_sleep
    await gate.wait()
    gate.begin()

    assert not gate.is_open()
    assert machine.pauses == sorted(machine.pauses)
    assert (machine.pauses[0], machine.pauses[-1]) == (SHORTEST_PAUSE, LONGEST_PAUSE)
    assert set(machine.reasons) == {"the load: 4 running, --load 4"}


async def test_a_load_of_nearly_nothing_means_that_nothing_else_runs(machine):
    machine.set_running(0)
    gate = machine.make_gate(load=0.01)
    assert gate.is_open()
    gate.begin()

    assert not gate.is_open()


async def test_memory_has_to_be_free(machine):
    machine.set_available(GIB)
    gate = machine.make_gate(mem_free=2 * GIB)
    machine.after_sleep = lambda: machine.set_available(2 * GIB)

    assert not gate.is_open()
    await gate.wait()

    assert gate.is_open()
    assert set(machine.reasons) == {"free memory: 1 GiB, --mem-free 2 GiB"}


async def test_a_wait_that_is_cancelled_has_no_reason_left(machine):
    machine.set_available(0)
    gate = Gate(mem_free=1, proc=machine.proc)
    task = asyncio.ensure_future(gate.wait())
    await asyncio.sleep(0)
    assert gate.reason == "free memory: 0 B, --mem-free 1 B"
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.reason is None


def test_what_the_kernel_does_not_tell_is_an_error(machine):
    with pytest.raises(UsageError, match="--load: the kernel does not tell"):
        machine.make_gate(load=1)
    with pytest.raises(UsageError, match="--mem-free: the kernel does not tell"):
        machine.make_gate(mem_free=1)


@pytest.mark.parametrize(
    "files, left",
    [
        ({"a/memory.max": 3 * GIB, "a/memory.current": GIB}, 2 * GIB),
        ({"a/memory.max": "max", "a/memory.current": GIB}, 9 * GIB),
        ({"a/memory.max": GIB, "a/memory.current": 2 * GIB}, 0),
        ({"memory.max": 3 * GIB, "memory.current": GIB}, 2 * GIB),
        ({"b/memory.max": 0, "b/memory.current": 0}, 9 * GIB),
        ({"a/memory.max": GIB}, 9 * GIB),
        (
            {
                "a/memory.max": 3 * GIB,
                "a/memory.current": 3 * GIB,
                "a/memory.stat": f"anon 5\nactive_file {GIB}\ninactive_file {GIB}",
            },
            2 * GIB,
        ),
    ],
)
def test_what_a_cgroup_may_take_counts_but_for_the_pages_of_files(machine, files, left):
    machine.set_available(9 * GIB)
    machine.set_group("0::/a\n", MOUNT_V2, files)

    assert Memory(machine.proc).available() == left


def test_the_older_kind_of_cgroup_counts(machine):
    machine.set_available(9 * GIB)
    files = {
        "a/memory.limit_in_bytes": 3 * GIB,
        "a/memory.usage_in_bytes": 2 * GIB,
        "a/memory.stat": f"active_file 1\ntotal_active_file {GIB}\ntotal_inactive_file 0",
    }
    machine.set_group("3:memory:/a\n2:cpu:/b\n", MOUNT_V1, files)

    assert Memory(machine.proc).available() == 2 * GIB


def test_this_machine_tells_how_much_memory_is_left():
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    assert 0 < Memory().available() <= total


def test_a_program_that_computes_counts_on_this_machine():
    # Somebody else may run, too, or may just have ended: what has to show is this one.
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as busy:
        try:
            while running_tasks() < 1:
                os.sched_yield()
        finally:
            busy.kill()


@pytest.mark.slow
async def test_this_machine_has_room_for_a_job():
    loop = asyncio.get_running_loop()
    gate = Gate(delay=0.05, load=10_000, mem_free=1)
    begin = loop.time()
    for _ in range(4):
        await gate.wait()
        gate.begin()

    assert loop.time() - begin >= 0.15
