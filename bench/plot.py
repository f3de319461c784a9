"""Draw a result: `plot.py` draws the newest committed ones into docs/, `plot.py FILE` one.

Of run.py's result it shows how near each implementation comes to C, and the figures
themselves where that says nothing; of scaling.py's, the curves. Nothing is left out. The
same result always gives the same file.
"""

import argparse
import math
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from catalog import IMPLEMENTATIONS, LIMIT, PAD
from results import kind_of, load, newest

DOCS = Path(__file__).resolve().parent.parent / "docs"
FILES = {"full": "comparison.svg", "quick": "comparison.svg", "scaling": "scaling.svg"}
OURS = "procession"
OTHERS = "other workloads"
GROUPS = {
    "children": ("spawn", "true", "capture", "live", "descriptors"),
    "bytes": ("stream", "streams", "protocol", "communicate", "write"),
    "lines": ("lines", "batches", "readline", "readuntil", "readexactly", "pingpong"),
    "how soon": ("exits", "fairness"),
}
# Ids inside the file are hashes: with a fixed salt they are the same each time. Text stays
# text, so that it can be searched, and the file does not depend on the fonts here.
STYLE = {
    "svg.hashsalt": OURS,
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
# Colours that are told apart without seeing red or green; the shapes differ as well.
COLOURS = ("#d55e00", "#e69f00", "#0072b2", "#009e73", "#56b4e9", "#cc79a7", "#999933", "#666666")
SHAPES = "oPs^vD<X>"
WIDTH, ROW_HEIGHT, CURVE_HEIGHT = 9.0, 0.23, 3.2
LEFT, TITLE_HEIGHT = 4.2, 0.62


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result", nargs="?", type=Path, help="a file of run.py or scaling.py")
    parser.add_argument("--out", type=Path, metavar="FILE", help="not into docs/")
    options = parser.parse_args()
    results = [load(options.result)] if options.result else [newest("full"), newest("scaling")]
    for result in filter(None, results):
        path = options.out or DOCS / FILES[kind_of(result)]
        with rc_context(STYLE):
            figure = curves(result) if kind_of(result) == "scaling" else comparison(result)
            figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def comparison(result):
    """One panel for each group of workloads, and one for each unit without a ratio."""
    panels = panels_of(result["rows"])
    heights = [len(rows) * ROW_HEIGHT + TITLE_HEIGHT for _, _, rows in panels]
    top = 0.9
    height = sum(heights) + top
    figure = Figure(figsize=(WIDTH, height))
    figure.text(0.01, 1 - 0.15 / height, heading(result), va="top", linespacing=1.5)
    above = height - top
    axes = None
    for (title, key, rows), panel_height in zip(panels, heights, strict=True):
        above -= panel_height
        inner = len(rows) * ROW_HEIGHT
        box = (LEFT / WIDTH, (above + 0.3) / height, 0.97 - LEFT / WIDTH, inner / height)
        axes = figure.add_axes(box)
        draw_rows(axes, title, key, rows)
    names = [name for name in result["implementations"] if name != LIMIT]
    figure.legend(
        handles=[axes.plot([], [], **mark(name), label=name)[0] for name in names],
        loc="upper right",
        bbox_to_anchor=(0.99, 1 - 0.42 / height),
        ncols=len(names),
        frameon=False,
        handletextpad=0.1,
        columnspacing=1.0,
    )
    return figure


def panels_of(rows):
    """Return (title, what is drawn, rows) for each panel that has rows."""
    panels = {}
    for row in rows:
        has_ratio = any(value["ratio"] is not None for value in row["values"].values())
        title = (
            group_of(row["workload"]) if has_ratio else f"{row['unit']}, {row['better']} is better"
        )
        panels.setdefault((title, "ratio" if has_ratio else "median"), []).append(row)
    return [(title, key, panel) for (title, key), panel in panels.items()]


def group_of(workload):
    part = workload.split("-")[0]
    for title, parts in GROUPS.items():
        if part in parts:
            return title
    return OTHERS


def heading(result):
    machine = result["machine"]
    return (
        "Speed as a share of a C program's on one thread (the line at 1); to the right is "
        f"faster.\n{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, "
        f"{machine['python']}; {result['date']} UTC"
    )


def draw_rows(axes, title, key, rows):
    for i, row in enumerate(rows):
        # Ours last, over the others.
        for name in sorted(row["values"], key=lambda name: name == OURS):
            figure = row["values"][name][key]
            if name != LIMIT and figure is not None and figure > 0:
                axes.plot([figure], [i], **mark(name))
    if key == "ratio":
        axes.axvline(1, color="black", linewidth=0.8, zorder=0)
    axes.set_title(title, loc="left", fontweight="bold", fontsize=9)
    axes.set_xscale("log")
    set_ticks(axes.xaxis)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [row["label"] for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="both", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)


def set_ticks(axis):
    """Ticks at 1, 2 and 5 of each power of ten, written without an exponent."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(plain)
    axis.set_minor_locator(NullLocator())


def plain(value, _position):
    return f"{value:,.0f}" if value >= 1 else f"{value:.{-math.floor(math.log10(value))}f}"


def mark(name):
    i = IMPLEMENTATIONS.index(name)
    style = {"marker": SHAPES[i % len(SHAPES)], "color": COLOURS[i % len(COLOURS)]}
    if name in (LIMIT, PAD):
        style["color"] = "black"
    ours = name == OURS
    return {
        **style,
        "linestyle": "none",
        "markersize": 7 if ours else 4.5,
        "zorder": 3 if ours else 2,
        "markeredgewidth": 0,
    }


def curves(result):
    """One panel for each curve, both axes logarithmic."""
    rows = math.ceil(len(result["curves"]) / 2)
    figure = Figure(figsize=(WIDTH, rows * CURVE_HEIGHT), layout="constrained")
    for i, curve in enumerate(result["curves"], 1):
        axes = figure.add_subplot(rows, 2, i)
        for name in sorted(curve["values"], key=IMPLEMENTATIONS.index):
            points = curve["values"][name]
            style = {**mark(name), "linestyle": "-", "markersize": 4, "linewidth": 1.2}
            axes.plot([p["x"] for p in points], [p["median"] for p in points], **style)
        axes.set_title(f"{curve['label']}, {curve['unit']}", loc="left", fontsize=9)
        axes.set_xlabel(f"{curve['along']}; {curve['better']} is better")
        axes.set(xscale="log", yscale="log")
        set_ticks(axes.xaxis)
        set_ticks(axes.yaxis)
        # The sizes that were measured, and no other.
        axes.set_xticks(sorted({p["x"] for points in curve["values"].values() for p in points}))
        axes.grid(color="#dddddd", linewidth=0.5)
    names = sorted(result["implementations"], key=IMPLEMENTATIONS.index)
    figure.legend(
        handles=[axes.plot([], [], **mark(name), label=name)[0] for name in names],
        loc="outside upper center",
        ncols=len(names),
        frameon=False,
    )
    return figure


if __name__ == "__main__":
    main()
