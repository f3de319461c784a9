"""Tables for people: aligned text, or in colours by rich."""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from procession.cli.progress.visible import cells, shorten

GAP = "  "
INDENT = "  "


@dataclass(slots=True)
class Table:
    """Rows under a title.

    Attributes:
        title: what it is of.
        heads: the names of its columns, "" for none.
        rows: of visible text.
        words: the columns that are text, and so begin at the left; all others are numbers.
        styles: of columns, as rich names them.
    """

    title: str
    heads: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    words: frozenset[int] = frozenset()
    styles: Mapping[int, str] = field(default_factory=dict)

    def lines(self, columns: int) -> list[list[str]]:
        """Return heads and rows as cells of equal width; the last is cut at the right edge."""
        rows = [self.heads, *self.rows] if any(self.heads) else self.rows
        widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
        room = columns - len(INDENT) - sum(width + len(GAP) for width in widths[:-1])
        lines = []
        for row in rows:
            cut = [*row[:-1], shorten(row[-1], max(room, 8))]
            line = []
            for index, (cell, width) in enumerate(zip(cut, widths, strict=True)):
                pad = " " * (width - cells(cell))
                last = index == len(cut) - 1
                line.append((cell if last else cell + pad) if index in self.words else pad + cell)
            lines.append(line)
        return lines


def plain(tables: Sequence[Table], columns: int) -> str:
    """Return tables as text."""
    text = []
    for table in tables:
        text.append(table.title)
        text += [(INDENT + GAP.join(line)).rstrip() for line in table.lines(columns)]
        text.append("")
    return "\n".join(text)


def colourful(tables: Sequence[Table], columns: int) -> str:
    """Return the same text in colours, as far as TERM and NO_COLOR let.

    Raises:
        ImportError: there is no rich.
    """
    text_class: Any = importlib.import_module("rich.text").Text
    console: Any = importlib.import_module("rich.console").Console(
        file=io.StringIO(), force_terminal=True, legacy_windows=False, width=columns
    )
    with console.capture() as capture:
        for table in tables:
            console.print(text_class(table.title, "bold"), soft_wrap=True)
            for index, line in enumerate(table.lines(columns)):
                is_head = index == 0 and any(table.heads)
                pieces: list[Any] = [INDENT]
                for column, cell in enumerate(line):
                    style = "dim" if is_head else table.styles.get(column, "")
                    pieces += [GAP] if column else []
                    pieces += [(cell, style)]
                console.print(text_class.assemble(*pieces), soft_wrap=True)
            console.print()
    painted: str = capture.get()
    return painted
