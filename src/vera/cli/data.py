"""``vera data``: making data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vera.cli.app import PLAIN
from vera.cli.texts import Command

data = typer.Typer(help="Make data sets to train from.", no_args_is_help=True, **PLAIN)


@data.command(cls=Command)
def mosaic(
    photos: Annotated[Path, typer.Option("--photos", metavar="DIR", help="Frontal portraits of people who consented.")],
    people: Annotated[
        Path,
        typer.Option(
            "--people",
            metavar="CSV",
            help="Columns person, role, path (or person alone: photographs are PERSON_ROLE.jpg); if known, sex, age and groups.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The data set: images/, masks/, meta.jsonl, report.md, sheets.")],
    count: Annotated[
        int, typer.Option("--count", min=1, max=999_999, help="Number of identities; each gets one photograph for every role.")
    ],
    k: Annotated[int, typer.Option("--k", min=3, help="Number of people whose features are mixed in one identity.")] = 4,
    min_distance: Annotated[
        float, typer.Option(min=0.0, help="Least distance to the nearest real person (dlib); a nearer mosaic is discarded.")
    ] = 0.55,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="The same seed and people give the same mosaics.")] = 0,
    size: Annotated[int, typer.Option(help="Side in pixels: 64, 128, 256, 512 or 1024.")] = 256,
    even: Annotated[bool, typer.Option("--even", help="Cover skin tones evenly, as far as the people's differ.")] = False,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes; the result does not depend on it.")] = 1,
    only: Annotated[Path | None, typer.Option(metavar="FILE", help="Mix these people only (held-out mosaics): ids, one a line.")] = None,
    without: Annotated[Path | None, typer.Option(metavar="FILE", help="Do not mix these people: ids, one a line.")] = None,
    sources: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Prepared photographs, to be used again; OUT/sources by default. Real people!")
    ] = None,
) -> None:
    """Make photographs of people who do not exist, each of the features of several who consented; with exact segmentations.

    Interrupted, it goes on where it was when it is called again. Segmentations of the sources (NAME.labels.png in the folder of sources)
    may be corrected by hand before: this corrects every mosaic.
    """
    from rich.console import Console

    from vera.cli.batch import progress_bar
    from vera.faces.detection import DlibDetector
    from vera.faces.parsing import LandmarkParser
    from vera.faces.recognition import DlibRecogniser
    from vera.mosaic.bank import Bank
    from vera.mosaic.build import Backends, Settings, make, prepare_all
    from vera.mosaic.partners import check_people
    from vera.mosaic.people import chosen, read_people
    from vera.mosaic.report import write_report

    settings = Settings(seed=seed, size=size, k=k, min_distance=min_distance, even=even)
    everybody = read_people(people, photos)
    mixed = chosen(everybody, only=only, without=without)
    check_people([person.sex for person in mixed], [True] * len(mixed), k)  # the rest is known when they are prepared
    backends = Backends(detector=DlibDetector, recogniser=DlibRecogniser, parser=LandmarkParser)
    prepared = sources or out / "sources"
    console = Console(stderr=True)
    with progress_bar(console) as progress:
        total = sum(len(person.photographs) for person in everybody)
        for _ in progress.track(prepare_all(everybody, prepared, size, backends, workers=workers), total=total, description="photographs"):
            pass
        made = make(out, prepared, everybody, mixed, settings, backends, count=count, workers=workers)
        for _ in progress.track(made, total=count, description="mosaics"):
            pass
    report = write_report(out, Bank(prepared, everybody, mixed, size), DlibRecogniser())
    console.print(
        f"{report['identities']} identities, {report['photographs']} photographs; {report['rejected_share']:.0%} of the draws rejected: "
        f"{out / 'report.md'}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@data.command(cls=Command)
def pack(
    folder: Annotated[Path, typer.Option("--data", metavar="DIR", help="images/NAME.jpg|png, masks/NAME.png (mosaics).")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The shards: 000000.tar, ... and index.json.")],
    # DECISION: about 100 MB of JPEG at 256 px.
    shard_size: Annotated[int, typer.Option("--shard-size", min=1, help="Faces in a shard.")] = 2000,
    pattern: Annotated[str, typer.Option(metavar="GLOB", help="Take the images of this name only.")] = "*",
) -> None:
    """Pack a folder of faces into a few tar files (WebDataset's layout), for `vera train data=shards data.root=OUT`.

    The files are packed as they are: the faces, and their order, stay the same.
    """
    from rich.console import Console

    from vera.cli.batch import progress_bar
    from vera.data.folder import FolderDataset
    from vera.data.packing import pack as write

    pairs = FolderDataset(root=folder, size=1, pattern=pattern, cache=False).pairs
    console = Console(stderr=True)
    with progress_bar(console) as progress:
        count = write(progress.track(pairs, description="faces"), out, shard_size=shard_size)
    console.print(f"{count} faces: {out}", highlight=False, markup=False, soft_wrap=True)
