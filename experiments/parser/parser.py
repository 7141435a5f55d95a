"""How well parsers tell the classes of held-out faces, as they are and corrupted, and how fast; see README.md beside this file.

python experiments/parser/parser.py --data HELD --data-name TEXT [--parser WHICH ...] [--photos DIR] [--limit N] [--publish]
HELD holds images/ and masks/ of identities that no parser was trained on. WHICH: landmarks, shipped, or a bundle's folder.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from rich.progress import track

import vera
from vera.data.augment import Augment
from vera.data.folder import FolderDataset
from vera.data.sample import Sample
from vera.data.stream import draws
from vera.evaluation.metrics.segmentation import agreement
from vera.faces.alignment import align
from vera.faces.detection import DlibDetector
from vera.faces.parser_choice import LANDMARKS, SHIPPED, choose_parser
from vera.faces.parsing import Parser
from vera.faces.photograph import photograph_from_pixels, read_photograph
from vera.ops.palette import PALETTE
from vera.types import NUM_CLASSES, AlignedFace, Pixels, Points, VeraError, image_to_tensor, tensor_to_image

HERE = Path(__file__).parent
JUDGED = ("background", "skin", "eyes", "brows", "mouth", "nose", "hair", "neck")
LEAST_IOU, MOST_MILLISECONDS = 0.80, 150.0
SIDE, THREADS, SEED, TURN = 512, 2, 0, 20.0
STILL = {"temperature": 0.0, "exposure": 0.0, "shading": 0.0, "background": 0.0, "rotation": 0.0, "turn": 0.0}
CONDITIONS: dict[str, Augment | None] = {
    "as they are": None,
    "other light": Augment(probability=1.0, **{**STILL, "temperature": 0.8, "exposure": 1.5, "shading": 1.0}),
    "other background": Augment(probability=1.0, **{**STILL, "background": 1.0}),
    "turned 20 degrees": None,
}
"""Not the corruption of the training, but the data's augmentation: fixed by the seed and the face's number."""
OVERLAYS, COLUMNS, PANEL = 15, 5, 256


def main() -> int:
    """Measure; exit code 1 when the last parser named misses its claim."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--data-name", required=True, help="what the faces are, for the record")
    options.add_argument("--parser", nargs="+", default=[LANDMARKS, SHIPPED])
    options.add_argument("--photos", type=Path, help="photographs of which 15 are parsed and shown")
    options.add_argument("--limit", type=int, help="only so many faces, evenly from all")
    options.add_argument("--out", type=Path, default=Path("outputs/parser"))
    options.add_argument("--publish", action="store_true", help="write results.jsonl and overlays.jpg beside this script")
    chosen = options.parse_args()
    parsers = [choose_parser(name) for name in dict.fromkeys([LANDMARKS, *chosen.parser])]
    faces = list(held_out(chosen.data, chosen.limit))
    milliseconds = seconds(parsers, [enlarged(face, points) for face, points in faces[:10]])
    own = next(iter(milliseconds.values()))
    records = [
        {
            **provenance(chosen.data_name, len(faces)),
            "parser": parser.name,
            "ms_at_512": round(milliseconds[parser.name], 1),
            "time_to_landmarks": round(milliseconds[parser.name] / own, 3),
            **{condition: agrees(parser, faces, condition) for condition in CONDITIONS},
        }
        for parser in parsers
    ]
    where = HERE if chosen.publish else chosen.out
    where.mkdir(parents=True, exist_ok=True)
    (where / "results.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    for record in records:
        print(f"{record['parser']}: {record['ms_at_512']} ms, {record['time_to_landmarks']} of the landmark parser's time")
        print("\n".join(f"  {condition:20} {record[condition]['mean']:.3f}  {record[condition]['iou']}" for condition in CONDITIONS))
    if chosen.photos:
        Image.fromarray(overlays(parsers[-1], chosen.photos)).save(where / "overlays.jpg", quality=90)
    judged = records[-1]
    failures = [f"mean IoU under {LEAST_IOU}"] * (judged["as they are"]["mean"] < LEAST_IOU)
    failures += [f"over {MOST_MILLISECONDS:g} ms"] * (judged["ms_at_512"] > MOST_MILLISECONDS)
    print(f"{judged['parser']}: failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


def held_out(root: Path, limit: int | None) -> Iterator[tuple[Sample, Points]]:
    """Faces with their landmarks, found in the uncorrupted image; faces that the detector doesn't find are left out, and that is said."""
    dataset = FolderDataset(root=root, size=256, pattern="*", cache=False)
    detector = DlibDetector()
    step = max(len(dataset) // limit, 1) if limit else 1
    chosen = list(range(0, len(dataset), step))[:limit]
    missed = 0
    for index in track(chosen, "faces"):
        sample = dataset[index]
        found = detector.detect(photograph_from_pixels(pixels_of(sample), "held-out"))
        if len(found) == 1:
            yield sample, found[0].landmarks
        else:
            missed += 1
    print(f"{missed} of {len(chosen)} faces left out: no landmarks for the landmark parser")


def agrees(parser: Parser, faces: list[tuple[Sample, Points]], condition: str) -> dict[str, Any]:
    """Mean IoU over the judged classes, and each class's, from one confusion matrix over all pixels."""
    confusion = torch.zeros(NUM_CLASSES, NUM_CLASSES, dtype=torch.long)
    for number, face in enumerate(track(faces, f"{parser.name}, {condition}")):
        sample, points = changed(*face, condition, number)
        seen = parser.parse(AlignedFace(image_to_tensor(pixels_of(sample)), np.eye(2, 3), points)).argmax(dim=0)
        pairs = sample["labels"].long().flatten() * NUM_CLASSES + seen.flatten()
        confusion += torch.bincount(pairs, minlength=NUM_CLASSES**2).view(NUM_CLASSES, NUM_CLASSES)
    iou = {name: round(value, 3) for name, value in agreement(confusion)["iou"].items() if value is not None}
    return {"mean": round(statistics.mean(iou[name] for name in JUDGED), 4), "iou": iou}


def changed(sample: Sample, points: Points, condition: str, number: int) -> tuple[Sample, Points]:
    """The face under one of the conditions."""
    augment = CONDITIONS[condition]
    if augment is not None:
        return augment(sample, draws(SEED, number, augment.numbers)), points
    if condition != "turned 20 degrees":
        return sample, points
    side = len(sample["labels"])
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), TURN if number % 2 else -TURN, 1.0)
    border = {"borderMode": cv2.BORDER_REFLECT_101}
    pixels = cv2.warpAffine(pixels_of(sample), turn, (side, side), flags=cv2.INTER_CUBIC, **border)
    labels = cv2.warpAffine(sample["labels"].numpy(), turn, (side, side), flags=cv2.INTER_NEAREST, **border)
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)
    return Sample(image=image, labels=torch.from_numpy(labels)), points @ turn[:, :2].T + turn[:, 2]


