"""Draws jobs over slots and time with matplotlib; imported when a picture is to be made."""

from __future__ import annotations

import importlib
import itertools
from typing import Any

from procession.cli.progress.visible import duration
from procession.cli.summary.spans import Spans

OK, FAILED, RETRIED = "#3a9d6e", "#d62839", "#f2a541"
INK, GRID, PAPER = "#22313f", "#d9dfe4", "#ffffff"
LOOK = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": GRID,
    "svg.fonttype": "path",
}
WIDTH, DPI = 12.0, 150
# The height of a slot and of all of them, in inches.
ROW, LEAST, MOST = 0.32, 1.3, 8.0
# What is beside the rows: title, axis and legend, and on the left and right.
ABOVE, BELOW, LEFT, RIGHT = 0.75, 0.95, 0.8, 0.25
# Of a row's height: a job's bar, and the strip at its foot if it had been tried before.
BAR, STRIP = 0.78, 0.2
# Beyond this jobs are not drawn one by one.
JOBS, SLOTS = 100_000, 500
# In dots.
LONG = 6
# Columns of time, a dot wide each, and rows at the most, of a picture of density.
COLUMNS, ROWS = int((WIDTH - LEFT - RIGHT) * DPI), 500
# Where few have failed they are seen among many that have not, two columns wide and in a
# strong colour; where more of the picture has failures in it, the colour tells how many.
FAINTEST, RARE = 0.8, 0.05
UNITS = (
    (0.001, "milliseconds"),
    (1.0, "seconds"),
    (60.0, "minutes"),
    (3600.0, "hours"),
    (86400.0, "days"),
)


class Scene:
    """Spans of one kind as arrays of numpy, in seconds since the first began."""

    def __init__(self, spans: Spans, origin: float) -> None:
        np = importlib.import_module("numpy")
        self.begin: Any = np.asarray(spans.started) - origin
        self.end: Any = self.begin + np.asarray(spans.seconds)
        self.slot: Any = np.asarray(spans.slots).astype(float)
        self.retried: Any = np.asarray(spans.retried).astype(bool)
        self.step = spans.step

    def __len__(self) -> int:
        return len(self.begin)


def draw(path: str, ok: Spans, failed: Spans) -> None:
    """Draw a picture into a file.

    Raises:
        OSError: it could not be written.
    """
    matplotlib = importlib.import_module("matplotlib")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(LOOK)
        figure = compose(ok, failed)
        figure.savefig(path, dpi=DPI, facecolor=PAPER)


def compose(ok: Spans, failed: Spans) -> Any:
    """Return the figure. It has no window: nothing but Agg and the writers of files is used."""
    agg = importlib.import_module("matplotlib.backends.backend_agg")
    ticker = importlib.import_module("matplotlib.ticker")
    origin = min([*map(min, filter(len, (ok.started, failed.started)))], default=0.0)
    scenes = Scene(ok, origin), Scene(failed, origin)
    last = max((float(scene.end.max()) for scene in scenes if len(scene)), default=1.0)
    slots = max((int(scene.slot.max()) for scene in scenes if len(scene)), default=1)
    # Jobs that could not be started take no time.
    span = last or 1.0
    scale, unit = next((pair for pair in reversed(UNITS) if span >= 3 * pair[0]), UNITS[0])

    rows = min(max(slots * ROW, LEAST), MOST)
    height = rows + ABOVE + BELOW
    figure = importlib.import_module("matplotlib.figure").Figure(figsize=(WIDTH, height))
    agg.FigureCanvasAgg(figure)
    axes = figure.add_axes(
        (LEFT / WIDTH, BELOW / height, 1 - (LEFT + RIGHT) / WIDTH, rows / height)
    )
    axes.set_xlim(0, span / scale)
    axes.set_ylim(slots + 0.5, 0.5)
    axes.set_xlabel(f"{unit} since the first job began")
    axes.set_ylabel("slot")
    axes.set_yticks(ticks_of(slots))
    axes.xaxis.set_major_locator(ticker.MaxNLocator(nbins=12, steps=[1, 2, 5, 10]))
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=6)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)

    many = ok.seen + failed.seen > JOBS or slots > SLOTS
    if many:
        draw_density(axes, scenes, slots, span, scale)
    else:
        draw_bars(axes, scenes, span, scale)
    name(figure, (ok, failed), slots, last)
    explain(figure, scenes, many)
    return figure


def ticks_of(slots: int) -> list[int]:
    """Return the first slot and not too many others."""
    steps = (number * 10**power for power in itertools.count() for number in (1, 2, 5))
    step = next(step for step in steps if slots <= 16 * step)
    return [1, *range(step if step > 1 else 2, slots + 1, step)]


def draw_bars(axes: Any, scenes: tuple[Scene, Scene], last: float, scale: float) -> None:
    """Draw each job as a bar."""
    np = importlib.import_module("numpy")
    jobs = sum(map(len, scenes))
    ok, _ = scenes
    # Between long jobs there is a line; of short ones each leaves a trace.
    are_long = len(ok) and float(np.median(ok.end - ok.begin)) * COLUMNS > LONG * last
    edges = ((PAPER, 0.5) if are_long else (OK, 0.25), (FAILED, 0.8))
    for order, (scene, colour, edge) in enumerate(zip(scenes, (OK, FAILED), edges, strict=True)):
        again = scene.retried
        foot = scene.slot[again] + BAR / 2
        bars = boxes(scene.begin, scene.end, scene.slot - BAR / 2, scene.slot + BAR / 2, scale)
        bars.set(facecolor=colour, edgecolor=edge[0], linewidth=edge[1])
        strips = boxes(scene.begin[again], scene.end[again], foot - STRIP, foot, scale)
        strips.set(facecolor=RETRIED, edgecolor=RETRIED, linewidth=0.25)
        for collection in (bars, strips):
            collection.set(zorder=2 + order, rasterized=jobs > 5000)
            axes.add_collection(collection, autolim=False)


