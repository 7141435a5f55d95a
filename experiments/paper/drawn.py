"""Anonymize drawn faces with a bundle of drawn faces, and judge the result by a network that took no part.

python experiments/paper/drawn.py --bundle BUNDLE --out DIR [--faces N] [--steps N]

The mouth is kept. Where a drawn face's landmarks and segmentation lie is known, so no detector is needed (dlib finds no drawn face).
Verification compares small copies of the faces. The probe is EfficientNet-Lite0 on the inner face, which neither chose nor verified
anything: is an output farther from its source than another picture of the same person, in another pose, smile and light?
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from vera.anonymization.generator_renderer import GeneratorRenderer
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.request import Options
from vera.bundle import load
from vera.data.procedural import Attributes, ProceduralFaces, render
from vera.faces.alignment import resample
from vera.faces.detection import DetectedFace, Finds
from vera.faces.photograph import photograph_from_pixels, write_png
from vera.features.perceptual import PerceptualDistance
from vera.features.pooled import Lite0Features
from vera.files import write_whole
from vera.generator.network import Generator
from vera.inversion.mapped import MappedGenerator
from vera.types import AlignedFace, Photograph, Pixels, Points, Refused, Semantic

SIDE, SEED = 256, 1000
"""Side of the pictures in pixels, and seed of the people: another one than in training."""


def main(arguments: list[str] | None = None) -> int:
    """Anonymize, judge, and write pictures and ``results.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="of a generator, or of a generator with its encoder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of pictures and results")
    parser.add_argument("--faces", type=int, default=8, help="number of people")
    parser.add_argument("--steps", type=int, default=0, help="steps of optimisation that invert the pictures")
    chosen = parser.parse_args(arguments)
    network: Any = load(chosen.bundle)
    renderer = GeneratorRenderer(
        MappedGenerator(network) if isinstance(network, Generator) else network,
        detector=Known({}),
        perceptual=PerceptualDistance().eval().requires_grad_(False),
    )
    options = Options(preserve=(Semantic.MOUTH,), seed=0, refine_steps=chosen.steps)
    chosen.out.mkdir(parents=True, exist_ok=True)
    sources, others, outputs, kept, refused = [], [], [], [], []
    for number in range(chosen.faces):
        face, other = both(number)
        source, second = (render(one, SIDE)["image"].permute(1, 2, 0).numpy() for one in (face, other))
        known = {f"face {number}": face}
        anonymizer = VeraAnonymizer(renderer, detector=Known(known), parser=Exact(known), recognisers=[Small()], options=options)
        try:
            (made,) = anonymizer([photograph_from_pixels(source, f"face {number}")], person=f"person {number}").photographs
        except Refused as error:
            refused.append(str(error))
            continue
        sources.append(source)
        others.append(second)
        outputs.append(made.image)
        kept.append(bool(made.preserved.any() and (made.image[~made.replaced] == source[~made.replaced]).all()))
        write_png(chosen.out / f"{number:02}.png", np.hstack([source, made.image]))
    judged = probe(sources, others, outputs) if sources else {}
    results = {"people": chosen.faces, "refused": refused, "regions kept": f"{sum(kept)} of {len(kept)}", **judged}
    write_whole(chosen.out / "results.json", (json.dumps(results, indent=2) + "\n").encode())
    sys.stdout.write(json.dumps(results, indent=2) + "\n")
    return 0 if kept and all(kept) else 1


def both(number: int) -> tuple[Attributes, Attributes]:
    """One person twice: pose, smile, light and background of the second are another person's."""
    faces = ProceduralFaces(size=SIDE, count=10_000, seed=SEED)
    before, other = faces.attributes(number), faces.attributes(5_000 + number)
    return before, replace(before, yaw=other.yaw, smile=other.smile, light=other.light, background=other.background)


def probe(sources: list[Pixels], others: list[Pixels], outputs: list[Pixels]) -> dict[str, float]:
    """Distances of the probe between inner faces: medians over people, and the share of outputs nearest to their own person.

    Args:
        sources: the picture of each person that was anonymized.
        others: another picture of each person.
        outputs: what became of the first.

    """
    features = Lite0Features(side=224).eval()
    source, other, output = (_described(features, images) for images in (sources, others, outputs))
    nearest = torch.cdist(output, other).argmin(dim=1) == torch.arange(len(output))
    return {
        "a person's other picture": float((source - other).norm(dim=1).median()),
        "output to its source": float((source - output).norm(dim=1).median()),
        "rank-1 identification": float(nearest.float().mean()),
        "chance": 1 / len(output),
    }


