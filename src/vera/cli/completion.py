"""``vera completion``: commands, options, their values, and the overrides of Hydra's commands at the Tab key."""

from __future__ import annotations

import shlex
from enum import StrEnum
from typing import Annotated

import typer

from vera.cli.app import COMMANDS, HYDRA_COMMANDS, load
from vera.cli.hydra import complete_overrides

FUNCTION = """_vera() {
    local line=${COMP_LINE:0:COMP_POINT} word IFS=$'\\n'
    word=${line##*[[:space:]]}
    COMPREPLY=($(vera completion SHELL --line "$line" 2>/dev/null))
    if [[ $COMP_WORDBREAKS == *=* && $word == *=* ]]; then  # bash completes what comes after the last =
        COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*=}"}"}")
    fi
    if [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY != *[=./] ]]; then
        COMPREPLY=("$COMPREPLY ")
    fi
}
complete -o nospace -o default -F _vera vera
"""
"""A function for bash: no space after what goes on, such as ``trainer=``; files where nothing is known."""
SCRIPTS = {
    "bash": FUNCTION.replace("SHELL", "bash"),
    "zsh": "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n" + FUNCTION.replace("SHELL", "zsh"),
    "fish": "complete -c vera -a '(vera completion fish --line (commandline -cp) 2>/dev/null)'\n",
}


class Shell(StrEnum):
    """Shell that completes."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(help="The shell that completes.")],
    line: Annotated[str | None, typer.Option("--line", hidden=True, help="Words typed so far; the shell's script passes them.")] = None,
) -> None:
    """Print the script that completes commands, options and overrides at the Tab key.

    In ~/.bashrc or ~/.zshrc: eval "$(vera completion bash)", or zsh; in fish's config.fish: vera completion fish | source
    """
    typer.echo(SCRIPTS[shell.value] if line is None else "".join(f"{word}\n" for word in candidates(line)), nl=False)


def candidates(line: str) -> list[str]:
    """Words that may stand at the end of a command line; empty where only names of files can follow.

    Args:
        line: words typed so far, from ``vera`` to the cursor.

    """
    try:
        words = shlex.split(line)[1:]
    except ValueError:  # within quotes
        return []
    word = words.pop() if words and not line[-1].isspace() else ""
    if not words:
        return [name for name in (*COMMANDS, "--help", "--version") if name.startswith(word)]
    name, *rest = words
    if name not in COMMANDS:
        return []
    if name in HYDRA_COMMANDS:
        return complete_overrides(name, [*rest, word])
    from typer._completion_classes import BashComplete  # which of click's it builds on differs between typer's versions

    found = BashComplete(load(name), {}, f"vera {name}", "").get_completions(rest, word)
    return [str(one.value) for one in found if one.type == "plain"]