def boxes(begin: Any, end: Any, top: Any, bottom: Any, scale: float) -> Any:
    np = importlib.import_module("numpy")
    collections = importlib.import_module("matplotlib.collections")
    begin, end = begin / scale, end / scale
    corners = ((begin, top), (end, top), (end, bottom), (begin, bottom))
    return collections.PolyCollection(
        np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)
    )


def draw_density(
    axes: Any, scenes: tuple[Scene, Scene], slots: int, last: float, scale: float
) -> None:
    """Draw how much of each moment a slot was busy, as the strength of the colour."""
    np = importlib.import_module("numpy")
    colours = importlib.import_module("matplotlib.colors")
    rows = min(slots, ROWS)
    for scene, colour in zip(scenes, (OK, FAILED), strict=True):
        busy = density(scene, rows, slots, last)
        if colour == FAILED:
            seen = busy > 1e-9
            emphasis = min(1.0, RARE / max(float(seen.mean()), RARE))
            if emphasis == 1:
                seen[:, 1:] |= seen[:, :-1].copy()
            busy = np.where(seen, np.maximum(busy, FAINTEST * emphasis), 0)
        image = np.empty((rows, COLUMNS, 4), np.uint8)
        image[:, :, :3] = np.multiply(colours.to_rgb(colour), 255)
        image[:, :, 3] = np.clip(busy, 0, 1) * 255
        axes.imshow(
            image,
            extent=(0, last / scale, slots + 0.5, 0.5),
            aspect="auto",
            interpolation="nearest",
            zorder=2,
        )
    if slots <= 40:
        for slot in range(1, slots):
            axes.axhline(slot + 0.5, color=PAPER, linewidth=2, zorder=3)


def density(scene: Scene, rows: int, slots: int, last: float) -> Any:
    """Return for each row and column what part of it is covered by spans.

    A span adds a ramp where it begins and takes one away where it ends; the running sums of
    those are what is covered.
    """
    np = importlib.import_module("numpy")
    change = np.zeros(rows * (COLUMNS + 2))
    row = np.minimum((scene.slot - 1) * rows // slots, rows - 1).astype(np.int64)
    weight = scene.step * rows / slots
    for edge, sign in ((scene.begin, weight), (scene.end, -weight)):
        place = np.clip(edge / last, 0, 1) * COLUMNS
        column = np.floor(place).astype(np.int64)
        part = place - column
        index = row * (COLUMNS + 2) + column
        change += np.bincount(index, sign * (1 - part), len(change))
        change += np.bincount(index + 1, sign * part, len(change))
    busy = np.cumsum(change.reshape(rows, -1), axis=1)[:, :COLUMNS]
    if scene.step > 1:
        # The mean of some columns: what is there by the luck of the draw is evened out.
        width = 2 * scene.step + 1
        padded = np.pad(busy, ((0, 0), (scene.step + 1, scene.step)), mode="edge")
        sums = np.cumsum(padded, axis=1)
        busy = (sums[:, width:] - sums[:, :-width]) / width
    return busy


def name(figure: Any, spans: tuple[Spans, Spans], slots: int, last: float) -> None:
    """Put the title, and what was left out."""
    jobs, failed = sum(kind.seen for kind in spans), spans[1].seen
    title = (
        f"{jobs:,} job{'s' * (jobs != 1)} on {slots:,} slot{'s' * (slots != 1)} in {duration(last)}"
    )
    if not jobs:
        title = "no jobs"
    at = LEFT / WIDTH
    top = figure.get_figheight()
    figure.text(at, 1 - 0.38 / top, title, size=14, weight="bold", ha="left", va="center")
    remarks = [f"{failed:,} failed" if failed else "none failed"]
    again = sum(kind.again for kind in spans)
    if again:
        remarks.append(f"{again:,} tried more than once")
    for kind, what in zip(spans, ("ok", "failed"), strict=True):
        if kind.step > 1:
            remarks.append(f"one in {kind.step} of the {what} ones drawn")
    figure.text(
        1 - RIGHT / WIDTH,
        1 - 0.38 / top,
        "; ".join(remarks),
        ha="right",
        va="center",
        color=FAILED if failed else OK,
    )


def explain(figure: Any, scenes: tuple[Scene, Scene], many: bool) -> None:
    """Put the legend."""
    patch = importlib.import_module("matplotlib.patches").Patch
    ok = "ok (paler: busy for a part of the time)" if many else "ok"
    handles = [patch(color=OK, label=ok), patch(color=FAILED, label="failed")]
    if not many and any(scene.retried.any() for scene in scenes):
        handles.append(patch(color=RETRIED, label="had been tried before"))
    figure.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(1 - RIGHT / WIDTH, 0.12 / figure.get_figheight()),
        ncols=3,
        frameon=False,
        borderaxespad=0,
        borderpad=0.2,
        handlelength=1.2,
        columnspacing=1.6,
    )
