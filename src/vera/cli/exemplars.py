"""``vera export exemplars``: mosaics become a bank of exemplars."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CARD = 1 << 20
"""DECISION: bytes of a model card."""


def exemplars(
    data: Annotated[list[Path], typer.Argument(metavar="DATA...", help="Data sets of mosaics: vera data mosaic --size 512 --even.")],
    photos: Annotated[Path, typer.Option("--photos", metavar="DIR", help="The donors' photographs, to keep rows away from them.")],
    people: Annotated[Path, typer.Option("--people", metavar="CSV", help="The donors: person, sex, age; as for vera data mosaic.")],
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="The bundle to make; it must not exist.")],
    source: Annotated[str, typer.Option("--data", help="Description of the photographs behind the mosaics, for the bundle's provenance.")],
    licence: Annotated[str, typer.Option(help="Licence of the bank, for example CC-BY-4.0.")],
    card: Annotated[Path, typer.Option(metavar="FILE", help="The model card, Markdown.")],
    rows: Annotated[int, typer.Option(min=8, help="Rows of the bank, even over sex and skin tone as far as there are enough.")] = 200,
    bands: Annotated[int, typer.Option(min=1, help="Number of bands of skin tone.")] = 5,
    without: Annotated[Path | None, typer.Option(metavar="FILE", help="File with names of mosaics to leave out, one a line.")] = None,
) -> None:
    """Choose mosaics that are far from every donor, take away what is not the face, and write them as a bundle."""
    import torch
    from rich.console import Console

    from vera import bundle
    from vera.cli.batch import progress_bar
    from vera.exemplars.building import QUALITY, build_bank, even_choice, read_candidates
    from vera.exemplars.screening import far_enough, learn_heads, limits, look_at_donors, with_embeddings
    from vera.faces.detection import DlibDetector
    from vera.faces.recogniser_choice import embedded_recognisers
    from vera.mosaic.people import read_people
    from vera.types import VeraError
    from vera.untrusted import read_text

    text = read_text(card, what=f"the model card {card}", limit=CARD)
    rejected = set(read_text(without, what=f"'{without}'").split()) if without else set()
    if out.exists():
        raise VeraError(f"'{out}' exists: a bundle is never overwritten; choose another folder or remove it")
    donors = read_people(people, photos)
    ages = {person.id: person.age for person in donors if person.age is not None}
    read = [one for folder in data for one in read_candidates(folder, ages)]
    candidates = [one for one in read if one.natural and one.name not in rejected]
    console = Console(stderr=True)
    with progress_bar(console) as progress:
        detector, recognisers = DlibDetector(), embedded_recognisers()
        progress.add_task("donors", total=None)
        seen = look_at_donors(donors, detector, recognisers)
        least = limits(seen, recognisers)
        screened = ((one, far_enough(one, seen, least, recognisers)) for one in candidates)
        tracked = progress.track(screened, total=len(candidates), description="mosaics")
        passed = [(one, distances) for one, distances in tracked if distances is not None]
    chosen = even_choice([one for one, _ in passed], rows, bands)
    if len(chosen) < rows:
        raise VeraError(
            f"{len(passed)} of {len(candidates)} mosaics are far enough from every donor, {rows} rows are asked for: make more mosaics"
        )
    heads = learn_heads(seen, donors, recognisers[0].name)
    bank = build_bank(chosen, recogniser=recognisers[0].name, sex_head=heads.sex, age_head=heads.age)
    bank = with_embeddings(bank, seen, recognisers)
    nearest = {name: round(min(d[name] for one, d in passed if one in chosen), 4) for name in least}
    provenance = {
        "data": source,
        "mosaics": len(candidates),
        "far_enough": len(passed),
        "least_distance_to_donors": {name: round(value, 4) for name, value in least.items()},
        "nearest_row_to_donors": nearest,
        "jpeg_quality": QUALITY,
        "sex_told_rightly": round(heads.sex_right, 4),
        "age_error_years": round(heads.age_error, 2),
        "rows_of_each_sex": {sex: sum(one.sex == sex for one in chosen) for sex in bank.sexes},
        "skin_typology_angles": [round(one.ita) for one in chosen],
    }
    info = bundle.save(out, bank, provenance=provenance, licence=licence, card=text, dtype=torch.float32)
    typer.echo(f"{info.path}: {len(chosen)} rows of {len(passed)} that are far enough from every donor; digest {info.digest}")
