"""``vera sample``: draw random faces from a trained generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vera.cli.anonymize import Device


def sample(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for 0000.png, 0000.seg.png, ... and sheet.png.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of faces.")] = 64,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Face number i is a function of the seed and i.")] = 0,
    truncation: Annotated[
        float, typer.Option(metavar="PSI", help="Diversity from 0 (the mean face) to 1 (as diverse as the network's faces are).")
    ] = 1.0,
    bundle: Annotated[Path | None, typer.Option(metavar="PATH", help="A trained network; the packaged one by default.")] = None,
    device: Annotated[Device, typer.Option(help="Device that the network runs on.")] = Device.cpu,
) -> None:
    """Draw random faces with their segmentations, and one sheet that shows them all.

    NNNN.seg.png holds class numbers (0 background ... 12 earrings), with a palette that colours them. A bundle with a bank of
    identities, as the packaged one, shows those that anonymization draws for the people "0", "1", ...
    """
    from rich.console import Console

    from vera.bundle import default_bundle, load
    from vera.cli.assembly import require_device
    from vera.cli.batch import progress_bar
    from vera.cli.samples import sampler, write_samples

    require_device(device.value)
    draw = sampler(load(bundle or default_bundle(), device=device.value), seed=seed, truncation=truncation)
    with progress_bar(Console(stderr=True)) as progress:
        write_samples(out, n, lambda: progress.track((draw(number) for number in range(n)), total=n, description="faces"))
