"""The script that completes in zsh, sourced or as a file `_procession` on its fpath."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from procession.cli.completion.completion import FILE, FOLDER, Command, Option

SCRIPT = """\
#compdef procession
# Completes the words of procession in zsh; made by `procession completion zsh`.

_procession() {{
    local curcontext=$curcontext state line
    local -a commands
    _arguments -C \\
        '(- *)'{{-h,--help}}'[show the help]' \\
        '(- *)--version[show the version]' \\
        '1: :->command' \\
        '*:: :->arguments' && return
    case $state in
    command)
        commands=(
{names}
        )
        _describe -t commands command commands
        ;;
    arguments)
        case $words[1] in
{commands}
        esac
        ;;
    esac
}}

# What the command takes that is run; behind ":::" they are files.
_procession_operands() {{
    if (( ${{words[(I):::*]}} )); then
        _files
    else
        _normal
    fi
}}

if [[ $funcstack[1] == _procession ]]; then
    _procession "$@"
else
    compdef _procession procession
fi
"""


def script(commands: Sequence[Command]) -> str:
    return SCRIPT.format(
        names="\n".join(
            f"            {shlex.quote(f'{each.name}:{each.summary}')}" for each in commands
        ),
        commands="\n".join(map(case_of, commands)),
    )


def case_of(command: Command) -> str:
    lines = ["_arguments -s -S -A '-*'"]
    lines += [shlex.quote(spec) for option in command.options for spec in specs_of(option)]
    if command.runs:
        lines += ["'(-): :_command_names -e'", "'*:: :_procession_operands'"]
    elif command.operands:
        lines.append(f"': :({' '.join(command.operands)})'")
    body = " \\\n                ".join(lines)
    return f"        {command.name})\n            {body}\n            ;;"


def specs_of(option: Option) -> Iterable[str]:
    """Yield a specification for each name, without those that exclude each other."""
    summary = option.summary.replace("[", "(").replace("]", ")").replace("\\", "\\\\")
    for name in option.names:
        if not option.value:
            yield f"*{name}[{summary}]"
        else:
            # "--name=value" or "--name value"; "-nvalue" or "-n value".
            mark = "=" if name.startswith("--") else "+"
            yield f"*{name}{mark}[{summary}]:{option.value.replace(':', ' ')}:{offer_of(option)}"


def offer_of(option: Option) -> str:
    if option.choices:
        return f"({' '.join(option.choices)})"
    return {FILE: "_files", FOLDER: "_files -/"}.get(option.value, " ")