def _described(features: Lite0Features, images: list[Pixels]) -> torch.Tensor:
    """``(N, D)``: unit vectors of the inner faces."""
    low, high = round(0.22 * SIDE), round(0.78 * SIDE)
    inner = torch.stack([torch.from_numpy(image[low:high, low:high].copy()).permute(2, 0, 1) for image in images]).float() / 127.5 - 1
    return torch.nn.functional.normalize(features(inner), dim=1)


def landmarks(face: Attributes) -> Points:
    """``(68, 2)`` landmarks of a drawn face in pixels, in iBUG order."""
    middle, right, up = 0.5 + face.yaw, np.array([1.0, 0.0]), np.array([0.0, 1.0])

    def around(x: float, y: float, rx: float, ry: float, angles: Any) -> Points:
        turns = np.radians(angles)
        return np.column_stack([x + rx * np.cos(turns), y - ry * np.sin(turns)])

    jaw = around(0.5, 0.5, face.width, 0.38, np.linspace(178, 362, 17))
    brows = [np.linspace(-0.065, 0.065, 5)[:, None] * right + (middle + sign * 0.12, 0.39) for sign in (-1, 1)]
    bridge = np.linspace(0.45, 0.47 + 0.8 * face.nose, 4)[:, None] * up + (middle, 0.0)
    base = np.linspace(-0.03, 0.03, 5)[:, None] * right + (middle, 0.48 + face.nose)
    eyes = [around(middle + sign * 0.12, 0.46, face.eye, 0.025, (180, 120, 60, 0, -60, -120)) for sign in (-1, 1)]
    wide, high = 0.08 + 0.04 * face.smile, 0.018 + 0.03 * face.smile
    lips = around(middle, 0.71, wide, high, 180 - 30 * np.arange(12))
    inner = around(middle, 0.71, 0.8 * wide, 0.5 * high, 180 - 45 * np.arange(8))
    return np.vstack([jaw, *brows, bridge, base, *eyes, lips, inner]) * SIDE


class Known:
    """Detector that knows where the faces of these pictures are; implements :class:`vera.faces.detection.Detector`."""

    name = "drawn"

    def __init__(self, faces: dict[str, Attributes]) -> None:
        self.faces = faces

    def search(self, photograph: Photograph) -> Finds:
        """All faces, and no finds that do not count."""
        return Finds(self.detect(photograph), [])

    def detect(self, photograph: Photograph) -> list[DetectedFace]:
        """The face of a picture, by its name."""
        found = landmarks(self.faces[photograph.name])
        return [DetectedFace((*found.min(axis=0), *found.max(axis=0)), found, 1.0)]


class Exact:
    """Parser that draws the segmentation again; implements :class:`vera.faces.parsing.Parser`."""

    name = "drawn"

    def __init__(self, faces: dict[str, Attributes]) -> None:
        self.drawn = [(landmarks(face), render(face, SIDE)["labels"].numpy()) for face in faces.values()]

    def parse(self, face: AlignedFace) -> torch.Tensor:
        """Class probabilities ``(13, S, S)``."""
        (labels,) = (labels for found, labels in self.drawn if np.array_equal(found, face.landmarks))
        shares = [resample(labels == kind, face.to_photograph, face.size) for kind in Semantic]
        return torch.from_numpy(np.stack(shares)).clamp(0, 1)


class Small:
    """Recogniser that compares small copies of the faces; implements :class:`vera.faces.recognition.Recogniser`."""

    name, threshold, refusal_threshold, false_accept_rate, calibration = "small copies", 0.02, 0.02, 0.5, "drawn"

    def embed(self, pixels: Pixels, found: Points) -> Any:
        """The face at 8 × 8 pixels, less its mean."""
        x0, y0, x1, y1 = (int(v) for v in (*found.min(axis=0).clip(0), *found.max(axis=0)))
        small = cv2.resize(pixels[y0 : y1 + 1, x0 : x1 + 1], (8, 8), interpolation=cv2.INTER_AREA).astype(np.float64) / 255
        return (small - small.mean(axis=(0, 1))).ravel()

    def distance(self, a: Any, b: Any) -> float:
        """Root mean square difference."""
        return float(np.sqrt(np.mean((a - b) ** 2)))


if __name__ == "__main__":
    sys.exit(main())
