"""``vera export``: a training run becomes a bundle, or mosaics become a bank of exemplars."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from vera.cli.app import PLAIN
from vera.cli.exemplars import CARD, exemplars
from vera.cli.texts import Command

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from vera.training.export.apart import Apart


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


@export.command("groups", cls=Command)
def export_groups(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle of an autoencoder whose bank has identity groups.")],
) -> None:
    """Store what dlib's recogniser sees in a bundle's identity groups beside it: `vera anonymize` need not draw them at each start."""
    typer.echo(f"{_store_groups(bundle)}")


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
    min_distance: Annotated[
        float | None,
        typer.Option(min=0, max=2, metavar="D", help="Keep only drawn identities that dlib puts D or farther from every training face."),
    ] = None,
    axes: Annotated[bool, typer.Option("--axes", help="Learn axes for --refine-steps (identities drawn from a generator).")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the identities.")] = 0,
    checkpoint: Annotated[
        str, typer.Option(metavar="NAME", help="Checkpoint in the run's folder; top/NAME.ckpt are the best ones.")
    ] = "last.ckpt",
    discriminator: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="A second bundle, of a generator's discriminator: to go on from both.")
    ] = None,
    exact: Annotated[bool, typer.Option("--float32", help="Keep the weights exact, twice as large: for training that goes on.")] = False,
) -> None:
    """Write the averaged network of a training run as a bundle; an autoencoder, with a bank of identities mixed from its data."""
    from rich.console import Console

    from vera.bundle import read
    from vera.cli.batch import progress_bar
    from vera.training.export.api import Statement
    from vera.training.export.api import export as write
    from vera.training.export.autoencoder import BankSettings
    from vera.types import VeraError
    from vera.untrusted import read_text

    text = read_text(card, what=f"the model card {card}", limit=CARD)
    with nullcontext() if min_distance is None else progress_bar(Console(stderr=True)) as progress:
        apart = None if min_distance is None or progress is None else _apart(min_distance, progress)
        bank = BankSettings(identities, seed=seed, pattern=pattern, alike=alike, truncation=truncation, axes=axes, apart=apart)
        written = write(
            run,
            out,
            checkpoint=checkpoint,
            statement=Statement(licence=licence, card=text, data=data),
            bank=bank,
            discriminator=discriminator,
            exact=exact,
        )
    for info in written:
        typer.echo(f"{info.path}: digest {info.digest}")
        if read(info.path)["config"].get("kinds"):
            try:
                typer.echo(f"{_store_groups(info.path)}: what dlib sees in its identity groups")
            except VeraError as error:
                typer.echo(f"its identity groups can't be told apart by their faces: {error}", err=True)


def _store_groups(bundle: Path) -> Path:
    from vera.anonymization.kinds import store_groups
    from vera.faces.detection import DlibDetector
    from vera.faces.recognition import DlibRecogniser

    return store_groups(bundle, detector=DlibDetector(), recogniser=DlibRecogniser())


def _apart(least: float, bar: Progress) -> Apart:
    """The comparison with the training faces, by dlib, that shows its progress."""
    from vera.faces.detection import DlibDetector
    from vera.faces.recognition import DlibRecogniser
    from vera.training.export.apart import Apart

    tasks: dict[str, TaskID] = {}

    def told(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done)

    return Apart(least, DlibDetector(), DlibRecogniser(), told)
