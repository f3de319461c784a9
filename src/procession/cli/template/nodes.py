"""What a command line for sh is made of, once it has been read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from procession.cli.template.placeholders import Given, Placeholder

Write = Callable[[str], str]


class Variable(Protocol):
    """A part that each job has anew."""

    def fill(self, given: Given) -> str: ...


Node = str | Variable


def fill(nodes: Sequence[Node], given: Given) -> str:
    return "".join([node if isinstance(node, str) else node.fill(given) for node in nodes])


def merged(nodes: Sequence[Node]) -> list[Node]:
    """Join neighbouring texts."""
    result: list[Node] = []
    for node in nodes:
        if isinstance(node, str) and result and isinstance(result[-1], str):
            result[-1] += node
        elif node != "":
            result.append(node)
    return result


class Quoted:
    """A placeholder where values are written in one way."""

    __slots__ = ("placeholder", "write")

    def __init__(self, placeholder: Placeholder, write: Write) -> None:
        self.placeholder = placeholder
        self.write = write

    def fill(self, given: Given) -> str:
        return " ".join(map(self.write, self.placeholder.texts(given)))


class Repeated:
    """A word that is there once for each value."""

    __slots__ = ("nodes",)

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes

    def fill(self, given: Given) -> str:
        return " ".join(fill(self.nodes, given._replace(each=(value,))) for value in given.each)
