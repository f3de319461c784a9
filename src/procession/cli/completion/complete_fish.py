"""The script that completes in fish."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from procession.cli.completion.completion import FILE, FOLDER, Command, Option

SCRIPT = """\
# Completes the words of procession in fish; made by `procession completion fish`.

# Whether this command is called, and its options can be given.
function __procession_in
    set -l words (commandline -opc)
    test (count $words) -gt 1
    and test "$words[2]" = $argv[1]
    and not __procession_operands >/dev/null
end

# Print the words from the first one on that is no option.
function __procession_operands
    set -l words (commandline -opc)
    set -l taking
    switch "$words[2]"
{taking}
    end
    set -e words[1..2]
    while set -q words[1]
        if not string match -q -- '-?*' $words[1]
            string join \\n -- $words
            return 0
        end
        contains -- $words[1] $taking; and set -e words[1]
        set -e words[1]
    end
    return 1
end

# Offer what the command takes that is run; behind ":::" they are files.
function __procession_command
    set -l words (__procession_operands)
    set -l last (commandline -ct)
    if string match -q -- ':::*' $words
        __fish_complete_path $last
    else if set -q words[1]; or not string match -q -- '-*' $last
        set -l line (string join ' ' -- (string escape -- $words) $last)
        complete "--do-complete=$line"
    end
end

complete -c procession -f
set -l first 'test (count (commandline -opc)) -eq 1'
complete -c procession -n $first -s h -l help -d 'show the help'
complete -c procession -n $first -l version -d 'show the version'
{commands}
"""


def script(commands: Sequence[Command]) -> str:
    return SCRIPT.format(
        taking="\n".join(
            f"        case {each.name}\n            set taking {' '.join(each.taking)}"
            for each in commands
        ),
        commands="\n".join(line for command in commands for line in lines_of(command)),
    )


def lines_of(command: Command) -> Iterable[str]:
    yield f"complete -c procession -n $first -a {command.name} -d {quoted(command.summary)}"
    here = f"complete -c procession -n '__procession_in {command.name}'"
    for option in command.options:
        names = " ".join(map(flag_of, option.names))
        yield f"{here} {names} {offer_of(option)}-d {quoted(option.summary)}"
    if command.runs:
        called = f"contains -- {command.name} (commandline -opc)[2]"
        yield f"complete -c procession -n '{called}' -a '(__procession_command)'"
    elif command.operands:
        yield f"{here} -a '{' '.join(command.operands)}'"


def flag_of(name: str) -> str:
    if name.startswith("--"):
        return f"-l {name[2:]}"
    return f"-s {name[1:]}" if len(name) == 2 else f"-o {name[1:]}"


def offer_of(option: Option) -> str:
    if not option.value:
        return ""
    if option.choices:
        return f"-x -a '{' '.join(option.choices)}' "
    if option.value == FOLDER:
        return "-x -a '(__fish_complete_directories (commandline -ct))' "
    return "-r -F " if option.value == FILE else "-x "


def quoted(text: str) -> str:
    """Return a text as a word of fish, whose rules within quotes are not sh's."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
