"""Options of input for tests, and what comes of them."""

import argparse
import contextlib
import os

from procession.cli.arguments import options, parsing
from procession.cli.inputs.sources import Sources


def options_of(*words, **changes):
    """Return what the words of a command line are parsed to, with changes that none could make."""
    parser = argparse.ArgumentParser(prog="procession run")
    options.add_arguments(parser)
    parsed = parsing.parse(parser, words)
    assert changes.keys() <= vars(parsed).keys()
    vars(parsed).update(changes)
    return parsed


def input_options(**changes):
    """Return options as they are parsed where there are none but these, for two jobs at once."""
    return options_of("-j2", **changes)


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
