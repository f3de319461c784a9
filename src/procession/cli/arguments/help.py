"""What `procession run --help` tells around its options."""

from __future__ import annotations

import argparse
import shutil

from procession.cli.arguments.examples import EXAMPLES

USAGE = """\
%(prog)s [options] [command ...] [::: argument ...] [:::: file ...]
       ... | %(prog)s [options] [command ...]"""

DESCRIPTION = """\
Run a command many times, several at once: for each argument after :::, for each line of the
files after ::::, or else for each line of standard input. Without a command, each line is one.

Options come before the command, whose first word is the first that is no option. The command
runs without a shell, so each argument reaches it exactly as it is. If the command is one word
that says more than a program and its arguments, or has an operator of the shell as a word of
its own (| > && ;), /bin/sh runs it, and the arguments are quoted for the place where they stand.

The standard input of jobs is empty, or with --pipe their block. What they print comes out job
by job, as each ends."""

AFTER = """\
sources:
  ::: a b c        arguments, as they are
  :::: file ...    lines of files, - is standard input
  :::+ ::::+       the same, paired with the source before instead of combined with it
With several sources there is a job for each combination, the last source changing fastest.

replacement strings:
  {}               the argument; with several, all of them
  {.}              without its extension      photos/cat.jpg  ->  photos/cat
  {/}              without its directory      photos/cat.jpg  ->  cat.jpg
  {//}             its directory              photos/cat.jpg  ->  photos
  {/.}             without either             photos/cat.jpg  ->  cat
  {1} {2} {-1}     the argument of the first, second, last source, or a column
  {1.} {2/} {1//} {2/.}
                   the same, without extension and so on
  {#}              the number of the job, from 1 on
  {%}              the number of the slot it runs in, from 1 to --jobs
If there is none of them in the command, {} is added at its end.

values:
  SIZE   4096, 64K, 1.5G: K M G T are powers of 1024, k m g t powers of 1000
  SEC    10, 0.5, 90s, 1m30s, 2h, 1d12h

exit status:
  0        every job has succeeded
  1-100    so many jobs have failed, after all their retries
  101      more than 100 have failed
  255      the command line is wrong, or something else than a job failed
With --halt it is that of the job that stopped the run for fail=1 and done=1, 128+N if signal N
ended that and 255 if it was ended for its timeout; for other numbers how many have failed; for N%
how many percent of all have failed; and 0 for success=N once so many have succeeded.

signals:
  Ctrl-C once      start no more jobs, and let those that run come to their end
  twice            end those with all that they have started: SIGTERM, later SIGKILL
  three times      SIGKILL at once
SIGTERM and SIGHUP do at once what Ctrl-C does the second time, and Ctrl-\\ what it does the third.
In the end procession dies of the signal itself, as a shell expects it of a program. Ctrl-Z stops
the jobs as well, and fg lets them go on. When nobody reads the output any more, as in ... | head,
the jobs are ended.

environment:
  TMPDIR     where output goes that is kept back and is larger than a mebibyte
  COLUMNS    how wide the help is, if not as wide as the terminal
  NO_COLOR   if set, nothing is colored
  TERM       dumb: progress does without moving the cursor
Jobs have all variables that procession has, and those of --env.

"""

NARROWEST, WIDEST = 40, 100
OPTIONS_END = 26


class Formatter(argparse.HelpFormatter):
    """Fills paragraphs to the width of the terminal, and leaves indented lines as they are."""

    def __init__(self, prog: str) -> None:
        columns = shutil.get_terminal_size().columns
        width = max(NARROWEST, min(columns - 2, WIDEST))
        super().__init__(prog, max_help_position=OPTIONS_END, width=width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return filled(text, width, indent)


def filled(text: str, width: int, indent: str = "") -> str:
    """Return a text whose lines, but for indented ones and headings, are filled anew."""
    import textwrap

    lines: list[str] = []
    paragraph: list[str] = []

    def end_paragraph() -> None:
        if paragraph:
            lines.extend(textwrap.wrap(" ".join(paragraph), width, break_on_hyphens=False))
            paragraph.clear()

    for line in text.splitlines():
        if line and not line.startswith(" ") and not line.endswith(":"):
            paragraph.append(line)
            continue
        end_paragraph()
        lines.append(line)
    end_paragraph()
    return "\n".join((indent + line).rstrip() for line in lines)


def examples() -> str:
    """Return the examples as a section of the help."""
    shown = "".join(f"\n  {each.what}\n    {each.line}\n" for each in EXAMPLES)
    return f"examples:{shown}"


def describe(parser: argparse.ArgumentParser) -> None:
    """Give a parser the usage, the description and the sections after the options."""
    parser.usage = USAGE
    parser.description = DESCRIPTION
    parser.epilog = AFTER + examples()
    parser.formatter_class = Formatter
