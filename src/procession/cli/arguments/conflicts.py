"""Options that make no sense together are found before anything is opened or started."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator

from procession.cli.errors import UsageError

SEPARATORS = frozenset({":::", "::::", ":::+", "::::+"})


def check(options: argparse.Namespace) -> None:
    """Raise UsageError for the first thing that cannot be meant."""
    for problem in problems_of(options):
        raise UsageError(problem)


def problems_of(options: argparse.Namespace) -> Iterator[str]:
    """Yield what is wrong, in sentences."""
    yield from problems_of_arguments(options)
    yield from problems_of_blocks(options)
    yield from problems_of_output(options)
    yield from problems_of_log(options)
    yield from problems_of_places(options)


def problems_of_arguments(options: argparse.Namespace) -> Iterator[str]:
    if options.null and options.delimiter is not None:
        yield "-0 and -d: arguments end either with NUL or with another character"
    if options.max_args is not None and options.max_replace_args is not None:
        yield "-n and -N: one of them says how many arguments a job gets"
    if options.context_replace and options.replace_many:
        yield "-X and -m: one of them says what {} within a word is"


def problems_of_blocks(options: argparse.Namespace) -> Iterator[str]:
    """Yield what --pipe does not go with: a job's input is its block, and it has no arguments."""
    if not options.pipe:
        return
    if options.arg_file or not SEPARATORS.isdisjoint(options.command):
        yield "--pipe cuts standard input, so there are no other sources: --pipe ... < FILE"
    if not options.command:
        yield "--pipe needs a command that reads its standard input"
    if options.max_replace_args == 0:
        yield "--pipe and -N 0: a block has at least one line"
    given = {
        "-n": options.max_args is not None,
        "-X": options.context_replace,
        "-m": options.replace_many,
        "-s": options.max_chars is not None,
        "-C": options.colsep is not None,
        "-0": options.null,
        "-d": options.delimiter is not None,
        "--link": options.link,
        "--shuf": options.shuf,
    }
    for name, is_given in given.items():
        if is_given:
            yield f"--pipe and {name}: with --pipe there are blocks of lines, and no arguments"


def problems_of_output(options: argparse.Namespace) -> Iterator[str]:
    tagged = options.tag or options.tagstring is not None
    ways = {
        "--line-buffer": options.line_buffer,
        "--keep-order": options.keep_order,
        "--tag": tagged,
        "--results": options.results is not None,
        "--format json": options.format == "json",
        "--quiet": options.quiet,
    }
    if options.ungroup:
        for name, is_given in ways.items():
            if is_given:
                yield f"--ungroup and {name}: what jobs write past us is not ours to treat"
    if options.format == "json":
        if options.line_buffer:
            yield "--format json and --line-buffer: a record holds the whole output of a job"
        if tagged:
            yield "--format json and --tag: a record holds the arguments of its job anyhow"
        if options.quiet:
            yield "--quiet and --format json: one is to print nothing (and --no-progress is less)"
    if options.quiet and options.progress:
        yield "--quiet and --progress: one is to print nothing"


def problems_of_log(options: argparse.Namespace) -> Iterator[str]:
    if options.joblog is None:
        for name, is_given in (
            ("--resume", options.resume),
            ("--resume-failed", options.resume_failed),
        ):
            if is_given:
                yield f"{name} goes by what --joblog FILE says has been done"


def problems_of_places(options: argparse.Namespace) -> Iterator[str]:
    """Yield what is wrong with files and directories, as far as one look tells."""
    for name, directory in (("--workdir", options.cwd), ("--cgroup", options.cgroup)):
        if directory is not None and not os.path.isdir(directory):
            yield f"{name}: there is no directory {directory}"
    written: dict[str, str] = {}
    for name, path in (
        ("--joblog", options.joblog),
        ("--trace", options.trace),
        ("--plot", options.plot),
    ):
        if path is None:
            continue
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder):
            yield f"{name}: there is no directory {folder}"
        if os.path.isdir(path):
            yield f"{name}: {path} is a directory"
        real = os.path.realpath(path)
        if real in written and not real.startswith("/dev/"):
            yield f"{written[real]} and {name} write to the same file"
        written[real] = name
