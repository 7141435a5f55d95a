"""``vera edit``: faces with wanted attributes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from vera.cli.anonymize import Device

OBEYED = 0.5
"""DECISION: R² of a control's regressor below which the user is told."""


def edit(
    wanted: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=VALUE...", help="Wanted attribute, such as yaw=15; yaw=-20:20 gives a row of faces from one value to the other."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for 0000.png, 0000.seg.png, ... and sheet.png.")],
    bundle: Annotated[
        Path | None, typer.Option(metavar="PATH", help="A generator with controls: a stage 2 run's bundle, instead of the shipped one.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Number of faces; each has its row.")] = 1,
    steps: Annotated[int, typer.Option(min=2, help="Number of faces in a row, for a range.")] = 7,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Face number i is a function of the seed and i.")] = 0,
    truncation: Annotated[
        float, typer.Option(metavar="PSI", help="Diversity from 0 (the mean face) to 1 (as diverse as the network's faces are).")
    ] = 0.7,
    device: Annotated[Device, typer.Option(help="Device that the network runs on.")] = Device.cpu,
) -> None:
    """Draw random faces, and give each the wanted attributes.

    What is not asked for stays as it is.
    Values are in the unit of the encoder that the generator was trained with (degrees, eye distances, years).
    """
    import torch
    from rich.console import Console

    from vera.attributes.control import ControlledGenerator
    from vera.bundle import controlled_bundle, load
    from vera.cli.assembly import require_device
    from vera.cli.batch import progress_bar
    from vera.cli.samples import DrawnSample, sample_of, write_samples
    from vera.generator.sampling import code_sampler
    from vera.types import VeraError

    require_device(device.value)
    if not 0 <= truncation <= 4:
        raise VeraError(f"--truncation {truncation}: choose a value from 0 to 4")
    asked = [Asked.parse(text) for text in wanted]
    path = bundle or controlled_bundle()
    loaded: Any = load(path, device=device.value)
    network, known = loaded, loaded.info.provenance.get("controls")
    if not isinstance(network, ControlledGenerator):
        raise VeraError(f"'{path}' is a {type(network).__name__} without controls: give the bundle of a stage 2 run")
    columns = steps if any(one.low != one.high for one in asked) else 1
    count, draw = n * columns, code_sampler(network, seed=seed, truncation=truncation)

    @torch.no_grad()
    def face(number: int) -> DrawnSample:
        row, column = divmod(number, columns)
        way = column / max(columns - 1, 1)
        made = network(network.edit(draw(row), {one.name: one.low + way * (one.high - one.low) for one in asked}))
        return sample_of(made.image[0], made.segmentation[0])

    console = Console(stderr=True)
    for one in asked:
        about = known.get(one.name) if isinstance(known, dict) else None
        explained = about.get("explained") if isinstance(about, dict) else None
        if isinstance(explained, int | float) and explained < OBEYED:
            said = f"vera: '{one.name}' hardly obeys in this generator: its code explains {max(explained, 0):.0%} of it"
            console.print(said, soft_wrap=True)
    with progress_bar(console) as progress:
        faces = (face(number) for number in range(count))
        write_samples(out, count, lambda: progress.track(faces, total=count, description="faces"), columns=columns)


class Asked(NamedTuple):
    """``name=value``, or ``name=low:high``."""

    name: str
    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Asked:
        """Read one argument.

        Raises:
            VeraError: it is neither, or not finite.

        """
        from vera.types import VeraError

        name, _, value = text.partition("=")
        low, _, high = value.partition(":")
        try:
            asked = cls(name.strip(), float(low), float(high or low))
        except ValueError:
            raise VeraError(f"'{text}' asks for nothing: write NAME=VALUE, for example yaw=15, or NAME=FROM:TO") from None
        if not (math.isfinite(asked.low) and math.isfinite(asked.high)):
            raise VeraError(f"'{text}': give a number that is finite, for example yaw=15")
        return asked
