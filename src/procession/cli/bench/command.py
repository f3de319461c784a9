"""`procession bench`: players in turn, each in an interpreter of its own."""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple, TextIO

from procession.cli.bench import machine, table, workloads
from procession.cli.bench.workers import Failed, Worker
from procession.cli.bench.workloads import Workload
from procession.cli.errors import UsageError

# Run as a program of its own: see what it promises.
PROGRAM: Final = Path(__file__).with_name("worker.py")

PLAYERS: Final = ("procession", "asyncio", "uvloop", "subprocess")


class Size(NamedTuple):
    """How much is measured: rounds, and seconds for each sample."""

    rounds: int
    seconds: float


FULL: Final = Size(5, 0.15)
QUICK: Final = Size(2, 0.04)

# Seconds for one sample: far more than a slow machine needs.
PATIENCE: Final = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Measure procession beside asyncio, uvloop where it is installed, and the blocking "
        "module subprocess, on this machine: some twenty seconds. Every answer is checked; "
        "the exit status is 1 if one was wrong or did not come."
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds, rougher")
    parser.add_argument(
        "--rounds",
        type=positive,
        metavar="N",
        help=f"how often each player has its turn ({FULL.rounds}; {QUICK.rounds} with --quick)",
    )
    parser.add_argument(
        "--workloads",
        type=names_of,
        default=workloads.NAMES,
        metavar="NAMES",
        help=f"some of {', '.join(workloads.NAMES)}, with commas between them",
    )
    parser.add_argument("--json", metavar="FILE", help="write all samples and figures, too")


def positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise ValueError
    return number


def names_of(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in workloads.NAMES:
            raise argparse.ArgumentTypeError(
                f"there is no workload {name!r}, but {', '.join(workloads.NAMES)}"
            )
    return names


def main(options: argparse.Namespace) -> int:
    size = QUICK if options.quick else FULL
    size = Size(options.rounds or size.rounds, size.seconds)
    chosen = [workload for workload in workloads.ALL if workload.name in options.workloads]
    with ExitStack() as stack:
        file = stack.enter_context(opened(options.json)) if options.json else None
        result = compare(chosen, size)
        if file:
            file.write(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(table.text(result))
    return 1 if result["failed"] else 0


def opened(path: str) -> TextIO:
    """Open the file of the result, before minutes are spent on what cannot be written."""
    try:
        return open(path, "w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json: {error.strerror}: {path}") from None


def compare(chosen: Sequence[Workload], size: Size) -> dict[str, Any]:
    """Measure some workloads; return the result, which can be written as JSON."""
    with TemporaryDirectory(prefix="procession-bench-") as folder, ExitStack() as stack:
        lines = Path(folder, "lines")
        workloads.write_lines(lines)
        players, missing, broken = start(stack)
        requests, skipped = requests_of(chosen, lines, size.seconds)
        able = [workload for workload in chosen if workload.name in requests]
        samples, failed = measure(players, requests, size.rounds)
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M"),
        "machine": machine.describe(),
        "rounds": size.rounds,
        "seconds": size.seconds,
        "players": {name: worker.hello["version"] for name, worker in players.items()},
        "missing": missing,
        "skipped": skipped,
        "failed": broken + failed,
        "workloads": [table.row_of(workload, samples[workload.name]) for workload in able],
    }


def start(
    stack: ExitStack,
) -> tuple[dict[str, Worker], dict[str, str], list[dict[str, str]]]:
    """Return the players, whom the stack ends, why others are missing, and who failed."""
    players, missing, failed = {}, {}, []
    for name in PLAYERS:
        try:
            worker = Worker([sys.executable, str(PROGRAM), name])
        except Failed as why:
            failed.append({"workload": "start", "player": name, "why": str(why)})
            continue
        stack.callback(worker.close)
        if "missing" in worker.hello:
            missing[name] = worker.hello["missing"]
        else:
            players[name] = worker
    return players, missing, failed


def requests_of(
    chosen: Sequence[Workload], lines: Path, seconds: float
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Return what to ask the players for each workload, and why some are left out."""
    requests, skipped = {}, {}
    for workload in chosen:
        try:
            requests[workload.name] = workload.request(lines, seconds)
        except LookupError as why:
            skipped[workload.name] = str(why)
    return requests, skipped


def measure(
    players: dict[str, Worker], requests: dict[str, dict[str, Any]], rounds: int
) -> tuple[dict[str, dict[str, list[dict[str, float]]]], list[dict[str, str]]]:
    """Return the samples, by workload and player, and the failures.

    In each round all workloads have their turn, and for each of them the players in an order
    drawn by lot, so that a slow moment of the machine meets all.
    """
    samples: dict[str, dict[str, list[dict[str, float]]]] = {name: {} for name in requests}
    failed: dict[tuple[str, str], str] = {}
    for turn in range(1, rounds + 1):
        for workload, request in requests.items():
            for player in random.sample(list(players), len(players)):
                if (workload, player) in failed:
                    continue
                show(f"round {turn} of {rounds}: {workload} by {player}")
                worker = players[player]
                try:
                    worker.restart_if_lost()
                    sample = worker.ask(request, PATIENCE)["sample"]
                except Failed as why:
                    failed[workload, player] = str(why)
                    samples[workload].pop(player, None)
                else:
                    samples[workload].setdefault(player, []).append(sample)
    show("")
    return samples, [
        {"workload": workload, "player": player, "why": why}
        for (workload, player), why in failed.items()
    ]


def show(progress: str) -> None:
    """Replace the line on the terminal, if errors go to one."""
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"\r\x1b[K{progress}", end="", file=sys.stderr, flush=True)
