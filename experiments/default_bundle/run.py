"""Do the default bundle's identities look like the people it was trained from, and like each other?

python experiments/default_bundle/run.py --photos DIR [--identities N] [--publish]
DIR holds PERSON_neutral.jpg and PERSON_smiling.jpg of those people. Identities are drawn as anonymization draws them, rendered on the mean
layout, and compared with every photograph by the embedded recogniser. For scale: the distance of each real person to the nearest other one.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path

import cv2
import numpy as np

from vera import __version__
from vera.anonymization.identity import draw
from vera.anonymization.portrait import portrait
from vera.anonymization.request import Options
from vera.bundle import default_bundle, load
from vera.faces.detection import DlibDetector
from vera.faces.photograph import photograph_from_pixels, read_photograph
from vera.faces.recognition import DlibRecogniser
from vera.types import Photograph, tensor_to_image

HERE = Path(__file__).parent
SIDE = 384


def main() -> int:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--identities", type=int, default=200)
    parser.add_argument("--publish", action="store_true", help="append the result to results.jsonl beside this script")
    chosen = parser.parse_args()
    files = sorted(f for role in ("neutral", "smiling") for f in chosen.photos.glob(f"*_{role}.jpg"))
    if not files:
        parser.error(f"no PERSON_neutral.jpg or PERSON_smiling.jpg in {chosen.photos}")
    detector, recogniser = DlibDetector(), DlibRecogniser()

    def embed(photograph: Photograph) -> np.ndarray | None:
        faces = detector.detect(photograph)
        return recogniser.embed(photograph.pixels, faces[0].landmarks) if faces else None

    seen = {file.stem: embed(read_photograph(file)) for file in files}
    people = [name.rpartition("_")[0] for name, embedding in seen.items() if embedding is not None]
    real = np.stack([embedding for embedding in seen.values() if embedding is not None])

    network, truncation = load(default_bundle()), Options().truncation
    made = []
    for number in range(chosen.identities):
        identity = draw(network.bank, network.mean, bundle="", seed=0, person=str(number), attempt=1, truncation=truncation)
        image, _ = portrait(network, identity)
        pixels = cv2.resize(tensor_to_image(image), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        made.append(embed(photograph_from_pixels(np.asarray(pixels, dtype=np.uint8), str(number))))
    found = np.stack([embedding for embedding in made if embedding is not None])

    nearest = np.linalg.norm(found[:, None] - real[None], axis=2).min(axis=1)
    others = np.array([[a != b for b in people] for a in people])
    between_people = np.where(others, np.linalg.norm(real[:, None] - real[None], axis=2), np.inf).min(axis=1)
    apart = np.linalg.norm(found[:, None] - found[None], axis=2)[np.triu_indices(len(found), 1)]
    result = {
        "date": datetime.date.today().isoformat(),
        "vera": __version__,
        "bundle": network.info.digest[:16],
        "recogniser": recogniser.name,
        "threshold": recogniser.threshold,
        "truncation": truncation,
        "identities": chosen.identities,
        "photographs": len(real),
        "face_found": round(len(found) / chosen.identities, 4),
        "identity_to_nearest_real_person": spread(nearest),
        "real_person_to_nearest_other": spread(between_people),
        "between_identities": spread(apart),
        "identities_below_threshold_of_a_real_person": round(float((nearest < recogniser.threshold).mean()), 4),
        "real_people_below_threshold_of_another": round(float((between_people < recogniser.threshold).mean()), 4),
    }
    sys.stdout.write("\n".join(f"{name:46} {value}" for name, value in result.items()) + "\n")
    if chosen.publish:
        with (HERE / "results.jsonl").open("a") as stream:
            stream.write(json.dumps(result) + "\n")
    return 0


def spread(values: np.ndarray) -> dict[str, float]:
    """5th percentile, median and minimum."""
    low, middle = np.percentile(values, (5, 50))
    return {"min": round(float(values.min()), 4), "p5": round(float(low), 4), "median": round(float(middle), 4)}


if __name__ == "__main__":
    sys.exit(main())
