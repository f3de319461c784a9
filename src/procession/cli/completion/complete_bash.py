"""The script that completes in bash, with or without the package bash-completion."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from procession.cli.completion.completion import FILE, FOLDER, Command, Option

# What is left empty, readline completes with the names of files.
SCRIPT = """\
# Completes the words of procession in bash; made by `procession completion bash`.

_procession() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} words= taking= operands= runs= word i
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        _procession_words '{names} --help --version'
        return
    fi
    case ${{COMP_WORDS[1]}} in
{commands}
    esac
    for ((i = 2; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        if [[ $word != -?* ]]; then
            break
        elif [[ $taking == *" $word "* ]]; then
            # bash makes a word of its own of the "=" in "--option=value".
            if [[ ${{COMP_WORDS[i + 1]}} == "=" ]]; then
                ((i + 1 == COMP_CWORD)) && cur=
                ((i++))
            fi
            ((++i >= COMP_CWORD)) && _procession_value && return
        fi
    done
    if ((i < COMP_CWORD)); then
        [[ $runs ]] && _procession_command "$i"
    elif [[ $cur == -* ]]; then
        _procession_words "$words"
    elif [[ $runs ]]; then
        [[ $cur == */* ]] || COMPREPLY=($(compgen -c -- "$cur"))
    else
        _procession_words "$operands"
    fi
}}

# Offer words, and no files.
_procession_words() {{
    compopt +o default +o bashdefault 2>/dev/null
    COMPREPLY=($(compgen -W "$1" -- "$cur"))
}}

# Offer what the option $word takes.
_procession_value() {{
    case "${{COMP_WORDS[1]}} $word" in
{values}
    *) _procession_words '' ;;
    esac
}}

# Offer what the command takes that begins at that word; behind ":::" they are files.
_procession_command() {{
    local word
    for word in "${{COMP_WORDS[@]:$1:COMP_CWORD-$1}}"; do
        [[ $word == :::* ]] && return
    done
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "$1"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    fi
}}

complete -o bashdefault -o default -F _procession procession
"""


def script(commands: Sequence[Command]) -> str:
    return SCRIPT.format(
        names=" ".join(command.name for command in commands),
        commands="\n".join(map(case_of, commands)),
        values="\n".join(arm for command in commands for arm in arms_of(command)),
    )


def case_of(command: Command) -> str:
    return (
        f"    {command.name})\n"
        f"        words='{' '.join(command.words)}'\n"
        f"        taking=' {' '.join(command.taking)} '\n"
        f"        operands='{' '.join(command.operands)}'\n"
        f"        runs={'yes' if command.runs else ''}\n"
        "        ;;"
    )


def arms_of(command: Command) -> Iterable[str]:
    for option in command.options:
        offer = offer_of(option)
        if option.value and offer:
            pattern = " | ".join(f"'{command.name} {name}'" for name in option.names)
            yield f"    {pattern}) {offer} ;;"


def offer_of(option: Option) -> str:
    if option.choices:
        return f"_procession_words '{' '.join(option.choices)}'"
    if option.value == FOLDER:
        return "compopt +o default +o bashdefault -o dirnames 2>/dev/null"
    return ":" if option.value == FILE else ""
