"""Choose the photographs of the panel by a rule that knows nothing of how they turn out; see README.md beside this file.

python experiments/exemplars/choose.py --london DIR --people people.csv --lfw DIR --lfw-people ../kinds/lfw.csv
Writes photographs.csv beside this script: the set a photograph is of, its path there, and by how many degrees the head is turned.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np

from vera.anonymization.exemplar_renderer import GLASSES
from vera.bundle import exemplar_bundle, load
from vera.exemplars.bank import ExemplarBank
from vera.exemplars.pose import eye_distance, fit_camera
from vera.faces.alignment import align, transform
from vera.faces.detection import DlibDetector
from vera.faces.parser_choice import choose_parser
from vera.faces.photograph import read_photograph
from vera.types import Semantic, VeraError

HERE = Path(__file__).parent
EACH = 12
"""Photographs of each set."""
BANDS = ((0.0, 10.0), (10.0, 25.0))
"""Degrees of yaw; as many photographs of LFW in one as in the other."""
ROLES = ("neutral", "smiling")
Row = tuple[str, str, str]


def main() -> int:
    """Choose and write the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--london", type=Path, required=True, help="PERSON_neutral.jpg and PERSON_smiling.jpg")
    parser.add_argument("--people", type=Path, required=True, help="CSV: person, gender, ethnicity of the London set")
    parser.add_argument("--lfw", type=Path, required=True, help="PERSON/PERSON_0001.jpg")
    parser.add_argument("--lfw-people", type=Path, default=HERE.parent / "kinds" / "lfw.csv", help="CSV: person, gender")
    options = parser.parse_args()
    look = Look()
    rows = [*london(options.people, options.london, look), *lfw(options.lfw_people, options.lfw, look)]
    with (HERE / "photographs.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("set", "path", "turned"), *rows])
    return 0


class Look:
    """Tells by how much a head is turned."""

    def __init__(self) -> None:
        bank = load(exemplar_bundle())
        assert isinstance(bank, ExemplarBank)
        self.frontal, self.detector, self.parser = bank.mean.neutral, DlibDetector(), choose_parser(None)

    def __call__(self, path: Path) -> float | None:
        """Degrees of yaw; None where the tool asks for another photograph: no face or several, or spectacles."""
        photograph = read_photograph(path)
        faces = self.detector.detect(photograph)
        if len(faces) != 1:
            return None
        face = align(photograph, faces[0].landmarks, 256)
        points = (transform(face.landmarks, face.from_photograph) + 0.5) / face.size
        try:
            labels = self.parser.parse(face).argmax(dim=0).numpy()
        except VeraError:
            return None
        if (labels == Semantic.GLASSES).sum() > GLASSES * (eye_distance(points) * labels.shape[0]) ** 2:
            return None
        return float(fit_camera(self.frontal, np.asarray(points)).yaw)


def london(table: Path, folder: Path, look: Look) -> list[Row]:
    """In turns the next person, by number, of each sex and ethnicity; neutral and smiling in turns."""
    groups: dict[tuple[str, str], list[str]] = {}
    with table.open(newline="", encoding="utf-8-sig") as stream:
        for row in csv.DictReader(stream):
            groups.setdefault((row["ethnicity"], row["gender"]), []).append(row["person"])
    in_turns = [person for turn in zip_longest(*(sorted(groups[key]) for key in sorted(groups))) for person in turn if person is not None]
    rows: list[Row] = []
    for person in in_turns:
        name = f"{person}_{ROLES[len(rows) % len(ROLES)]}.jpg"
        yaw = look(folder / name)
        if yaw is not None:
            rows.append(("london", name, str(round(yaw))))
        if len(rows) == EACH:
            break
    return rows


def lfw(table: Path, folder: Path, look: Look) -> list[Row]:
    """One photograph a person, people in the order of their names' digests: as many of each sex, turned and not."""
    with table.open(newline="", encoding="utf-8-sig") as stream:
        sexes = {row["person"]: row["gender"] for row in csv.DictReader(stream)}
    kinds = sorted(set(sexes.values()))
    wanted = {(sex, band): EACH // (len(kinds) * len(BANDS)) for sex in kinds for band in BANDS}
    rows: list[Row] = []
    for person in by_digest(sexes):
        files = sorted((folder / person).glob("*.jpg"))
        yaw = look(files[0]) if files else None
        band = next((band for band in BANDS if yaw is not None and band[0] <= abs(yaw) < band[1]), None)
        if band is None or not wanted[sexes[person], band]:
            continue
        wanted[sexes[person], band] -= 1
        rows.append(("lfw", files[0].relative_to(folder).as_posix(), str(round(yaw))))
        if not any(wanted.values()):
            break
    return rows


def by_digest(names: dict[str, str]) -> Iterator[str]:
    """An order that nobody chose."""
    return iter(sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest()))


if __name__ == "__main__":
    sys.exit(main())
