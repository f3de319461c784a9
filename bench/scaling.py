"""How figures grow: with children in flight, with the parent's memory, with descriptors.

Each point is a workload of the catalog with another size, run as run.py runs them, in
alternating turns. Exits with 1 when an implementation gave a wrong answer or none.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import catalog
import run
import summary
from build import build
from entry import Metric
from report import number, remarks

IMPLEMENTATIONS = ("procession", "asyncio", "uvloop", catalog.LIMIT)


@dataclass(frozen=True)
class Axis:
    """What grows, through which sizes, and the workload at each of them."""

    along: str
    full: tuple
    quick: tuple
    workload: Callable
    cpu: tuple  # whose CPU time: "self" is the parent's, "children" that of its children

    def points(self, quick):
        return [(x, self.workload(x)) for x in (self.quick if quick else self.full)]


def in_flight(k):
    name, title = f"{k} children in flight", "that many in flight"
    return catalog.spawn(name, title, k, max(k, 1000), max(k, 128), files=4 * k)


def in_parent(mib):
    return catalog.lateness(f"parent of {mib} MiB", "16 in flight", mib)


def beside(files):
    (workload,) = catalog.select(["descriptors"], quick=False)
    return replace(
        workload,
        name=f"{files} descriptors",
        full={**workload.full, "many": files},
        quick={**workload.quick, "many": files},
        metrics=(Metric("spawn and wait, one at a time", "/s"),),
        cpu=("ms per child", 1e3),
        most_rounds=99,
        quick_rounds=99,
        files=files + 500,
    )


AXES = (
    Axis("children in flight", (1, 4, 16, 64, 256, 1024), (1, 16, 256), in_flight, ("self",)),
    Axis(
        "MiB of memory in the parent",
        (50, 512, 2048, 4096),
        (50, 512),
        in_parent,
        ("self", "children"),
    ),
    Axis(
        "descriptors open in the parent",
        (10, 100, 1000, 4000, 16000),
        (10, 1000, 16000),
        beside,
        ("self", "children"),
    ),
)


def main():
    options = parse_arguments()
    points = [w for axis in AXES for _, w in axis.points(options.quick)]
    build()
    run.allow_open_files(max(w.files for w in points))
    players, missing, broken = run.start_players(options.impl)
    try:
        skipped = {w.name: why for w in points if (why := w.unmet())}
        able = [w for w in points if w.name not in skipped]
        samples, refused, failed = run.measure(players, able, options)
    finally:
        for player in players.values():
            player.close()
    result = {
        **run.provenance("scaling.py", players),
        "missing": missing,
        "skipped": skipped,
        "refused": refused,
        "failed": broken + failed,
        "curves": [c for axis in AXES for c in curves(axis, axis.points(options.quick), samples)],
    }
    print("\n\n".join([*map(table, result["curves"]), "\n".join(remarks(result))]).rstrip())
    run.write(result, options.json)
    return 1 if result["failed"] else 0


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer points, one round")
    parser.add_argument(
        "--impl",
        nargs="+",
        metavar="NAME",
        choices=catalog.IMPLEMENTATIONS,
        default=IMPLEMENTATIONS,
    )
    parser.add_argument("--rounds", type=int, help="3, or 1 with --quick")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.timeout = run.timeout(options.quick)
    return options


def curves(axis, points, samples):
    """One curve for each metric of the axis' workloads, and one for the CPU time."""
    found = {}

    def add(label, unit, better, x, values):
        if not values:
            return
        empty = {"label": label, "unit": unit, "better": better, "along": axis.along, "values": {}}
        curve = found.setdefault(label, empty)
        for name, value in values.items():
            curve["values"].setdefault(name, []).append({"x": x, **value})

    for x, workload in points:
        of_one = samples.get(workload.name, {})
        for row in summary.rows(workload, of_one):
            values = {
                name: {"median": value["median"], "spread": value["spread"]}
                for name, value in row["values"].items()
            }
            add(row["label"], row["unit"], row["better"], x, values)
        cpu = summary.cpu_row(workload, of_one)
        values = {
            name: {"median": sum(spent[whose] for whose in axis.cpu)}
            for name, spent in cpu["values"].items()
        }
        whose = "parent" if axis.cpu == ("self",) else "parent and children"
        add(f"CPU time of the {whose}", cpu["unit"], "lower", x, values)
    return list(found.values())


def table(curve):
    """A line for each implementation, a column for each size."""
    sizes = sorted({p["x"] for points in curve["values"].values() for p in points})
    lines = [f"{curve['label']}, {curve['unit']} ({curve['better']} is better)"]
    lines.append(f"  {curve['along']:<32}" + "".join(f"{x:>9,}" for x in sizes))
    for name in sorted(curve["values"], key=catalog.IMPLEMENTATIONS.index):
        points = curve["values"][name]
        at = {point["x"]: number(point["median"]) for point in points}
        lines.append(f"  {name:<32}" + "".join(f"{at.get(x, '-'):>9}" for x in sizes))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
