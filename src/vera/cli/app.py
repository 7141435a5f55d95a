"""The command line's list of commands. Each imports what it needs only when it runs, so that ``--help`` answers at once."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vera.cli.anonymize import anonymize
from vera.cli.convert import convert
from vera.cli.data import data
from vera.cli.doctor import doctor
from vera.cli.edit import edit
from vera.cli.evaluate import evaluate
from vera.cli.exemplars import exemplars
from vera.cli.export import export
from vera.cli.report import report
from vera.cli.sample import sample
from vera.cli.texts import Command
from vera.cli.train import train


class RunByDefault(TyperGroup):
    """A group whose command ``run`` need not be named: ``vera export RUN --out BUNDLE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``run`` first where no command is named."""
        named = any(argument in self.commands for argument in args[:1])
        return super().parse_args(ctx, args if named or args in ([], ["--help"]) else ["run", *args])


app = typer.Typer(
    help="VerA anonymizes clinical face photographs: what is to be seen is kept bit for bit, the rest of the face is replaced.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        from vera import __version__

        typer.echo(f"vera {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")] = False,
) -> None:
    """VerA anonymizes clinical face photographs: what is to be seen is kept bit for bit, the rest of the face is replaced."""


app.command(cls=Command)(anonymize)
app.add_typer(convert, name="convert")
app.add_typer(data, name="data")
app.command(cls=Command)(doctor)
app.command(cls=Command)(edit)
exports = typer.Typer(cls=RunByDefault, help="Make a bundle of a training run (vera export RUN ...), or of mosaics.", no_args_is_help=True)
exports.command("run", cls=Command)(export)
exports.command("exemplars", cls=Command)(exemplars)
app.add_typer(exports, name="export")
app.command(cls=Command)(report)
app.command(cls=Command)(sample)
# Hydra reads the rest of the line itself, `--help` included.
for hydras in (train, evaluate):
    settings = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command(cls=Command, context_settings=settings)(hydras)
