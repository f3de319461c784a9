"""Options of GNU parallel and xargs that there are not here, and what to do instead."""

from __future__ import annotations

MISSING = {
    "it runs jobs on this machine only": (
        "--sshlogin -S --sshloginfile --slf --ssh --ssh-delay --controlmaster -M "
        "--onall --nonall --filter-hosts --filter-host --hostgroups --hostgroup --hostgrp --hgrp "
        "--transfer --transfer-file --transfer-files --tf --return --trc --cleanup "
        "--basefile --bf --rsync-opts"
    ),
    "--joblog FILE and --format json write down what was done": (
        "--sql --sql-master --sql-worker --sql-and-worker"
    ),
    "flock(1) makes commands of several shells wait for each other": (
        "--semaphore --semaphore-name --id --semaphore-timeout --st --fg --bg --wait"
    ),
    "--tag --line-buffer shows what all jobs write, as they write it": (
        "--tmux --tmuxpane --latest-line --ll"
    ),
    "the standard input of jobs is empty, and a program that asks questions is run by itself": (
        "--tty --open-tty -o"
    ),
    "a template may be a line of shell: 'n=$(basename {}); ...'": (
        "--rpl --parens --plus --filter --template --tmpl"
    ),
    "--pipe reads a file as well as a pipe: --pipe ... < FILE": "--pipe-part",
    "--pipe gives each block to a job of its own, on its standard input": (
        "--round-robin --round --shard --bin --group-by --tee --cat --fifo"
    ),
    "--pipe cuts at the ends of lines": (
        "--recstart --recend --remove-rec-sep --rrs --regexp --regex --block-timeout --bt"
    ),
    "`tail -n +2` leaves out a first line, and columns are {1} {2} {3}": (
        "--header --skip-first-line"
    ),
    "--colsep , splits at commas, but knows nothing of quotes": "--csv",
    "values are what stands in the input, blanks included": "--trim",
    "-I STR is another name for {}, and the others have only their own": (
        "--extensionreplace --er --basenamereplace --bnr --dirnamereplace --dnr "
        "--basenameextensionreplace --bner --seqreplace --slotreplace"
    ),
    "{} needs no option, and -I STR sets another name for it": "--replace -i",
    "arguments follow ::: and files with arguments follow ::::": ("--arg-sep --arg-file-sep"),
    "a script has the whole command in it: procession run ... :::: FILE": (
        "--shebang --hashbang --shebang-wrap --embed"
    ),
    "--tag tells whose a line is, and what is printed in color stays so": (
        "--color --colour --color-failed --color-fail --cf --ctag --ctagstring"
    ),
    "-n N gives up to N lines to a job": "-L -l --max-lines",
    "the input ends where it ends, and `sed /WORD/Q` ends it earlier": "-E -e --eof",
    "a function or an alias of the shell keeps options": "--profile -J",
    "jobs have the whole environment": "--record-env --session",
    "nproc(1) tells how many processors there are": (
        "--number-of-cpus --number-of-cores --number-of-sockets --number-of-threads "
        "--use-cores-instead-of-threads --use-sockets-instead-of-threads "
        "--use-cpus-instead-of-cores"
    ),
    "it asks nothing: --dry-run shows what would be run": "--interactive -p",
    "output that is kept back is written to $TMPDIR as it is": (
        "--compress --compress-program --decompress-program --use-compress-program "
        "--use-decompress-program --tmpdir --tempdir"
    ),
    "--results DIR writes the output of each job to files": ("--files --output-as-files"),
    "a command gets its words as they are, and needs no quotes": ("--quote --shell-quote"),
    "--load and --mem-free hold jobs back": "--limit --noswap --memsuspend",
    "--resume-failed runs them again, with the command and the arguments given": ("--retry-failed"),
    "--kill-after SEC is the time from SIGTERM to SIGKILL": "--term-seq",
    "it counts its input by itself, where that can be done": "--total-jobs --total",
    "{%} is the number of the slot": "--process-slot-var",
    "what is too long for a command line fails as a job, and the others are run": "--exit -x",
    "`getconf ARG_MAX` tells how long a command line may be": (
        "--show-limits --max-line-length-allowed"
    ),
    "-t prints each command before it is run, --dry-run prints it only": "-v",
    "`procession completion bash` prints what a shell needs": ("--shell-completion"),
    "`procession --version` tells it": "--version -V --minversion",
    "what comes first comes first only with --keep-order": "--no-keep-order --no-k",
    "there is nothing to cite": "--citation --bibtex",
}


def plain(option: str) -> str:
    """Return a long option without the dashes between its words, which may be left out."""
    return "--" + option[2:].replace("-", "") if option.startswith("--") else option


NAMES = {plain(name): name for names in MISSING.values() for name in names.split()}
REASONS = {name: reason for reason, names in MISSING.items() for name in names.split()}


def reason_of(option: str) -> tuple[str, str] | None:
    """Return an option in full and what there is instead of it, None if nobody has it.

    The beginning of a long option is enough where it means one thing only.
    """
    option = plain(option)
    if option in NAMES:
        return NAMES[option], REASONS[NAMES[option]]
    found = {REASONS[full]: full for name, full in NAMES.items() if name.startswith(option)}
    if len(option) <= len("--") or len(found) != 1:
        return None
    reason, name = found.popitem()
    return name, reason
