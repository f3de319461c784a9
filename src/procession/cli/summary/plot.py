"""A picture of a run: which slot was busy when, and what failed."""

from __future__ import annotations

import importlib
import importlib.util
import os

from procession.cli.errors import UsageError
from procession.cli.run.jobs import Ended
from procession.cli.summary.spans import Spans

ENDINGS = (".png", ".svg", ".pdf")


class Plot:
    """Takes what ended and draws it when all is over.

    What is wrong with the file is told here as far as it can be, before a job is started.

    Args:
        path: of the picture, which is made or replaced by save(); its ending tells the kind.

    Raises:
        UsageError: it could not be drawn.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        if importlib.util.find_spec("matplotlib") is None:
            raise UsageError("--plot needs matplotlib: pip install 'procession[plot]'")
        ending = os.path.splitext(path)[1].lower()
        if ending not in ENDINGS:
            raise UsageError(f"--plot {path}: the file's name has to end with .png, .svg or .pdf")
        check_writable(path)
        self._ok = Spans()
        self._failed = Spans()

    def add(self, ended: Ended) -> None:
        """Keep where and when the last attempt at a job ran."""
        result = ended.result
        spans = self._ok if result.ok else self._failed
        spans.add(result.started, result.duration, ended.job.slot, result.attempts > 1)

    def save(self) -> None:
        """Draw the picture.

        Raises:
            OSError: it could not be written.
        """
        # It costs a third of a second and 40 MB, which are not spent before the end.
        figure = importlib.import_module("procession.cli.summary.figure")
        figure.draw(self._path, self._ok, self._failed)


def check_writable(path: str) -> None:
    """Open the file, which is the one way to know, and leave things as they were."""
    is_new = not os.path.lexists(path)
    try:
        # O_NONBLOCK: a FIFO would wait for a reader.
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK, 0o666))
    except OSError as error:
        raise UsageError(f"--plot {path}: {error.strerror}") from None
    if is_new:
        os.unlink(path)
