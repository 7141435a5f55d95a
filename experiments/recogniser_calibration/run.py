"""How often a recogniser takes two people for one at its threshold; see README.md beside this file."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vera.faces.detection import Detector, DlibDetector
from vera.faces.insightface_backend import InsightFaceBackend
from vera.faces.photograph import read_photograph
from vera.faces.recognition import DlibRecogniser, Recogniser

SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}
PACKAGES = ("dlib-bin", "face-recognition-models", "insightface", "onnxruntime", "numpy", "opencv-python", "pillow")
TARGETS = (1e-2, 1e-3)


def list_photographs(root: Path) -> dict[str, list[Path]]:
    """Person to photographs, from ``root/Person/photograph.jpg``."""
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir())
    found = {f.name: sorted(p for p in f.iterdir() if p.suffix.lower() in SUFFIXES) for f in folders}
    return {person: photographs for person, photographs in found.items() if photographs}


def embed_all(
    photographs: dict[str, list[Path]], detector: Detector, recogniser: Recogniser
) -> tuple[list[npt.NDArray[np.float64]], list[str], int]:
    """Embeddings of the largest faces with their people, and how many photographs showed no face."""
    embeddings, people, undetected = [], [], 0
    for person, paths in photographs.items():
        for path in paths:
            photograph = read_photograph(path)
            faces = detector.detect(photograph)
            if not faces:
                undetected += 1
                continue
            embeddings.append(recogniser.embed(photograph.pixels, faces[0].landmarks))
            people.append(person)
    return embeddings, people, undetected


def pair_distances(
    embeddings: list[npt.NDArray[np.float64]],
    people: list[str],
    distance: Callable[[npt.NDArray[np.float64], npt.NDArray[np.float64]], float],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Distances of all pairs of the same person, and of all pairs of different people; both sorted."""
    same, different = [], []
    for i, a in enumerate(embeddings):
        for j in range(i):
            (same if people[i] == people[j] else different).append(distance(a, embeddings[j]))
    return np.sort(same), np.sort(different)


def share_below(distances: npt.NDArray[np.float64], threshold: float) -> float:
    """Share of sorted distances under a threshold."""
    return float(np.searchsorted(distances, threshold, side="left") / max(len(distances), 1))


def threshold_at(different: npt.NDArray[np.float64], rate: float) -> float | None:
    """The largest threshold whose false-accept rate does not exceed ``rate``; None when there are too few pairs to tell."""
    allowed = int(rate * len(different))
    return float(different[allowed]) if allowed >= 1 else None


def calibrate(root: Path, data: str, detector: Detector, recogniser: Recogniser) -> dict[str, object]:
    """One line of results.jsonl."""
    photographs = list_photographs(root)
    embeddings, people, undetected = embed_all(photographs, detector, recogniser)
    same, different = pair_distances(embeddings, people, recogniser.distance)
    strict = {f"threshold_at_far_{rate:g}": threshold_at(different, rate) for rate in TARGETS}
    accepted = {
        f"true_accept_rate_at_far_{rate:g}": None if (t := strict[f"threshold_at_far_{rate:g}"]) is None else share_below(same, t)
        for rate in TARGETS
    }
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "data": data,
        "detector": detector.name,
        "recogniser": recogniser.name,
        "people": len(photographs),
        "photographs": sum(map(len, photographs.values())),
        "undetected": undetected,
        "pairs_same": len(same),
        "pairs_different": len(different),
        "threshold": recogniser.threshold,
        "false_accepts": int(np.searchsorted(different, recogniser.threshold, side="left")),
        "false_accept_rate": share_below(different, recogniser.threshold),
        "true_accept_rate": share_below(same, recogniser.threshold),
        **strict,
        **accepted,
        "median_distance_same": float(np.median(same)) if len(same) else None,
        "median_distance_different": float(np.median(different)) if len(different) else None,
    }


def main() -> None:
    """Measure, print a table, append to results.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of people: Name/Name_0001.jpg ...")
    parser.add_argument("--data", required=True, help="what the photographs are, for the record: '400 people of LFW'")
    parser.add_argument("--insightface", help="also calibrate this insightface pack (name or folder)")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("results.jsonl"))
    arguments = parser.parse_args()
    if not arguments.photos.is_dir():
        sys.exit(f"'{arguments.photos}' is not a folder of people")
    backends: list[tuple[Detector, Recogniser]] = [(DlibDetector(), DlibRecogniser())]
    if arguments.insightface:
        pack = InsightFaceBackend(arguments.insightface)
        backends.append((pack.detector, pack.recogniser))
    for detector, recogniser in backends:
        row = calibrate(arguments.photos, arguments.data, detector, recogniser)
        for key, value in row.items():
            print(f"{key:32} {value:.5g}" if isinstance(value, float) else f"{key:32} {value}")
        with arguments.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
