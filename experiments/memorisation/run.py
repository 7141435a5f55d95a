"""Does a bundle draw the people it was trained from, their faces or their hair? See README.md beside this file.

python experiments/memorisation/run.py --bundle DIR --photos PHOTOS --people people.csv [--without held.txt] [--rows] [--publish]
PHOTOS and people.csv are what `vera data mosaic` was given; held.txt names the people who were left out of training. Exit code 1 if a claim
does not hold. The pictures of nearest neighbours show people and stay in --out; with --publish, results.jsonl and distances.png are written
beside this script.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from neighbours import Real, apart, histograms, look_at, nearest_other, per_person, picture, view
from rich.progress import track

from vera import __version__
from vera.anonymization.identity import Identity
from vera.anonymization.portrait import portrait
from vera.anonymization.proportions import NAMES
from vera.anonymization.request import Options
from vera.bundle import default_bundle, load
from vera.cli.samples import sampler
from vera.evaluation.judges import Judge, dlib_judge
from vera.evaluation.report.figures import save
from vera.faces.insightface_backend import InsightFaceBackend
from vera.features.perceptual import PerceptualDistance
from vera.inversion.autoencoder import Autoencoder
from vera.mosaic.people import chosen, read_people
from vera.mosaic.report import spread
from vera.types import Pixels, VeraError, tensor_to_image

HERE = Path(__file__).parent
MEDIAN, NEAR, SHARE, FOUND = 0.55, 0.45, 0.02, 0.99
"""The claims: median distance to the nearest training person, share of samples below NEAR, share in which a face is found; by dlib."""
CLOSEST = 12


def main() -> int:
    """Measure, draw the figures, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--without", type=Path, help="people who were left out of training: ids, one a line")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--truncation", type=float, help="by default the anonymizer's, or 1 for a bundle that draws from noise")
    parser.add_argument("--rows", action="store_true", help="draw the rows of the bank themselves, unmixed")
    parser.add_argument("--insightface", help="also measure with this insightface pack: it had no part in selecting the training data")
    parser.add_argument("--out", type=Path, default=Path("outputs/memorisation"))
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    judges = [dlib_judge()]
    if options.insightface:
        pack = InsightFaceBackend(options.insightface)
        judges.append(Judge(pack.detector, pack.recogniser, "cosine"))
    options.out.mkdir(parents=True, exist_ok=True)
    results = [measure(options, judge, options.out / judge.recogniser.name) for judge in judges]
    if options.publish:
        with (HERE / "results.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(result) + "\n" for result in results)
        if not options.rows:
            shutil.copyfile(options.out / judges[0].recogniser.name / "distances.png", HERE / "distances.png")
    failures = verdict(results[0])
    print("failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


def measure(options: argparse.Namespace, judge: Judge, out: Path) -> dict[str, Any]:
    """One line of results.jsonl; figures go to ``out``."""
    network: Any = load(options.bundle)
    everybody = read_people(options.people, options.photos)
    training = {person.id for person in chosen(everybody, only=None, without=options.without)}
    kind, count, draw = drawn(network, options)
    perceptual = PerceptualDistance()
    seen = [look_at(view(draw(n)), judge, perceptual) for n in track(range(count), "samples")]
    numbers = [n for n, one in enumerate(seen) if one is not None]
    made = [one for one in seen if one is not None]
    if not made:
        raise VeraError("no face was found in any sample: there is nothing to compare")
    files = [(person.id, path) for person in everybody for path in person.photographs.values()]
    real = [Real.read(owner, path, network.size, judge, perceptual) for owner, path in track(files, "people")]
    known = [one for one in real if one.person in training]
    held = [one for one in real if one.person not in training]

    result: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "vera": __version__,
        "bundle": network.info.digest[:16],
        "drawn": kind,
        "seed": options.seed,
        "recogniser": judge.recogniser.name,
        "samples": count,
        "face_found": round(len(made) / count, 4),
        "training_people": len(training),
        "photographs": len(known),
        "held_out_people": len({one.person for one in held}),
    }
    curves = {}
    for aspect in ("face", "surround"):
        table = apart(made, known, aspect, judge)
        near, others = table.min(axis=1), nearest_other(known, aspect, judge, same=False)
        own = nearest_other(known, aspect, judge, same=True)
        curves[aspect] = (near, others, own)
        result[aspect] = {
            "nearest_training_person": spread(near),
            "real_person_to_nearest_other": spread(others),
            "real_person_to_own_other_photograph": spread(own),
            "as_near_as_own_photographs": {"samples": within(near, own), "other_real_people": within(others, own)},
            "training_person_to_nearest_sample": spread(per_person(table, known)),
            "held_out_person_to_nearest_sample": spread(per_person(apart(made, held, aspect, judge), held)) if held else None,
        }
        first = np.argsort(near)[:CLOSEST]
        pairs = [(view(draw(numbers[n])), known[int(table[n].argmin())].pixels, float(near[n])) for n in first]
        save(picture(pairs), out / f"nearest_{aspect}.png")
    result["face"]["share_below"] = {str(NEAR): round(float((curves["face"][0] < NEAR).mean()), 4)}
    save(histograms(curves, f"{judge.recogniser.name}: face", lines=(NEAR, MEDIAN)), out / "distances.png")
    print("\n".join(f"{name:24} {json.dumps(value) if isinstance(value, dict) else value}" for name, value in result.items()))
    return result


def within(distances: np.ndarray, own: np.ndarray) -> dict[str, float] | None:
    """Share of distances below the median, and below the 95th percentile, of those between two photographs of one person."""
    limits = {name: np.percentile(own, percent) for name, percent in (("median", 50), ("p95", 95))} if len(own) else None
    return {name: round(float((distances < limit).mean()), 4) for name, limit in limits.items()} if limits else None


def drawn(network: Any, options: argparse.Namespace) -> tuple[str, int, Callable[[int], Pixels]]:
    """What is drawn, how many, and face number i.

    Raises:
        VeraError: rows are asked for where there is no bank.

    """
    banked = isinstance(network, Autoencoder)
    if options.rows:
        if not banked:
            raise VeraError("--rows: this bundle has no bank of identities; leave it out")
        plain = torch.zeros(len(NAMES))

        def row(number: int) -> Pixels:
            identity = Identity(network.bank[number], plain, bundle="", seed=0, attempt=1, truncation=1.0)
            return tensor_to_image(portrait(network, identity)[0])

        return "rows of the bank", min(options.samples, len(network.bank)), row
    truncation = options.truncation if options.truncation is not None else Options().truncation if banked else 1.0
    one = sampler(network, seed=options.seed, truncation=truncation)
    what = "identities mixed from the bank, as the anonymizer draws them" if banked else "noise"
    return f"{what}, truncation {truncation:g}", options.samples, lambda number: one(number).image


def verdict(result: dict[str, Any]) -> list[str]:
    """Which claims of README.md do not hold."""
    face = result["face"]
    goals = {
        f"a face is found in {result['face_found']:.1%} of the samples": result["face_found"] < FOUND,
        "the median distance to the nearest training person is too small": face["nearest_training_person"]["median"] < MEDIAN,
        f"too many samples are nearer than {NEAR} to a training person": face["share_below"][str(NEAR)] >= SHARE,
    }
    return [goal for goal, missed in goals.items() if missed]


if __name__ == "__main__":
    sys.exit(main())
