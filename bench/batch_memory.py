"""The highest memory of a small and of a large batch, which should not differ.

Each batch goes through procession.map() in a process of its own, from a generator of
commands, 64 in flight. Exits with 1 if the larger one needs more than 5 % more.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time

import procession
from build import build, child
from measure import expect, kib_in

IN_FLIGHT = 64
MOST = 1.05


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("numbers", type=int, nargs="*", default=[10_000, 1_000_000])
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone is not None:
        print(json.dumps(asyncio.run(batch(options.alone))))
        return 0
    build()
    peaks = []
    for number in options.numbers:
        peak, seconds = in_a_process(number)
        peaks.append(peak)
        print(f"{number:>12,} commands: {peak:,} KiB at most, {seconds:.1f} s", flush=True)
    growth = max(peaks) / peaks[0]
    print(f"the highest is {growth:.3f} of the first")
    return 1 if growth > MOST else 0


def in_a_process(number):
    command = [sys.executable, __file__, "--alone", str(number)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


async def batch(number):
    """Return the process's highest memory in KiB, and the seconds that it took."""
    command = [child("nolibc")]
    ended = 0
    began = time.perf_counter()
    async for completed in procession.map((command for _ in range(number)), concurrency=IN_FLIGHT):
        expect(completed.returncode, 7, "exit status")
        ended += 1
    expect(ended, number, "results")
    return kib_in("/proc/self/status", "VmHWM:"), time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
