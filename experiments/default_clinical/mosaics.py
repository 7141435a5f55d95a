"""Are mosaics photographs of nobody? A sheet to look at, and distances measured anew; see README.md beside this file.

python experiments/default_clinical/mosaics.py --data DIR --photos PHOTOS --people people.csv [--publish] [--insightface PACK]
DIR is what `vera data mosaic` wrote. Every written image is read again, its face found again, and compared with every photograph of every
person in the table. For scale: each real photograph's distance to the nearest one of another person, and of the same person.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.progress import track

from vera import __version__
from vera.faces.detection import Detector, DlibDetector
from vera.faces.insightface_backend import InsightFaceBackend
from vera.faces.photograph import read_photograph
from vera.faces.recognition import DlibRecogniser, Recogniser
from vera.mosaic.people import SourcePerson, read_people
from vera.mosaic.records import read_records, read_settings
from vera.mosaic.report import SHEET, sheet, spread

HERE = Path(__file__).parent


def main() -> int:
    """Measure, and make the sheets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--insightface", help="also measure with this insightface pack: it had no part in the selection")
    parser.add_argument("--publish", action="store_true", help="append to results.jsonl and write the sheets beside this script")
    chosen = parser.parse_args()
    people = read_people(chosen.people, chosen.photos)
    backends: list[tuple[Detector, Recogniser]] = [(DlibDetector(), DlibRecogniser())]
    if chosen.insightface:
        pack = InsightFaceBackend(chosen.insightface)
        backends.append((pack.detector, pack.recogniser))
    results = [measure(chosen.data, people, *backend) for backend in backends]
    for result in results:
        sys.stdout.write("\n".join(f"{name:36} {value}" for name, value in result.items()) + "\n\n")
    where = HERE if chosen.publish else chosen.data
    write_sheets(chosen.data, where)
    if chosen.publish:
        with (HERE / "results.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(result) + "\n" for result in results)
    return 0 if results[0]["face_found"] == 1 and results[0]["nearer_than_the_limit"] == 0 else 1


def measure(data: Path, people: list[SourcePerson], detector: Detector, recogniser: Recogniser) -> dict[str, object]:
    """One line of results.jsonl."""
    settings, identities = read_settings(data) or {}, read_records(data)
    files = [(person.id, path) for person in people for path in person.photographs.values()]
    embedded = [(owner, embed(path, detector, recogniser)) for owner, path in track(files, "people")]
    real = [(owner, embedding) for owner, embedding in embedded if embedding is not None]
    names = [record["name"] for own in identities.values() for record in own]
    mosaics = {name: embed(data / "images" / f"{name}.jpg", detector, recogniser) for name in track(names, "mosaics")}
    found = {name: embedding for name, embedding in mosaics.items() if embedding is not None}

    def between(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
        return recogniser.distance(a, b)

    nearest = [min(between(m, r) for _, r in real) for m in found.values()]
    others = [min(between(a, b) for p, b in real if p != owner) for owner, a in real]
    same = [between(a, b) for n, (p, a) in enumerate(real) for q, b in real[n + 1 :] if p == q]
    pairs = [[found[r["name"]] for r in own if r["name"] in found] for own in identities.values()]
    first = [pair[0] for pair in pairs if pair]
    apart = [between(a, b) for n, a in enumerate(first) for b in first[n + 1 :]]
    limit = settings["min_distance"]
    rejected = [sum(own[0]["rejected"].values()) for own in identities.values()]
    reasons: dict[str, int] = {}
    for own in identities.values():
        for reason, count in own[0]["rejected"].items():
            reasons[reason] = reasons.get(reason, 0) + count
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "vera": __version__,
        "recogniser": recogniser.name,
        "took_part_in_the_selection": isinstance(recogniser, DlibRecogniser),
        **{name: settings[name] for name in ("seed", "size", "k", "min_distance")},
        "people": len(people),
        "identities": len(identities),
        "photographs": len(names),
        "face_found": round(len(found) / len(names), 4),
        "nearest_real_person": spread(nearest),
        "nearer_than_the_limit": int(sum(distance < limit for distance in nearest)) if isinstance(recogniser, DlibRecogniser) else None,
        "real_person_to_nearest_other": spread(others),
        "same_real_person": spread(same),
        "same_identity": spread([between(pair[0], other) for pair in pairs for other in pair[1:]]),
        "between_identities": spread(apart),
        "rejected_share_of_draws": round(sum(rejected) / (sum(rejected) + len(identities)), 4),
        "rejected": reasons,
    }


def embed(path: Path, detector: Detector, recogniser: Recogniser) -> npt.NDArray[np.float64] | None:
    """Embedding of the one face of a photograph; None when there is not exactly one."""
    photograph = read_photograph(path)
    faces = detector.detect(photograph)
    return recogniser.embed(photograph.pixels, faces[0].landmarks) if len(faces) == 1 else None


def write_sheets(data: Path, where: Path) -> None:
    """36 identities, every second one smiling: ``mosaics.jpg``, and ``mosaics.masks.png`` in the classes' colours."""
    shown = [own[n % len(own)]["name"] for n, own in enumerate(list(read_records(data).values())[: SHEET**2])]
    images = [np.asarray(Image.open(data / "images" / f"{name}.jpg").convert("RGB")) for name in shown]
    Image.fromarray(sheet(images)).save(where / "mosaics.jpg", quality=90)
    masks = [Image.open(data / "masks" / f"{name}.png") for name in shown]
    together = Image.fromarray(sheet([np.asarray(mask)[..., None] for mask in masks])[..., 0])
    together.putpalette(masks[0].getpalette() or [])
    together.save(where / "mosaics.masks.png", optimize=True)


if __name__ == "__main__":
    sys.exit(main())
