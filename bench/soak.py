"""A mixed load of children for as long as you like, every answer of which is checked.

Between stretches of load the process has to be as it was: no descriptor, thread, child or
C object more, and no more memory but for a little. Exits with 1 at the first wrong answer
and at the first check that fails.
"""

import argparse
import asyncio
import ctypes
import datetime
import gc
import importlib
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from procession.cli.bench import machine
from soak_tasks import Ledger, Wrong, out_of_descriptors

AT_ONCE = 12
THREADS = 2
AT_ONCE_IN_A_THREAD = 4
STRETCH = 10.0
LIMITS_PER_STRETCH = 6
SETTLING = 10.0
WARM_SHARE, WARM_STRETCHES = 0.1, 3
# The allocator's arenas breathe by so much under a load that is drawn by lot.
GROWTH_SHARE, GROWTH_FLOOR = 0.02, 3 << 20
IN_A_THREAD = 10**9


def main():
    options = parse_arguments()
    print(f"seed {options.seed}", flush=True)
    sp = interface(options.impl)
    soak = Soak(sp, options)
    began = time.monotonic()
    why = None
    try:
        asyncio.run(soak.run())
    except Wrong as wrong:
        why = str(wrong)
    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M"),
        "machine": machine.describe(),
        "implementation": options.impl,
        "seed": options.seed,
        "minutes": round((time.monotonic() - began) / 60, 2),
        **soak.summary(),
        "failed": why,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n")
    return 1 if why else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--impl", choices=["procession", "asyncio"], default="procession")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary")
    return parser.parse_args()


def interface(name):
    """Return the module that programs call: asyncio's, over whichever implementation."""
    if name == "procession":
        importlib.import_module("procession").install()
    return asyncio.subprocess


class Soak:
    """The load, the checks between, and what has been seen."""

    def __init__(self, sp, options):
        self.sp = sp
        self.options = options
        self.began = time.monotonic()
        self.resident = []  # bytes at each check
        self.warm = 0  # the most of the first ones
        self.complaints = []  # what the loops' exception handlers were told
        # Numbers of their own for each thread, so that no two children have the same.
        self.ledgers = [
            Ledger(random.Random(f"{options.seed} {i}"), 1 + i * IN_A_THREAD)
            for i in range(1 + THREADS)
        ]

    async def run(self):
        """Load and check in turn until the time is over."""
        asyncio.get_running_loop().set_exception_handler(self.note_complaint)
        await self.ledgers[0].run(self.sp, out_of_descriptors)
        gc.collect()
        before = await settled_inventory()
        duration = self.options.minutes * 60
        stretch = min(STRETCH, duration / (2 * WARM_STRETCHES))
        while (time_left := self.began + duration - time.monotonic()) > 0:
            await self.load(time.monotonic() + min(stretch, time_left))
            for _ in range(LIMITS_PER_STRETCH):
                await self.ledgers[0].run(self.sp, out_of_descriptors)
            await self.check(before, duration)

    async def load(self, deadline):
        """Work on this loop, and on short-lived ones in threads beside it."""
        threads = [Beside(self, ledger, deadline) for ledger in self.ledgers[1:]]
        for thread in threads:
            thread.start()
        await self.ledgers[0].run_until(self.sp, deadline, AT_ONCE)
        for thread in threads:
            await thread.done
            thread.join()

    async def check(self, before, duration):
        """Compare the process with what it was, and say how far it is."""
        gc.collect()
        now = await settled_inventory(before)
        resident = resident_bytes()
        self.resident.append(resident)
        minutes = (time.monotonic() - self.began) / 60
        print(
            f"{minutes:7.2f} min {self.children():9,} children {self.rate():6.0f}/s "
            f"RSS {in_mib(resident):6.1f} MiB, {now['descriptors']} descriptors, "
            f"{now['threads']} threads",
            flush=True,
        )
        if self.complaints:
            raise Wrong(f"the exception handler of a loop was told {self.complaints}")
        lost = [number for ledger in self.ledgers for number in ledger.open]
        if lost:
            raise Wrong(f"no answer for {lost}")
        more = {name: (before[name], now[name]) for name in now if now[name] > before[name]}
        if more:
            raise Wrong(f"more than before: {more}")
        if len(self.resident) <= WARM_STRETCHES or minutes * 60 < WARM_SHARE * duration:
            self.warm = max(self.resident)
        elif resident > self.warm + max(GROWTH_SHARE * self.warm, GROWTH_FLOOR):
            raise Wrong(f"memory has grown from {self.warm} to {resident} bytes")

    def note_complaint(self, loop, context):
        self.complaints.append(f"{context['message']}: {context.get('exception')!r}")

    def children(self):
        return sum(ledger.children for ledger in self.ledgers)

    def rate(self):
        return self.children() / (time.monotonic() - self.began)

    def summary(self):
        done = Counter()
        for ledger in self.ledgers:
            done.update({task.__name__: count for task, count in ledger.done.items()})
        return {
            "children": self.children(),
            "children_per_second": round(self.rate(), 1),
            "tasks": dict(done),
            "checks": len(self.resident),
            "resident_mib": {
                "highest while warming up": in_mib(self.warm),
                "highest": in_mib(max(self.resident, default=0)),
                "last": in_mib(sum(self.resident[-1:])),
            },
        }


class Beside(threading.Thread):
    """Runs one short-lived loop after the other; `done` belongs to the loop that made it."""

    def __init__(self, soak, ledger, deadline):
        super().__init__(name="soak", daemon=True)
        self.soak = soak
        self.ledger = ledger
        self.deadline = deadline
        self.loop = asyncio.get_running_loop()
        self.done = self.loop.create_future()

    def run(self):
        try:
            while time.monotonic() < self.deadline:
                until = time.monotonic() + self.ledger.rng.uniform(0, 1)
                asyncio.run(self.turn(min(until, self.deadline)))
        except Wrong as wrong:
            self.loop.call_soon_threadsafe(self.done.set_exception, wrong)
        else:
            self.loop.call_soon_threadsafe(self.done.set_result, None)

    async def turn(self, deadline):
        asyncio.get_running_loop().set_exception_handler(self.soak.note_complaint)
        await self.ledger.run_until(self.soak.sp, deadline, AT_ONCE_IN_A_THREAD)


def inventory():
    """Count what this process has and should not have more of."""
    engine = sys.modules.get("procession._engine")
    living = engine.live_objects() if engine else {}
    return {
        "descriptors": len(os.listdir("/proc/self/fd")) - 1,
        "threads": len(os.listdir("/proc/self/task")),
        "children": has_children(),
        **{f"live {name}": count for name, count in living.items()},
    }


async def settled_inventory(before=None):
    """Count when threads without work have ended and what runs in the background is done."""
    deadline = time.monotonic() + SETTLING
    while True:
        now = inventory()
        is_settled = (
            now["threads"] == 1 and not now["children"]
            if before is None
            else all(now[name] <= before[name] for name in now)
        )
        if is_settled or time.monotonic() > deadline:
            return now
        await asyncio.sleep(0.01)


def has_children():
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    except ChildProcessError:
        return 0
    return 1


def resident_bytes():
    """Return what is resident after the C library has given back what it holds in reserve."""
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def in_mib(n):
    return round(n / 2**20, 1)


if __name__ == "__main__":
    sys.exit(main())
