"""Medians and ratios of what was measured, and the table of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from procession.cli.bench.workloads import Workload

# The player that the others are compared with.
YARDSTICK: Final = "asyncio"

WIDTH: Final = 19

Samples = Mapping[str, Sequence[Mapping[str, float]]]


def number(value: float) -> str:
    """Three digits that matter, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    if value >= 1:
        return f"{value:.2f}"
    return f"{value:.3f}"


def row_of(workload: Workload, samples: Samples) -> dict[str, Any]:
    """Return the figures of a workload: of each player that has samples, its medians.

    The ratios say how many times as fast as the yardstick it is, and how many times less
    CPU time it takes.
    """
    players: dict[str, dict[str, Any]] = {}
    for player, taken in samples.items():
        players[player] = {
            "rate": statistics.median(s["amount"] * workload.scale / s["seconds"] for s in taken),
            "cpu": statistics.median(s["cpu"] / (s["amount"] * workload.scale) for s in taken),
            "samples": taken,
        }
    for figures in players.values():
        figures["rate_ratio"] = figures["cpu_ratio"] = None
        if YARDSTICK in players:
            figures["rate_ratio"] = figures["rate"] / players[YARDSTICK]["rate"]
            # The CPU clock of some kernels is too coarse for a short sample.
            if figures["cpu"]:
                figures["cpu_ratio"] = players[YARDSTICK]["cpu"] / figures["cpu"]
    return {
        "name": workload.name,
        "label": workload.label,
        "unit": workload.unit,
        "command": list(workload.command),
        "players": players,
    }


def text(result: Mapping[str, Any]) -> str:
    """Return the result as it is printed."""
    machine, rows = result["machine"], result["workloads"]
    players = result["players"]
    parts = [
        f"{machine['python']}, Linux {machine['kernel']}, {machine['cores']} CPUs, "
        f"{machine['cpu']}\n" + ", ".join(f"{name} {players[name]}" for name in players),
        f"Rounds: {result['rounds']}. The figures are medians, and in brackets stands how many "
        f"times as\ngood as {YARDSTICK}'s they are.",
        table("how much in a second", list(players), rows, speed),
        table("the caller's CPU time for one, \N{MICRO SIGN}s", list(players), rows, effort),
    ]
    notes = [f"not here: {name}: {why}" for name, why in result["missing"].items()]
    notes += [f"left out: {name}: {why}" for name, why in result["skipped"].items()]
    notes += [
        f"FAILED: {each['workload']} by {each['player']}: {each['why']}"
        for each in result["failed"]
    ]
    return "\n\n".join([*parts, "\n".join(notes)] if notes else parts)


def table(
    title: str,
    players: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    cell: Callable[[Mapping[str, Any]], str],
) -> str:
    """Return a line for each row, with a column for each player."""
    width = max(map(len, [title, *(row["label"] for row in rows)]))
    lines = [f"{title:<{width}}" + "".join(f"{name:>{WIDTH}}" for name in players)]
    for row in rows:
        cells = (cell(row["players"][name]) if name in row["players"] else "-" for name in players)
        lines.append(f"{row['label']:<{width}}" + "".join(f"{text:>{WIDTH}}" for text in cells))
    return "\n".join(lines)


def speed(figures: Mapping[str, Any]) -> str:
    return number(figures["rate"]) + in_brackets(figures["rate_ratio"])


def effort(figures: Mapping[str, Any]) -> str:
    return number(figures["cpu"] * 1e6) + in_brackets(figures["cpu_ratio"])


def in_brackets(ratio: float | None) -> str:
    return "" if ratio is None else f" ({ratio:.2f})"
