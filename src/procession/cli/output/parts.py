"""What a job has to be printed, of one of its streams or of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from procession.cli.output.printer import Printer
from procession.cli.output.shelf import Shelved
from procession.cli.output.spool import Spool
from procession.cli.output.tags import tagged

# Copied at once instead of being fetched piece by piece.
SHORT = 64 * 1024


@dataclass(slots=True)
class Part:
    """Bytes for a printer.

    Attributes:
        printer: to whom they go.
        pieces: yields them.
        size: how many they are, about.
        kept: where they are; closed when they are printed.
    """

    printer: Printer
    pieces: Callable[[], Iterator[bytes]]
    size: int
    kept: tuple[Spool | Shelved, ...]

    @property
    def files(self) -> int:
        """How many descriptors it takes."""
        return sum(spool.in_file for spool in self.kept)

    def print(self) -> None:
        """Give the bytes away. They are dropped if the printer has stopped."""
        if self.size <= SHORT and not self.files:
            self.printer.write(b"".join(self.pieces()))
            self.close()
        else:
            self.printer.send(self.pieces(), self.size, self.close)

    def close(self) -> None:
        """Drop the bytes. Twice is fine."""
        for spool in self.kept:
            spool.close()


def part_of(printer: Printer, spool: Spool, tag: bytes = b"") -> Part:
    """Return all that is in a spool, each line with a tag."""

    def pieces() -> Iterator[bytes]:
        return tagged(spool.pieces(), tag) if tag else spool.pieces()

    return Part(printer, pieces, spool.size, (spool,))
