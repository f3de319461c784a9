"""How long `procession --version` takes, beside an interpreter that does nothing.

The two take turns, so that a slow moment of the machine meets both; the ratios are those of
medians, of CPU time and of the clock. Exits with 1 if one of them is above 1.5.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

MOST = 1.5
COMMAND = Path(sys.executable).with_name("procession")
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "procession --version": [str(COMMAND), "--version"],
    "procession --help": [str(COMMAND), "--help"],
}
BASE, ANSWER = "python -c pass", "procession --version"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50, help="%(default)s by default")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    if not COMMAND.exists():
        sys.exit(f"{COMMAND} is not there: install the package for this interpreter")
    samples = {name: [] for name in COMMANDS}
    for _ in range(options.rounds):
        for name, command in COMMANDS.items():
            samples[name].append(sample(command))
    result = {name: medians(taken) for name, taken in samples.items()}
    for figures in result.values():
        for clock in ("cpu", "seconds"):
            figures[f"{clock}_ratio"] = figures[clock] / result[BASE][clock]
    for name, figures in result.items():
        print(
            f"{name:<22}{figures['cpu'] * 1e3:>8.1f} ms of CPU time ({figures['cpu_ratio']:.2f})"
            f"{figures['seconds'] * 1e3:>8.1f} ms ({figures['seconds_ratio']:.2f})"
        )
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 1 if max(result[ANSWER]["cpu_ratio"], result[ANSWER]["seconds_ratio"]) > MOST else 0


def sample(command):
    """Run a command to its end; return its CPU time and the time that it took."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    return {"cpu": usage.ru_utime + usage.ru_stime, "seconds": seconds}


def medians(samples):
    return {key: statistics.median(each[key] for each in samples) for key in samples[0]}


if __name__ == "__main__":
    sys.exit(main())
