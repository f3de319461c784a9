"""The options of `procession run`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from procession.cli.arguments import help as manual
from procession.cli.arguments import parsing
from procession.cli.arguments.amounts import (
    adjustment,
    assignment,
    count,
    count_or_zero,
    duration,
    size,
    size_or_zero,
    whole_seconds,
)
from procession.cli.arguments.conflicts import check
from procession.cli.arguments.declaring import Group
from procession.cli.arguments.values import Jobs, Load, Timeout
from procession.cli.errors import UsageError

if TYPE_CHECKING:
    from procession.cli.control.halting import Halt

__all__ = ["add_arguments", "check", "parse"]

MIB = 2**20

# What GNU parallel has to be told, and is so here.
SO_ANYHOW = "--silent --gnu --plain --will-cite --no-notice --nn"


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """Return what a command line asks for; the parser is one that has the options.

    Raises:
        UsageError: it makes no sense. Nothing was opened and nothing started.
    """
    options = parsing.parse(parser, words)
    check(options)
    return options


def halt(text: str) -> Halt | None:
    from procession.cli.control.halting import Halt

    return Halt.parse(text)


def pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError) as error:
        raise UsageError(f"{text!r} is no regular expression: {error}") from None
    return text


def something(text: str) -> str:
    if not text:
        raise UsageError("it must not be empty")
    return text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options, and all that --help tells besides."""
    manual.describe(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    add_sources(Group(parser, "arguments"))
    add_what(Group(parser, "what is run"))
    add_how_many(Group(parser, "how many, and for how long"))
    add_output(Group(parser, "output"))
    add_reports(Group(parser, "reporting"))


def add_sources(group: Group) -> None:
    group.value(
        "-a --arg-file",
        "FILE",
        something,
        "read arguments from FILE, one a line, - being standard input; can be repeated, and is "
        "the same as :::: FILE",
        action="append",
        default=[],
    )
    group.flag(
        "--link",
        "take the first argument of each source for the first job, and so on, rather than all "
        "combinations; a shorter source begins anew",
        also="--xapply",
    )
    group.value(
        "-C --colsep", "REGEX", pattern, "split each line at what REGEX matches: {1} is a column"
    )
    group.flag("-0 --null", "arguments end with a NUL, as find -print0 writes them, and not lines")
    group.value(
        "-d --delimiter",
        "STR",
        something,
        "arguments end with STR, a character such as , or \\t or several",
    )
    group.value(
        "-n --max-args",
        "N",
        count_or_zero,
        "give up to N arguments to each job; 0 is a job for each argument without giving it",
    )
    group.value(
        "-N --max-replace-args",
        "N",
        count_or_zero,
        "the same, and {1} to {N} are these; with --pipe, N lines to each job",
    )
    group.flag(
        "-X --xargs",
        "give each job as many arguments as a command line holds, and divide the last ones "
        "among all slots; a word with {} in it is repeated for each",
        dest="context_replace",
    )
    group.flag(
        "-m", "the same, but {} within a word is all arguments in one word", dest="replace_many"
    )
    group.value(
        "-s --max-chars",
        "SIZE",
        size,
        "how long a command line with several arguments may be, if not as long as the system "
        "takes it",
    )
    group.flag("-r --no-run-if-empty", "run no job for an argument that is empty or blank")
    group.flag("--shuf", "run the jobs in random order, for which all arguments are read first")
    group.flag(
        "--pipe",
        "cut standard input into blocks, at the ends of lines, and feed one to each job's "
        "standard input",
        also="--spreadstdin",
    )
    group.value(
        "--block",
        "SIZE",
        size,
        "how large the blocks of --pipe are (1M)",
        also="--block-size",
        default=MIB,
    )


def add_what(group: Group) -> None:
    group.flag(
        "--shell", "run each command line by /bin/sh, the words joined by blanks and not quoted"
    )
    group.value(
        "-I", "STR", something, "write STR where {} would stand", dest="replacement", default="{}"
    )
    group.value("--nice", "N", adjustment, "run jobs with N added to the nice value")
    group.value("--limit-memory", "SIZE", size, "address space that a process of a job may have")
    group.value(
        "--limit-cpu", "SEC", whole_seconds, "processor time that a process of a job may take"
    )
    group.value("--limit-files", "N", count, "open files that a process of a job may have")
    group.value("--limit-processes", "N", count, "processes that the user may have in all")
    group.value(
        "--limit-file-size", "SIZE", size_or_zero, "size to which a job may make a file grow"
    )
    group.value(
        "--cgroup",
        "DIR",
        something,
        "give each job a cgroup of its own below DIR, a cgroup v2 that we may write to; then "
        "the limits of memory and processes are for all of a job together",
    )
    group.flag(
        "--die-with-parent", "jobs end by SIGKILL if procession itself ends, even by kill -9"
    )
    group.value(
        "--wd --workdir",
        "DIR",
        something,
        "run jobs in the directory DIR",
        dest="cwd",
    )
    group.value(
        "--env",
        "NAME=VALUE",
        assignment,
        "set a variable for jobs; can be repeated",
        action="append",
        default=[],
    )


def add_how_many(group: Group) -> None:
    group.value(
        "-j --jobs",
        "N",
        Jobs.parse,
        "run up to N jobs at once; +N and -N are more or fewer than there are processors, N%% "
        "is a part of them, 0 is as many as the limits of this process bear (100%%)",
        also="-P --max-procs",
        default=Jobs.parse("100%"),
    )
    group.value("--delay", "SEC", duration, "wait so long after each start")
    group.value(
        "--load", "N", Load.parse, "start no job while so many processes run; N%% of processors"
    )
    group.value(
        "--mem-free",
        "SIZE",
        size,
        "start no job while less memory is free",
    )
    group.value(
        "--timeout",
        "SEC",
        Timeout.parse,
        "end a job that takes longer; P%% is a part of the median time of those that succeeded",
    )
    group.value(
        "--kill-after",
        "SEC",
        duration,
        "how long a job that is to end has from SIGTERM to SIGKILL (5)",
        default=5.0,
    )
    group.value(
        "--retries",
        "N",
        count_or_zero,
        "run a job that fails up to N times more",
        default=0,
    )
    group.value(
        "--backoff",
        "SEC",
        duration,
        "wait so long before the first retry, and twice as long each time up to a minute (1)",
        default=1.0,
    )
    group.value(
        "--halt",
        "WHEN,WHY",
        halt,
        "stop early: 'soon' starts no more jobs, 'now' ends those that run as well; after "
        "fail=N, success=N or done=N jobs, or N%% of them. As in 'now,fail=1'",
        also="--halt-on-error",
    )


def add_output(group: Group) -> None:
    group.flag(
        "-u --ungroup", "pass output on as it is written, so that jobs may garble each other's"
    )
    group.flag(
        "--lb --line-buffer",
        "print whole lines as they are written, not whole jobs",
        also="--line-buffered",
    )
    group.flag("-k --keep-order", "print the output of jobs in the order of their arguments")
    group.flag("--tag", "begin each line of output with the job's arguments and a tab")
    group.value(
        "--tagstring",
        "STR",
        str,
        "begin it with STR and a tab; {} and the like are replaced",
    )
    group.value(
        "--results",
        "DIR",
        something,
        "keep stdout, stderr and meta.json of job N in the directory DIR/N",
        also="--result --res",
    )
    group.value(
        "--format",
        "FORM",
        str,
        "text, or json: an object a line for each job that has ended, with its output in it",
        choices=("text", "json"),
        default="text",
    )
    group.flag("-q --quiet", "print neither the output of jobs nor progress")
    group.flag("-t --verbose", "print each command to standard error before it is run")
    group.flag("--dry-run", "print the commands, and run none of them", also="--dr")
    group.constant("--group", "grouped", True, argparse.SUPPRESS, also=SO_ANYHOW)


def add_reports(group: Group) -> None:
    group.constant(
        "--progress",
        "progress",
        True,
        "show progress on standard error, in lines if that is no terminal",
        also="--bar --eta",
    )
    group.constant("--no-progress", "progress", False, "show none on a terminal either")
    group.value("--joblog", "FILE", something, "write a line to FILE as each job ends", also="--jl")
    group.flag("--resume", "run no job that --joblog says has ended")
    group.flag("--resume-failed", "run no job that --joblog says has succeeded")
    group.value("--trace", "FILE", something, "write a trace for https://ui.perfetto.dev")
    group.flag(
        "--summary", "print times, memory and failures of all jobs to standard error at the end"
    )
    group.value(
        "--plot", "FILE", something, "draw the jobs over time into FILE, a .png, .svg or .pdf"
    )