def enlarged(sample: Sample, points: Points) -> AlignedFace:
    """At the side that times are taken at."""
    pixels = cv2.resize(pixels_of(sample), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return AlignedFace(image_to_tensor(np.asarray(pixels)), np.eye(2, 3), (points + 0.5) * (SIDE / len(sample["labels"])) - 0.5)


def seconds(parsers: list[Parser], faces: list[AlignedFace]) -> dict[str, float]:
    """Median milliseconds of one face, the parsers taking turns; two threads."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(THREADS)
    cv2.setNumThreads(THREADS)
    taken: dict[str, list[float]] = {parser.name: [] for parser in parsers}
    for face in [faces[0], *faces]:
        for parser in parsers:
            start = time.perf_counter()
            parser.parse(face)
            taken[parser.name].append(1000 * (time.perf_counter() - start))
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])
    return {name: statistics.median(times[1:]) for name, times in taken.items()}  # the first warms up


def overlays(parser: Parser, folder: Path) -> Pixels:
    """Fifteen photographs, evenly from all, aligned; what the parser sees lies over the right half of each."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not files:
        raise VeraError(f"no .jpg or .png photograph in '{folder}': name a folder that holds them itself, not in folders of its own")
    detector, panels = DlibDetector(), []
    for file in track([files[n * len(files) // OVERLAYS] for n in range(min(OVERLAYS, len(files)))], "photographs"):
        photograph = replace(read_photograph(file), name="photograph")
        found = detector.detect(photograph)
        if not found:
            print(f"no face found in {file.name}: left out")
            continue
        face = align(photograph, found[0].landmarks, PANEL)
        pixels = tensor_to_image(face.image)
        colours = np.asarray(PALETTE, np.uint8)[parser.parse(face).argmax(dim=0).numpy()]
        covered = np.rint(0.4 * pixels + 0.6 * colours).astype(np.uint8)
        panels.append(np.hstack([pixels, covered]))
    if not panels:
        raise VeraError(f"no face was found in any of {len(files)} photographs of '{folder}'")
    panels += [np.full_like(panels[0], 255)] * (-len(panels) % COLUMNS)
    return np.vstack([np.hstack(panels[n : n + COLUMNS]) for n in range(0, len(panels), COLUMNS)])


def pixels_of(sample: Sample) -> Pixels:
    """``(S, S, 3)``."""
    return np.ascontiguousarray(sample["image"].permute(1, 2, 0).numpy())


def provenance(name: str, faces: int) -> dict[str, Any]:
    """When, with what, on what; how busy the machine was."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "vera": vera.__version__,
        "torch": torch.__version__,
        "data": name,
        "faces": faces,
        "judged": JUDGED,
        "threads": THREADS,
        "load": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    sys.exit(main())
