"""Many jobs of `true` through `procession run`, xargs and GNU parallel.

The players take turns; a player that is not installed is left out. Each run's answer is
checked, and its memory is that of the runner and not of its jobs. Exits with 1 where an
answer was wrong.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from measure import WrongAnswer, expect, kib_in
from procession.cli.bench import machine

JOBS = 20_000
SLOTS = 4

# procession's with and without the output of each job gathered.
PLAYERS = {
    "procession": [sys.executable, "-m", "procession", "run", "-j", str(SLOTS), "true"],
    "procession -u": [sys.executable, "-m", "procession", "run", "-u", "-j", str(SLOTS), "true"],
    "xargs": ["xargs", "-P", str(SLOTS), "-n", "1", "true"],
    "parallel": ["parallel", "--will-cite", "-j", str(SLOTS), "true"],
}

# GNU parallel takes minutes for what the others do in seconds: its rate is that of fewer jobs.
SHARES = {"parallel": 10}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    players = {
        name: command for name, command in PLAYERS.items() if shutil.which(command[0]) is not None
    }
    samples = {name: [] for name in players}
    try:
        for _ in range(options.rounds):
            for name, command in players.items():
                samples[name].append(run(command, options.jobs // SHARES.get(name, 1)))
        memory = [run(PLAYERS["procession"], jobs)["kib"] for jobs in (1_000, options.jobs)]
    except WrongAnswer as error:
        print(error, file=sys.stderr)
        return 1
    rates = {name: statistics.median(s["rate"] for s in each) for name, each in samples.items()}
    print(f"{options.jobs:,} jobs of true, {SLOTS} at a time, medians of {options.rounds} rounds")
    print(f"{'':16}{'jobs/s':>10}{'CPU us':>10}{'of xargs':>10}")
    for name, each in samples.items():
        cpu = statistics.median(sample["cpu_us"] for sample in each)
        share = rates[name] / rates["xargs"]
        print(f"{name:16}{rates[name]:>10,.0f}{cpu:>10,.0f}{share:>10.2f}")
    print(f"memory of procession: {memory[0]:,} KiB for 1,000 jobs, {memory[1]:,} for all")
    if options.json:
        with open(options.json, "w") as file:
            figures = {"machine": machine.describe(), "samples": samples, "memory_kib": memory}
            json.dump(figures, file, indent=1)
            file.write("\n")
    return 0


def run(command, jobs):
    """Run so many jobs; return the rate, the CPU time of all for one, and the runner's peak."""
    with tempfile.TemporaryFile() as numbers:
        numbers.write(b"".join(b"%d\n" % i for i in range(jobs)))
        numbers.seek(0)
        began = time.perf_counter()
        process = subprocess.Popen(command, stdin=numbers, stdout=subprocess.PIPE)
        peak = 0
        while True:
            # A zombie has no memory: the last look before it is one counts.
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            with contextlib.suppress(LookupError):
                peak = max(peak, kib_in(f"/proc/{process.pid}/status", "VmHWM:"))
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        expect(process.stdout.read(), b"", "output")
        process.stdout.close()
        expect(process.returncode, 0, "exit status")
    cpu = usage.ru_utime + usage.ru_stime
    return {
        "jobs": jobs,
        "seconds": seconds,
        "rate": jobs / seconds,
        "cpu_us": cpu / jobs * 1e6,
        "kib": peak,
    }


if __name__ == "__main__":
    sys.exit(main())
