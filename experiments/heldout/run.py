"""Is a bundle better than another one, on mosaics of people whom neither was trained on? See README.md beside this file.

python experiments/heldout/run.py --bundle A --against B --data HELD [--samples N] [--parser NAME] [--publish]
HELD is what `vera data mosaic --only held.txt` wrote. Exit code 1 if a claim does not hold. With --publish, results.jsonl (a line for each
bundle), samples.jpg and reconstructions.jpg are written beside this script; nobody real is on them.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from judged import SIDES, Held, reconstruction, samples, shown
from PIL import Image

from vera import __version__
from vera.anonymization.request import Options
from vera.bundle import default_bundle, load
from vera.evaluation.judges import dlib_judge
from vera.faces.parser_choice import choose_parser
from vera.inversion.autoencoder import Autoencoder
from vera.mosaic.report import sheet

HERE = Path(__file__).parent
FOUND, DIVERSITY = 0.99, 0.70
"""The claims: share of samples in which a face is found, mean distance between two of them; by dlib."""
SHEET, FACES = 64, 8
SIDE_ON_SHEET = 192


def main() -> int:
    """Measure both, draw the sheets, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--against", type=Path, default=default_bundle())
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--training", type=Path, help="what the bundle was trained on: the distance of sets that a perfect copy would get")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--like", default="*_neutral.*", help="the held-out faces that samples are compared with: those of the bank's role")
    parser.add_argument("--reconstructed", type=int, default=200, help="held-out faces, of all roles, that are encoded and drawn again")
    parser.add_argument("--parsed", type=int, default=200, help="samples that the parser looks at")
    parser.add_argument("--parser", default="landmarks", help="landmarks, shipped, the folder of a parser's bundle, or an ONNX file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--truncation", type=float, help="by default the anonymizer's, or 1 for a bundle that draws from noise")
    parser.add_argument("--out", type=Path, default=Path("outputs/heldout"))
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    held = Held(options.data, options.like)
    judge, looker = dlib_judge(), choose_parser(options.parser)
    floor = held.training(options.training, options.samples) if options.training else None
    results, rows = [], [held.pictures(FACES)]
    for role, path in (("bundle", options.bundle), ("against", options.against)):
        network: Any = load(path)
        usual = Options().truncation if isinstance(network, Autoencoder) else 1.0
        truncation = usual if options.truncation is None else options.truncation
        drawn, figures = samples(
            network, held, judge, looker, count=options.samples, parsed=options.parsed, seed=options.seed, truncation=truncation
        )
        again, quality = reconstruction(network, held, count=options.reconstructed, faces=FACES)
        results.append(
            {
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "vera": __version__,
                "role": role,
                "bundle": network.info.digest[:16],
                "size": network.size,
                "parameters_of_the_generator": sum(p.numel() for p in getattr(network, "generator", network).parameters()),
                "truncation": truncation,
                "seed": options.seed,
                "held_out_faces": len(held),
                "compared_with": held.like,
                **figures,
                "sets_of_training_images": floor,
                "reconstruction": quality,
            }
        )
        rows.append(again)
        write(options.out / f"samples_{role}.jpg", [one.image for one in drawn[:SHEET]], columns=8)
    write(options.out / "reconstructions.jpg", [picture for row in rows for picture in row], columns=FACES)
    (options.out / "results.jsonl").write_text("".join(json.dumps(result) + "\n" for result in results))
    print(table(results))
    if options.publish:
        with (HERE / "results.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(result) + "\n" for result in results)
        shutil.copyfile(options.out / "samples_bundle.jpg", HERE / "samples.jpg")
        shutil.copyfile(options.out / "reconstructions.jpg", HERE / "reconstructions.jpg")
    failures = verdict(*results)
    print("failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


def verdict(ours: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Which claims of README.md do not hold."""
    goals = {
        f"a face is found in {ours['face_found']:.1%} of the samples": ours["face_found"] < FOUND,
        f"samples are {ours['diversity']} apart": (ours["diversity"] or 0) < DIVERSITY,
    }
    for side in map(str, SIDES):
        for name in ("frechet_lite0", "kernel_lite0"):
            goals[f"{name} at {side} px is not the smaller one"] = ours["sets"][side][name] >= other["sets"][side][name]
    both = [result["reconstruction"] for result in (ours, other)]
    if all(both):
        goals["reconstructions are farther from the faces"] = both[0]["perceptual"] >= both[1]["perceptual"]
    return [goal for goal, missed in goals.items() if missed]


def write(path: Path, pictures: list[np.ndarray], *, columns: int) -> None:
    """Pictures in rows as one JPEG."""
    Image.fromarray(sheet([shown(picture, SIDE_ON_SHEET) for picture in pictures], columns=columns)).save(path, quality=88)


def table(results: list[dict[str, Any]]) -> str:
    """Both bundles' figures beside each other."""
    flat = [dict(flattened(result)) for result in results]
    return "\n".join(f"{name:52} " + " ".join(f"{one.get(name)!s:>36}" for one in flat) for name in flat[0])


def flattened(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Figures by their way through a record."""
    if not isinstance(value, dict):
        return [(name, value)]
    return [pair for key, item in value.items() for pair in flattened(item, f"{name}/{key}".lstrip("/"))]


if __name__ == "__main__":
    sys.exit(main())
