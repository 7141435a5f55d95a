"""``vera export``: a training run becomes a bundle, or mosaics become a bank of exemplars."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from vera.cli.app import PLAIN
from vera.cli.exemplars import CARD, exemplars
from vera.cli.texts import Command


class RunByDefault(TyperGroup):
    """A group whose command ``run`` need not be named: ``vera export RUN --out BUNDLE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``run`` first where no command is named."""
        named = any(argument in self.commands for argument in args[:1])
        return super().parse_args(ctx, args if named or args in ([], ["--help"]) else ["run", *args])


export = typer.Typer(
    cls=RunByDefault,
    help="Make a bundle of a training run, or of mosaics.\n\nvera export RUN ... is short for vera export run RUN ...",
    no_args_is_help=True,
    **PLAIN,
)
export.command("exemplars", cls=Command)(exemplars)


@export.command("run", cls=Command)
def export_run(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A training run's folder: config.yaml and last.ckpt.")],
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="The bundle to make; it must not exist.")],
    data: Annotated[str, typer.Option(help="Description of the training data, for the bundle's provenance.")],
    licence: Annotated[str, typer.Option(help="Licence of the weights, for example CC-BY-4.0.")],
    card: Annotated[Path, typer.Option(metavar="FILE", help="The model card, Markdown.")],
    pattern: Annotated[
        str | None, typer.Option(metavar="GLOB", help="Faces that identities are mixed from, by name (a folder of images); all by default.")
    ] = None,
    alike: Annotated[
        str | None,
        typer.Option(metavar="FIELD", help="Mix only faces that are equal in this field of the data's meta.jsonl: sex, for mosaics."),
    ] = None,
    identities: Annotated[int, typer.Option(min=4, help="Size of the bank of identities.")] = 512,
    truncation: Annotated[
        float | None,
        typer.Option(
            min=0, max=4, metavar="PSI", help="Truncation of identities drawn from a generator (stage 3 on a generator); 0.7 by default."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the mixtures.")] = 0,
    checkpoint: Annotated[
        str, typer.Option(metavar="NAME", help="Checkpoint in the run's folder; top/NAME.ckpt are the best ones.")
    ] = "last.ckpt",
    discriminator: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="A second bundle, of a generator's discriminator: to go on from both.")
    ] = None,
    exact: Annotated[bool, typer.Option("--float32", help="Keep the weights exact, twice as large: for training that goes on.")] = False,
) -> None:
    """Write the averaged network of a training run as a bundle; an autoencoder, with a bank of identities mixed from its data."""
    from vera.training.export.api import Statement
    from vera.training.export.api import export as write
    from vera.training.export.autoencoder import BankSettings
    from vera.untrusted import read_text

    text = read_text(card, what=f"the model card {card}", limit=CARD)
    written = write(
        run,
        out,
        checkpoint=checkpoint,
        statement=Statement(licence=licence, card=text, data=data),
        bank=BankSettings(identities=identities, seed=seed, pattern=pattern, alike=alike, truncation=truncation),
        discriminator=discriminator,
        exact=exact,
    )
    for info in written:
        typer.echo(f"{info.path}: digest {info.digest}")
