"""The protocol's parts without weights. Run as a script, this file is the run that gets killed, or one of two processes."""

import json
import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from vera.data.people import Person, PhotographFile
from vera.evaluation.api import evaluate
from vera.evaluation.judges import Judge
from vera.evaluation.measures.photographs import OfCrops, Preserved
from vera.evaluation.metrics.frechet import FrechetDistance
from vera.evaluation.metrics.preservation import Preservation
from vera.evaluation.report import results as report
from vera.faces.detection import DetectedFace
from vera.faces.photograph import write_png
from vera.types import Anonymized, AnonymizedPerson, Refused

SIDE, PEOPLE = 48, 5


def landmarks():
    """68 points of a frontal face in the middle."""
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = np.column_stack([24 + 12 * np.cos(angle), 24 + 14 * np.sin(angle)])
    points[36:42], points[42:48] = (18, 20), (30, 20)
    points[48], points[54] = (19, 32), (29, 32)
    return points


class Detector:
    """Sees a face wherever there is something to see."""

    name = "drawn"

    def detect(self, photograph):
        seen = photograph.pixels.std() > 5
        return [DetectedFace((10, 10, 38, 38), landmarks(), 1.0)] if seen else []


class Recogniser:
    """Grey values of a coarse grid."""

    name, threshold, false_accept_rate, calibration = "grid", 40.0, 0.5, "nobody"

    def embed(self, pixels, landmarks):
        return cv2.resize(pixels.mean(axis=2), (4, 4), interpolation=cv2.INTER_AREA).ravel().astype(np.float64)

    def distance(self, a, b):
        return float(np.linalg.norm(a - b))


class Features(nn.Module):
    """Mean colours of the crop's quarters."""

    name = short = "quarters"
    dimension = 12

    def forward(self, images):
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)


class Same:
    """The identity function; counts, blocks and fails as told."""

    def __init__(self, log=None, block=None, fail=None, value=None, error=None):
        self.config = {"value": value}
        self.log, self.block, self.fail, self.value, self.error = log, block, fail, value, error

    def __call__(self, photographs, *, person, masks=None):
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(person + "\n")
        if person == self.block:
            self.log.with_suffix(".blocked").touch()
            time.sleep(600)
        if person == self.fail:
            raise self.error
        images = [p.pixels.copy() if self.value is None else np.full_like(p.pixels, self.value) for p in photographs]
        kept = [np.full(p.size, self.value is None) for p in photographs]
        photographs = [Anonymized("x", image, one, ~one) for image, one in zip(images, kept, strict=True)]
        return AnonymizedPerson(person, photographs, {"kept": bool(kept[0].all())})


class Shift(Same):
    """Another brightness: still recognisable, not the same."""

    def __call__(self, photographs, *, person, masks=None):
        made = super().__call__(photographs, person=person, masks=masks)
        lighter = [Anonymized("x", np.minimum(one.image, 235) + np.uint8(20), ~one.preserved, one.preserved) for one in made.photographs]
        return AnonymizedPerson(person, lighter, {})


Same.__module__ = Shift.__module__ = "parts"  # as a script, this file has another name


def people(root, count=PEOPLE):
    """Everybody has a picture of their own, taken twice with a little noise."""
    root.mkdir(exist_ok=True)
    found = []
    for number in range(count):
        rng = np.random.default_rng(number)
        face = cv2.resize(rng.uniform(0, 255, (4, 4, 3)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        files = []
        for role in ("before", "after"):
            path = root / f"{number}_{role}.png"
            write_png(path, (face + rng.normal(0, 4, face.shape)).clip(0, 255).astype(np.uint8))
            files.append(PhotographFile(role, path))
        found.append(Person(f"p/{number}", tuple(files), {"half": "odd" if number % 2 else "even"}))
    return found


def run(root, out, anonymizers, known=None, **options):
    """One evaluation with the parts above."""
    measures = [OfCrops(FrechetDistance(Features()), size=16, batch_size=4, device="cpu"), Preserved(Preservation(), device="cpu")]
    known = people(root) if known is None else known
    judges = [Judge(Detector(), Recogniser(), "euclidean")]
    return evaluate(known, anonymizers, out=out, judges=judges, measures=measures, **{"panels": 0} | options)


def lines(out):
    return [json.loads(line) for path in sorted(out.glob("records-*.jsonl")) for line in path.read_text().splitlines()]


def figures(record):
    """What must not depend on how often a run was stopped, or on how many processes it had."""
    return {key: record[key] for key in ("anonymizer", "people", "photographs", "why", "measures", "data")}


def ranked():
    """The second process has one person, whom the second anonymizer refuses."""
    return {"same": Same(), "refuses": Same(fail="p/1", error=Refused("no"))}


def main(what, root):
    if what == "killed":
        run(root / "in", root / "out", {"same": Same(root / "log", block="p/2"), "shift": Shift()})
    else:
        report.draw = lambda *arguments: []
        torch.distributed.init_process_group("gloo")
        run(root, root / "together", ranked(), people(root / f"in{os.environ['RANK']}", int(os.environ["PEOPLE"])))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
