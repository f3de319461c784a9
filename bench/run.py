"""Compare procession with its peers and with C, in one run with alternating turns.

Each round takes every workload in turn, and there every implementation in a shuffled
order, so that a slow period of the machine meets all of them. Exits with 1 when an
implementation gave a wrong answer or none; one that is not installed is only reported.
"""

import argparse
import datetime
import json
import random
import resource
import shlex
import sys
from pathlib import Path

import catalog
import report
import summary
from build import build
from measure import Refused
from players import Failed, Limit, Missing, Worker
from procession.cli.bench import machine


def main():
    options = parse_arguments()
    try:
        workloads = catalog.select(options.only, options.quick)
    except LookupError as unknown:
        sys.exit(str(unknown))
    build()
    allow_open_files(max(w.files for w in workloads))
    players, missing, broken = start_players(options.impl)
    try:
        skipped = {w.name: why for w in workloads if (why := w.unmet())}
        able = [w for w in workloads if w.name not in skipped]
        samples, refused, failed = measure(players, able, options)
    finally:
        for player in players.values():
            player.close()
    result = {
        **provenance("run.py", players),
        "quick": options.quick,
        "missing": missing,
        "skipped": skipped,
        "refused": refused,
        "failed": broken + failed,
        "rows": [row for w in able for row in summary.rows(w, samples[w.name])],
        "cpu": [summary.cpu_row(w, samples[w.name]) for w in able],
    }
    print(report.text(result))
    write(result, options.json)
    return 1 if result["failed"] else 0


def provenance(program, players):
    """What every result says of how it was made."""
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M"),
        "command": shlex.join(["python", f"bench/{program}", *sys.argv[1:]]),
        "machine": machine.describe(),
        "implementations": {name: p.version for name, p in players.items()},
    }


def write(result, path):
    """Write the result as JSON, if there is a path."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def timeout(quick):
    """How long one sample may take, in seconds."""
    return 20 if quick else 300


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="about a minute, rougher")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="workloads to run")
    parser.add_argument("--impl", nargs="+", metavar="NAME", choices=catalog.IMPLEMENTATIONS)
    parser.add_argument("--rounds", type=int, help="5, or 3 with --quick")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.timeout = timeout(options.quick)
    options.impl = options.impl or catalog.DEFAULT_IMPLEMENTATIONS
    return options


def allow_open_files(n):
    """Raise the limit for this process and all that it starts, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n:
        wanted = n if hard == resource.RLIM_INFINITY else min(n, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def start_players(names):
    players, missing, broken = {}, {}, []
    for name in names:
        try:
            is_limit = name in (catalog.LIMIT, catalog.PAD)
            players[name] = Limit(name == catalog.PAD) if is_limit else Worker(name)
        except Missing as why:
            missing[name] = str(why)
        except Failed as why:
            broken.append(failure("import", name, why))
    return players, missing, broken


def measure(players, workloads, options):
    """Return {workload: {implementation: [sample, ...]}}, the refusals, the failures."""
    samples = {w.name: {} for w in workloads}
    refusals, failures = {}, {}
    for turn in range(options.rounds):
        for workload in workloads:
            if turn >= workload.rounds(options.rounds, options.quick):
                continue
            names = [name for name, p in players.items() if p.takes_part_in(workload)]
            for name in random.sample(names, len(names)):
                key = workload.name, name
                if key in refusals or key in failures:
                    continue
                show(f"round {turn + 1} of {options.rounds}: {workload.name} {name}")
                params = workload.params(options.quick)
                try:
                    sample = players[name].sample(workload, params, options.timeout)
                except Refused as why:
                    refusals[key] = why
                except Failed as why:
                    failures[key] = why
                else:
                    samples[workload.name].setdefault(name, []).append(sample)
    show("")
    return samples, *(
        [failure(*key, why) for key, why in found.items()] for found in (refusals, failures)
    )


def failure(workload, implementation, why):
    return {"workload": workload, "implementation": implementation, "why": str(why)}


def show(progress):
    if sys.stderr.isatty():
        print(f"\r\x1b[K{progress}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
