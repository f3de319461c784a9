"""--tag: a word and a tab before each line of a job's output."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from procession.cli.run.jobs import Job
from procession.cli.template.placeholders import label

TagOf = Callable[[Job], str]


def tag_before(tag_of: TagOf | None, job: Job) -> bytes:
    """Return what comes before each line; of an empty tag the tab is left, for columns."""
    return b"" if tag_of is None else os.fsencode(tag_of(job)) + b"\t"


def tagged_lines(lines: bytes, tag: bytes) -> bytes:
    """Return lines with the tag before each; the last one may lack its end."""
    if not tag:
        return lines
    end = -1 if lines.endswith(b"\n") else len(lines)
    return tag + lines[:end].replace(b"\n", b"\n" + tag) + lines[end:]


def tagged(pieces: Iterator[bytes], tag: bytes) -> Iterator[bytes]:
    """Yield pieces, none of them empty, with the tag before each line."""
    within_line = False
    for piece in pieces:
        if within_line:
            head, newline, rest = piece.partition(b"\n")
            yield head + newline
            if newline and rest:
                yield tagged_lines(rest, tag)
        else:
            yield tagged_lines(piece, tag)
        within_line = not piece.endswith(b"\n")


def values_as_tag(job: Job) -> str:
    """The tag of --tag."""
    return " ".join(job.values)


def tag_from(text: str, replacement: str) -> TagOf:
    """Return what makes the tag of --tagstring, in which `\\t` is a tab, as GNU parallel has it."""
    render = label(text.replace("\\t", "\t"), replacement=replacement)
    return lambda job: render(job.values, job.number, job.slot)
