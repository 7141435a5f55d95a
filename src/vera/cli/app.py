"""The command line's table of contents, and the way to a command.

A command's module is imported when the command is called, and nothing but this table for ``vera --help``, so that help comes at once.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

from vera import __version__

ABOUT = "VerA anonymizes clinical face photographs: the treated region is kept bit for bit, the rest of the face is replaced."
COMMANDS = {
    "anonymize": "Anonymize the photographs of one person, or of many people by a manifest.",
    "completion": "Print the script that completes commands, options and overrides at the Tab key.",
    "convert": "Convert another project's checkpoint to a bundle, or a parser's bundle to ONNX.",
    "data": "Make data sets to train from.",
    "doctor": "Check this installation: packages, devices, weights and their licences.",
    "edit": "Draw random faces, and give each the wanted attributes.",
    "evaluate": "Evaluate anonymizers on people's photographs, beside the baselines.",
    "export": "Make a bundle of a training run, or of mosaics.",
    "regions": "Show the regions of a face that --preserve can name.",
    "report": "Merge evaluations into one table, or list the runs of a sweep.",
    "sample": "Draw random faces with their segmentations, and one sheet that shows them all.",
    "serve": "Open a page in the browser to anonymize photographs; nothing leaves this machine.",
    "train": "Train a network: a stage of the paper, or the parser.",
    "verify": "Check an output folder again: files, preserved pixels, regions, recognisers and the audit's chain.",
}
"""Each command with the first sentence of its help. ``vera.cli.NAME`` holds it under its name: a function, or a typer app."""
PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None}
"""Settings of every typer app: help in plain text, since rich takes longer to import than all else that help needs."""
HYDRA_COMMANDS = ("train", "evaluate")
HYDRAS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Commands whose arguments Hydra reads, and their settings."""


def run(arguments: list[str]) -> None:
    """Run a command, or show the table of commands, and leave with its exit code.

    Args:
        arguments: the words after ``vera`` on the command line.

    Raises:
        VeraError: there is no such command.
        SystemExit: the command ended, or its arguments cannot be read.

    """
    name, *rest = arguments or ["--help"]
    if name in ("--help", "-h"):
        sys.stdout.write(usage())
    elif name == "--version":
        sys.stdout.write(f"vera {__version__}\n")
    elif name not in COMMANDS:
        import difflib

        from vera.types import VeraError

        near = difflib.get_close_matches(name, COMMANDS, n=1)
        advice = f"did you mean '{near[0]}'?" if near else "choose from"
        raise VeraError(f"there is no command '{name}': {advice} {'' if near else ', '.join(COMMANDS)}".rstrip())
    else:
        from vera.cli.threads import share_machine

        share_machine(os.environ, count=not any("slurm" in argument for argument in rest))
        load(name)(rest, prog_name=f"vera {name}")


def usage() -> str:
    """The text of ``vera --help``."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {summary}" for name, summary in COMMANDS.items()]
    options = ["  --version  Show the version and leave.", "  --help     Show this message and leave."]
    parts = ["Usage: vera COMMAND [ARGUMENTS]...", f"  {ABOUT}", "\n".join(["Commands:", *lines]), "\n".join(["Options:", *options])]
    return "\n\n".join([*parts, "vera COMMAND --help says more."]) + "\n"


def load(name: str) -> Any:
    """Import a command.

    Args:
        name: name of a command in :data:`COMMANDS`.

    Returns:
        The command as click runs it.

    """
    import typer

    from vera.cli.texts import Command

    found = getattr(import_module(f"vera.cli.{name}"), name)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    alone = typer.Typer(**PLAIN)
    settings = HYDRAS if name in HYDRA_COMMANDS else {"max_content_width": 110}
    alone.command(name, cls=Command, context_settings=settings)(found)
    return typer.main.get_command(alone)
