"""Has procession become slower? Runs a few workloads and compares with what is committed.

What is compared are the ratios to C, of speed and of the parent's CPU time, which differ
less from machine to machine. asyncio is the control: where its ratio has fallen as well,
C had luck and the row is void. Exits with 1 when a ratio has fallen by more than a
quarter, with 2 when a row is void.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from catalog import LIMIT
from report import over_limit, times
from results import load, newest

RUN = Path(__file__).resolve().parent / "run.py"
OURS, CONTROL = "procession", "asyncio"
# Their figures are least at the mercy of what else the machine does: no bulk of bytes
# that two CPUs hand to each other.
WORKLOADS = ["spawn-64", "capture-64", "lines-20", "readline", "pingpong-1cpu"]
KEPT = 0.75


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the small sizes of run.py")
    parser.add_argument("--baseline", type=Path, metavar="FILE", help="instead of the newest")
    parser.add_argument("--result", type=Path, metavar="FILE", help="judge this, run nothing")
    options = parser.parse_args()
    baseline = load(options.baseline) if options.baseline else newest_like(options.quick)
    result = load(options.result) if options.result else run(options.quick)
    verdicts = judge(baseline, result)
    if not verdicts:
        sys.exit("the two results have no ratio to C in common")
    print(f"baseline: {baseline['date']}  {baseline['command']}\n{table(verdicts)}")
    words = {verdict["word"] for verdict in verdicts}
    return 1 if "fallen" in words else 2 if "void" in words else 0


def newest_like(quick):
    """The newest result of that size, else of the full one."""
    baseline = (newest("quick") if quick else None) or newest("full")
    return baseline or sys.exit("no result in bench/results: see run.py --json")


def run(quick):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "result.json")
        command = [sys.executable, str(RUN), "--only", *WORKLOADS]
        command += ["--impl", OURS, CONTROL, LIMIT, "--json", str(path)]
        done = subprocess.run([*command, *["--quick"][:quick]], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(done.stdout)
        return load(path)


def judge(baseline, result):
    """One verdict for each ratio of procession's that is in both."""
    before, now = ratios(baseline), ratios(result)
    verdicts = []
    for label, old in before.items():
        new = now.get(label, {})
        if OURS not in old or OURS not in new:
            continue
        kept = new[OURS] / old[OURS]
        control = new[CONTROL] / old[CONTROL] if CONTROL in old and CONTROL in new else None
        verdicts.append(
            {
                "label": label,
                "before": old[OURS],
                "now": new[OURS],
                "kept": kept,
                "control": control,
                "word": word(kept, control),
            }
        )
    return verdicts


def ratios(result):
    """Return {label: {implementation: how near to C}}, of speed and of the parent's CPU time."""
    found = {
        row["label"]: {name: v["ratio"] for name, v in row["values"].items() if v["ratio"]}
        for row in result["rows"]
    }
    for cpu in result["cpu"]:
        over = {name: over_limit(cpu, name) for name in cpu["values"]}
        found[f"CPU time, {cpu['workload']}"] = {name: 1 / n for name, n in over.items() if n}
    return found


def word(kept, control):
    if kept >= KEPT:
        return "kept"
    return "void" if control is not None and control < KEPT else "fallen"


def table(verdicts):
    width = max(len(verdict["label"]) for verdict in verdicts) + 2
    lines = [f"{'of C':<{width}}{'before':>8}{'now':>8}{'kept':>8}{CONTROL:>10}"]
    for verdict in verdicts:
        cells = "".join(f"{times(verdict[key]):>8}" for key in ("before", "now", "kept"))
        cells += f"{times(verdict['control']):>10}  {verdict['word']}"
        lines.append(f"{verdict['label']:<{width}}{cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
