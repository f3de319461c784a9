"""The examples of `procession run --help`: each is tried by a test, among the files it names."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """A line for the shell, and what it does."""

    what: str
    line: str


EXAMPLES = (
    Example(
        "One job for each argument, as many at once as there are processors:",
        "procession run gzip -k {} ::: *.txt",
    ),
    Example(
        "For each line of standard input; the argument goes to the end without {}:",
        "ls *.txt | procession run wc -w",
    ),
    Example(
        "For any name that a file can have:",
        "find . -name '*.txt' -print0 | procession run -0 grep -c a {}",
    ),
    Example(
        "Four at once, and their output in the order of the arguments:",
        "procession run -j 4 -k sha256sum ::: *.txt",
    ),
    Example(
        "A line of shell, in quotes:", "procession run 'sort {} | uniq -c > {.}.counts' ::: *.txt"
    ),
    Example("Each command of a file:", "procession run < commands.sh"),
    Example(
        "All combinations of two lists:",
        "procession run echo {1}-{2} ::: red green ::: small large",
    ),
    Example(
        "Pairs of two lists:", "procession run --link cp {1} {2} ::: a.txt b.txt ::: a.bak b.bak"
    ),
    Example("Columns of a table:", "procession run --colsep , echo {2} has {1} :::: table.csv"),
    Example("A hundred arguments to a command:", "seq 1000 | procession run -n 100 echo"),
    Example(
        "Each line of output with its argument before it, as soon as it comes:",
        "procession run --tag --line-buffer grep -n a ::: *.txt",
    ),
    Example(
        "End what takes too long, try again what fails, and wait longer each time:",
        "procession run --timeout 10m --retries 3 --backoff 2 cp {} {}.copy ::: *.txt",
    ),
    Example("Stop at the first failure:", "procession run --halt now,fail=1 sh -n {} ::: *.sh"),
    Example(
        "Go on after an interruption, where it stopped:",
        "procession run --joblog done.log --resume gzip -kf {} ::: *.txt",
    ),
    Example(
        "Output in files, out/1/stdout and so on:",
        "procession run --results out wc -l {} ::: *.txt",
    ),
    Example("Results for a program:", "procession run --format json wc -c {} ::: *.txt"),
    Example(
        "Standard input in blocks of a megabyte, one for each job:",
        "seq 400000 | procession run --pipe --block 1M wc -l",
    ),
    Example(
        "Bounds for programs that take too much, and who waits for the processor:",
        "procession run --limit-memory 2G --limit-cpu 1m --nice 10 sort {} ::: *.txt",
    ),
    Example(
        "A directory of its own for each job that runs at the same time:",
        "procession run -j 2 'mkdir -p work{%} && cp {} work{%}' ::: *.txt",
    ),
    Example(
        "Where the time went, at a glance and in detail:",
        "procession run --summary --trace trace.json gzip -kf {} ::: *.txt",
    ),
    Example("What would be run:", "procession run --dry-run mv {} {.}.md ::: *.txt"),
)
