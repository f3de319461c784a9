"""Options as they are declared: in groups, and with other names that the help does not show."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from procession.cli.errors import UsageError

T = TypeVar("T")


def taking(read: Callable[[str], T]) -> Callable[[str], T]:
    """Return a type for argparse, which puts the option's name before what is wrong."""

    def convert(text: str) -> T:
        try:
            return read(text)
        except UsageError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


class Group:
    """A group of options in the help."""

    def __init__(self, parser: argparse.ArgumentParser, title: str, what: str = "") -> None:
        self.group = parser.add_argument_group(title, what or None)

    def value(
        self,
        names: str,
        metavar: str,
        read: Callable[[str], Any],
        what: str,
        *,
        also: str = "",
        dest: str = "",
        default: object = None,
        action: str = "store",
        choices: Sequence[str] | None = None,
    ) -> None:
        """Add an option that takes a value, which `read` makes of its text."""
        self._add(
            names,
            also,
            dest,
            what,
            default,
            metavar=metavar,
            type=taking(read),
            action=action,
            choices=choices,
        )

    def flag(self, names: str, what: str, *, also: str = "", dest: str = "") -> None:
        """Add an option that is given or is not."""
        self._add(names, also, dest, what, False, action="store_true")

    def constant(self, names: str, dest: str, const: object, what: str, *, also: str = "") -> None:
        """Add an option that stands for a value; without it there is None."""
        self._add(names, also, dest, what, None, action="store_const", const=const)

    def _add(
        self, names: str, also: str, dest: str, what: str, default: object, **how: Any
    ) -> None:
        listed = names.split()
        dest = dest or listed[-1].lstrip("-").replace("-", "_")
        self.group.add_argument(*listed, dest=dest, default=default, help=what, **how)
        for name in also.split():
            self.group.add_argument(
                name, dest=dest, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **how
            )
