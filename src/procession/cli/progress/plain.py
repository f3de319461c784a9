"""Progress in words: a line now and then for a file, or one that is drawn over."""

from __future__ import annotations

import math

from procession.cli.progress.moment import Moment
from procession.cli.progress.screen import write_some
from procession.cli.progress.visible import duration, rate, shorten, visible, whole

# The least time between two lines; the longest silence at first; and the longest of all.
LEAST, SILENCE, LONGEST_SILENCE = 1.0, 5.0, 60.0
TENTHS = 10


def words_of(moment: Moment) -> list[str]:
    """Return what is to be said, the most important first."""
    words = [f"{moment.count} done", f"{moment.failed} failed", f"{moment.running} running"]
    if moment.rate is not None:
        words.append(rate(moment.rate))
    if moment.left is not None:
        words.append(left_of(moment.left))
    if moment.waiting is not None:
        words.append(waiting_of(moment.waiting))
    return words


def left_of(seconds: float) -> str:
    return f"{whole(math.ceil(seconds))} left"


def waiting_of(what: str) -> str:
    return f"waiting for {visible(what)}"


def line_of(moment: Moment) -> str:
    return f"procession: {', '.join(words_of(moment))}"


def lines_of(moment: Moment, columns: int, rows: int) -> list[str]:
    """Return what is drawn where there is no rich: one line, as much as there is room for."""
    return [shorten(", ".join(words_of(moment)), columns - 1)]


def last_line(moment: Moment) -> str:
    """Return what is said when all is over."""
    words = [f"{moment.count} done", f"{moment.failed} failed", duration(moment.elapsed)]
    if moment.rate is not None:
        words.append(rate(moment.rate))
    return f"procession: {', '.join(words)}"


class Lines:
    """Lines for a file or a pipe: few, however long the run.

    There is one when another tenth is done, at most one a second, and one after a silence
    of five seconds, which grows to a tenth of the time that has passed, up to a minute. What
    a pipe does not take at once is left out.

    Args:
        fd: to which they are written; stays the caller's.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._said = 0.0
        self._tenth = 0
        self._is_gone = False

    def draw(self, moment: Moment) -> None:
        silence = moment.elapsed - self._said
        tenth = moment.done * TENTHS // moment.total if moment.total else 0
        longest = min(max(SILENCE, moment.elapsed / TENTHS), LONGEST_SILENCE)
        if silence >= longest or (silence >= LEAST and tenth > self._tenth):
            self._said = moment.elapsed
            self._tenth = tenth
            self._write(line_of(moment))

    def hide(self) -> None:
        pass

    def show(self, *, at_line_start: bool) -> None:
        pass

    def finish(self, moment: Moment) -> None:
        self._write(last_line(moment))

    def _write(self, line: str) -> None:
        if self._is_gone:
            return
        try:
            # Short enough for a pipe to take it whole or not at all.
            write_some(self._fd, f"{line}\n".encode(errors="backslashreplace"))
        except OSError:
            # EPIPE, ENOSPC: nobody reads on, and the jobs are worth more than a line.
            self._is_gone = True
