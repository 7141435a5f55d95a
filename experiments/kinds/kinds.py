"""How often the kind of the new face is the person's own, by what it is told from. See README.md beside this file.

python experiments/kinds/kinds.py --photos DIR --people people.csv --data "..." [--publish]
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from vera import __version__
from vera.anonymization import kinds
from vera.anonymization.verification import embeddings
from vera.bundle import default_bundle, load
from vera.evaluation.metrics.base import share
from vera.faces.alignment import align
from vera.faces.detection import DlibDetector
from vera.faces.parser_choice import choose_parser
from vera.faces.photograph import read_photograph
from vera.faces.recognition import DlibRecogniser
from vera.types import VeraError

HERE = Path(__file__).parent
VIEWS = {"skin codes": (0.0, 1.0), "recogniser": (1.0, 0.0), "both": (1.0, kinds.SKIN_COUNTS)}
"""Weights of the recogniser's view and of the skin's codes."""
LEAST = 0.9
"""The claim: share of people, of each data set, whose kind is found by both."""


def main() -> int:
    """Look at one photograph of each person; publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="PERSON_*.jpg, or a folder PERSON with photographs")
    parser.add_argument("--people", type=Path, required=True, help="CSV with the columns person and gender, one of the bundle's kinds")
    parser.add_argument("--data", required=True, help="what the photographs are, for the record")
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    network: Any = load(options.bundle)
    with options.people.open(newline="", encoding="utf-8") as stream:
        known = {row["person"]: row["gender"] for row in csv.DictReader(stream)}
    told, unusable = look(network, options.photos, known)
    rows = [
        {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "vera": __version__,
            "bundle": network.info.digest[:16],
            "data": options.data,
            "told_from": view,
            "unusable": unusable,
            **summary([(known[person], kind) for person, kind in found.items()]),
        }
        for view, found in told.items()
    ]
    print(page(rows))
    if options.publish:
        before = (HERE / "results.jsonl").read_text().splitlines() if (HERE / "results.jsonl").is_file() else []
        kept = [row for row in map(json.loads, before) if row["data"] != options.data] + rows
        (HERE / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
        (HERE / "results.md").write_text(page(kept))
    both = next(row for row in rows if row["told_from"] == "both")
    return 0 if both["right"]["share"] >= LEAST else 1


def look(network: Any, photos: Path, known: Mapping[str, str]) -> tuple[dict[str, dict[str, str]], int]:
    """By each view the kind of each person in its first photograph, and how many photographs could not be used."""
    detector, recogniser, parser = DlibDetector(), DlibRecogniser(), choose_parser("shipped")
    reader = kinds.Kinds(network, detector=detector, recogniser=recogniser)
    told: dict[str, dict[str, str]] = {view: {} for view in VIEWS}
    unusable = 0
    for person in track(sorted(known), "people"):
        files = sorted([*photos.glob(f"{person}_*.jpg"), *photos.glob(f"{person}/*.jpg")])
        if not files:
            raise VeraError(f"no photograph of '{person}' in '{photos}': {person}_*.jpg or {person}/*.jpg is expected")
        try:
            photograph = read_photograph(files[0])
            faces = detector.detect(photograph)
            if not faces:
                raise VeraError("no face")
            face = align(photograph, faces[0].landmarks, network.size)
            segmentation = parser.parse(face)
        except VeraError:
            unusable += 1  # counted and published
            continue
        with torch.no_grad():
            codes = network.encode(face.image[None], segmentation[None])
        by_face, by_skin = reader.views(codes, embeddings(recogniser, photograph.pixels, faces[0].landmarks, scales=(1.0,)))
        for view, (face_counts, skin_counts) in VIEWS.items():
            told[view][person] = min(by_face, key=lambda kind: face_counts * by_face[kind] + skin_counts * by_skin[kind])
    return told, unusable


def summary(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Share of people whose kind is right, all and by kind."""
    right = np.array([true == found for true, found in pairs])
    of = np.array([true for true, _ in pairs])
    return {"right": share(right), "by_kind": {str(kind): share(right[of == kind]) for kind in sorted(set(of))}}


def page(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table."""
    names = sorted({kind for row in rows for kind in row["by_kind"]})
    lines = ["| data | told from | right | " + " | ".join(names) + " | unusable |", "|---|---|---|" + "---|" * (len(names) + 1)]
    for row in rows:
        cells = [_cell(row["right"]), *(_cell(row["by_kind"].get(name)) for name in names), str(row["unusable"])]
        lines.append(f"| {row['data']} | {row['told_from']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: Mapping[str, Any] | None) -> str:
    return "-" if value is None else f"{value['share']:.1%} ({value['count']} of {value['of']})"


if __name__ == "__main__":
    sys.exit(main())
