"""Report on a mosaic data set: ``report.json``, ``report.md``, a contact sheet and a sheet of segmentations."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vera.faces.formats import FORMATS
from vera.faces.photograph import write_png
from vera.faces.recognition import Recogniser
from vera.files import write_whole
from vera.mosaic.bank import Bank
from vera.mosaic.quality import Norms
from vera.mosaic.records import Record, read_records, read_settings
from vera.types import Pixels, VeraError

SHEET = 6
"""Faces in a row and in a column."""
NOTE = """Distances are those of the recogniser named above, which the mosaics were selected with: check with a second recogniser before
relying on them. `sources/` shows real people; it is not part of the data set and not for passing on."""


def write_report(out: Path, bank: Bank, recogniser: Recogniser) -> Record:
    """Describe a folder of mosaics.

    Args:
        out: the data set's folder.
        bank: the people behind it.
        recogniser: recogniser that mosaics were selected with.

    Returns:
        What is written to ``report.json``.

    Raises:
        VeraError: there is no mosaic.

    """
    settings, identities = read_settings(out), read_records(out)
    if settings is None or not identities:
        raise VeraError(f"'{out}' holds no mosaics: there is nothing to report")
    records = [record for own in identities.values() for record in own]
    rejected: Counter[str] = Counter()
    for own in identities.values():
        rejected.update(own[0]["rejected"])
    draws = len(identities) + sum(rejected.values())
    report = {
        "settings": {name: value for name, value in settings.items() if name != "people"},
        "people_mixed": len(bank.people),
        "people_in_the_table": len(set(bank.owners)),
        "recogniser": recogniser.name,
        "identities": len(identities),
        "photographs": len(records),
        "draws": draws,
        "rejected_share": round(sum(rejected.values()) / draws, 4),
        "rejected": {reason: count for reason, count in rejected.most_common()},
        "not_checked_too_few_sources": Norms([look for own in bank.looks for look in own]).unchecked,
        "nearest_person": spread([record["nearest_person"] for record in records]),
        "nearest_source": spread([record["nearest_source"] for record in records]),
        "real_person_to_nearest_other": spread(_between_people(bank, recogniser)),
        "identities_by_sex": dict(Counter(str(own[0]["sex"]) for own in identities.values())),
        "sources_by_group": _groups(bank),
        "age_of_mixture": spread([own[0]["age"] for own in identities.values() if own[0]["age"] is not None]),
        "largest_weight_in_shape": round(max(max(weights) for record in records for weights in record["weights"].values()), 4),
    }
    write_whole(out / "report.json", (json.dumps(report, indent=1) + "\n").encode())
    write_whole(out / "report.md", _markdown(report).encode())
    shown = [own[n % len(own)]["name"] for n, own in enumerate(list(identities.values())[: SHEET**2])]
    write_png(out / "sheet.png", sheet([_read(out / "images" / f"{name}.jpg") for name in shown]))
    write_png(out / "sheet.masks.png", sheet([_read(out / "masks" / f"{name}.png") for name in shown]))
    return report


def sheet(pictures: Sequence[Pixels], *, columns: int = SHEET) -> Pixels:
    """Arrange pictures ``(H, W, 3)`` of one size in rows; places that are left over are white."""
    blank = np.full_like(pictures[0], 255)
    padded = [*pictures, *[blank] * (-len(pictures) % columns)]
    rows = [np.concatenate(padded[n : n + columns], axis=1) for n in range(0, len(padded), columns)]
    return np.ascontiguousarray(np.concatenate(rows))


def spread(values: Sequence[float] | npt.NDArray[np.float64]) -> dict[str, float] | None:
    """Minimum, percentiles and maximum; None if there are no values."""
    if not len(values):
        return None
    names = ("min", "p5", "median", "p95", "max")
    return {name: round(float(value), 4) for name, value in zip(names, np.percentile(values, (0, 5, 50, 95, 100)), strict=True)}


def _between_people(bank: Bank, recogniser: Recogniser) -> list[float]:
    """Distance of each real photograph to the nearest one of another person, as a scale for these people."""
    nearest = []
    for embedding, owner in zip(bank.everybody, bank.owners, strict=True):
        others = [recogniser.distance(embedding, e) for e, o in zip(bank.everybody, bank.owners, strict=True) if o != owner]
        nearest += [min(others)] if others else []
    return nearest


def _groups(bank: Bank) -> dict[str, dict[str, int]]:
    columns = sorted({column for person in bank.people for column in person.groups})
    return {column: dict(Counter(person.groups.get(column, "not stated") for person in bank.people)) for column in columns}


def _read(path: Path) -> Pixels:
    return np.asarray(Image.open(path, formats=FORMATS).convert("RGB"))


def _markdown(report: Mapping[str, Any]) -> str:
    lines = ["# Mosaics", "", "| | |", "|---|---|"]
    for name, value in report.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        lines.append(f"| {name.replace('_', ' ')} | {shown if shown not in ('', [], None) else 'none'} |")
    return "\n".join([*lines, "", NOTE, "", "![contact sheet](sheet.png)", "", "![segmentations](sheet.masks.png)", ""])
