"""The bar that is drawn on a terminal, in colours by rich."""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterable
from typing import Any

from procession.cli.progress import plain
from procession.cli.progress.moment import Moment
from procession.cli.progress.screen import Screen
from procession.cli.progress.visible import cells, duration, rate, shorten

# Narrower than this there is no bar, only its numbers.
NARROW = 40
WIDEST_BAR = 40
GAP = "  "


class Bar:
    """Progress as lines at the bottom of a terminal; without rich it is one line of words.

    Args:
        fd: of the terminal; stays the caller's.
        delay: the run's age at which the first is drawn, so that short ones show nothing.
    """

    def __init__(self, fd: int, delay: float) -> None:
        self._screen = Screen(fd)
        self._delay = delay
        self._painter: Painter | None = None
        self._is_up = False

    def draw(self, moment: Moment) -> None:
        if not self._is_up:
            if moment.elapsed < self._delay:
                return
            self._painter = find_painter()
            self._is_up = True
        columns, rows = self._screen.size()
        paint = self._painter.lines_of if self._painter else plain.lines_of
        self._screen.draw(paint(moment, columns, rows))

    def hide(self) -> None:
        self._screen.hide()

    def show(self, *, at_line_start: bool) -> None:
        if at_line_start:
            self._screen.show()

    def finish(self, moment: Moment) -> None:
        """Leave a line with the numbers where the bar was, if there was one."""
        if self._is_up:
            columns, _ = self._screen.size()
            if self._painter:
                line = self._painter.last_line(moment, columns)
            else:
                line = shorten(plain.last_line(moment), columns - 1)
            self._screen.leave(line)
            self._is_up = False


def find_painter() -> Painter | None:
    """Return a painter if there is rich. That takes some 50 ms the first time."""
    try:
        return Painter()
    except ImportError:
        return None


class Painter:
    """Makes lines with colours, as many as the terminal has, and none with NO_COLOR.

    Raises:
        ImportError: there is no rich.
    """

    def __init__(self) -> None:
        self._text: Any = importlib.import_module("rich.text").Text
        # A terminal it is, whatever this file is; rich takes what colours there are from TERM.
        self._console: Any = importlib.import_module("rich.console").Console(
            file=io.StringIO(), force_terminal=True, legacy_windows=False, width=1000
        )

    def lines_of(self, moment: Moment, columns: int, rows: int) -> list[str]:
        """Return the bar, the slowest jobs on up to a third of the rows, what is waited for."""
        room = columns - 1
        lines = [self._paint(*bar_of(moment, room), *fields_of(moment, room))]
        for seconds, job in moment.slowest[: rows // 3]:
            head = f"{duration(seconds)}{GAP}"
            if columns >= NARROW:
                head = f"{head:>14}slot {job.slot:<3}{GAP}"
            head = shorten(head, room)
            command = shorten(job.command, room - cells(head))
            lines.append(self._paint((head, "cyan"), (command, "dim")))
        if moment.waiting is not None:
            lines.append(
                self._paint((shorten(GAP + plain.waiting_of(moment.waiting), room), "yellow"))
            )
        return lines[: max(rows - 1, 1)]

    def last_line(self, moment: Moment, columns: int) -> str:
        room = columns - 1
        pieces = bar_of(moment, room)
        fields = [count_of(moment), failed_of(moment), (duration(moment.elapsed), "")]
        if moment.rate is not None:
            fields.append((rate(moment.rate), ""))
        left = room - sum(len(text) for text, _ in pieces)
        return self._paint(*pieces, *fitting(fields, range(len(fields)), left))

    def _paint(self, *pieces: tuple[str, str]) -> str:
        with self._console.capture() as capture:
            self._console.print(self._text.assemble(*pieces), end="", soft_wrap=True)
        painted: str = capture.get()
        return painted


def bar_of(moment: Moment, room: int) -> list[tuple[str, str]]:
    """Return the bar's pieces: what went well, what failed, what remains."""
    if room < NARROW or not moment.total:
        return []
    width = min(room // 3, WIDEST_BAR)
    done = min(moment.done * width // moment.total, width)
    failed = min(-(-moment.failed * width // moment.total), max(done, 1))
    well = max(done - failed, 0)
    rest = width - well - failed
    pieces = [("━" * well, "green"), ("━" * failed, "red"), ("─" * rest, "bright_black")]
    return [*pieces, (GAP, "")]


def count_of(moment: Moment) -> tuple[str, str]:
    return moment.count, "bold"


def failed_of(moment: Moment) -> tuple[str, str]:
    return f"{moment.failed} failed", "bold red" if moment.failed else "dim"


def fields_of(moment: Moment, room: int) -> list[tuple[str, str]]:
    """Return the numbers beside the bar, as many as there is room for."""
    fields = [
        count_of(moment),
        failed_of(moment),
        (f"{moment.running} running", "cyan"),
        (f"{'' if moment.rate is None else rate(moment.rate):>8}", ""),
        ("" if moment.left is None else plain.left_of(moment.left), "green"),
    ]
    if room < NARROW:
        fields = [(text.strip(), style) for text, style in fields]
    left = room - sum(len(text) for text, _ in bar_of(moment, room))
    return fitting(fields, (0, 1, 4, 2, 3), left)


def fitting(
    fields: list[tuple[str, str]], order: Iterable[int], room: int
) -> list[tuple[str, str]]:
    """Return the fields with gaps between them, taken in `order` as long as they fit."""
    taken: list[int] = []
    for index in order:
        text, _ = fields[index]
        needed = cells(text) + (len(GAP) if taken else 0)
        if text and needed <= room:
            taken.append(index)
            room -= needed
    pieces: list[tuple[str, str]] = []
    for index in sorted(taken):
        pieces += [(GAP, ""), fields[index]] if pieces else [fields[index]]
    return pieces
