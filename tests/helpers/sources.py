"""Options of input for tests, and what comes of them."""

import contextlib
import os
from types import SimpleNamespace

from procession.cli.inputs.sources import Sources


class Jobs:
    """What --jobs is parsed to, with a fixed number."""

    def __init__(self, number):
        self.number = number

    def count(self):
        return self.number


def input_options(**changes):
    """Return options as they are parsed where there are none but these."""
    options = {
        "arg_file": [],
        "link": False,
        "colsep": None,
        "null": False,
        "delimiter": None,
        "max_args": None,
        "max_replace_args": None,
        "context_replace": False,
        "replace_many": False,
        "max_chars": None,
        "no_run_if_empty": False,
        "shuf": False,
        "pipe": False,
        "shell": False,
        "replacement": "{}",
        "env": [],
        "jobs": Jobs(2),
    }
    assert changes.keys() <= options.keys()
    return SimpleNamespace(**{**options, **changes})


async def values_of(*positional, **options):
    """Return the values of all jobs."""
    sources = Sources(input_options(**options), positional)
    try:
        return [values async for batch in sources.batches() for values in batch]
    finally:
        sources.close()


@contextlib.contextmanager
def as_stdin(fd):
    """Have a descriptor as standard input as well."""
    kept = os.dup(0)
    os.dup2(fd, 0)
    try:
        yield
    finally:
        os.dup2(kept, 0)
        os.close(kept)


@contextlib.contextmanager
def stdin_of(path):
    """Have a file as standard input."""
    fd = os.open(path, os.O_RDONLY)
    try:
        with as_stdin(fd):
            yield
    finally:
        os.close(fd)
