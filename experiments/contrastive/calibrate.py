"""What the geometric encoders say of real photographs, and the pose encoder's weights; see README.md beside this file."""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from scipy.stats import spearmanr

from vera.attributes.age import ApparentAge
from vera.attributes.expression import NAMES as EXPRESSIONS
from vera.attributes.expression import SegmentationExpression
from vera.attributes.illumination import NAMES as LIGHTS
from vera.attributes.illumination import SkinShading
from vera.attributes.pose import SegmentationPose
from vera.evaluation.metrics.attributes import MEASURES, expression, pose
from vera.faces.alignment import align
from vera.faces.detection import DlibDetector
from vera.faces.parsing import LandmarkParser
from vera.faces.photograph import read_photograph
from vera.types import VeraError

RESULTS = Path(__file__).with_name("results.jsonl")
SIZE = 128
BOX = (0.173, 0.279, 0.827, 0.932)
"""As in conf/attributes/faces.yaml."""
KINDS: Any = ((SegmentationExpression, EXPRESSIONS), (SkinShading, LIGHTS))
Table = npt.NDArray[np.float64]


def angles(rotation: Table) -> Table:
    """Yaw (towards the image's right), pitch (down) and roll (clockwise) in degrees of a head's rotation to the camera."""
    ahead = -rotation[:, 2]
    yaw, pitch = np.arctan2(ahead[0], -ahead[2]), np.arctan2(ahead[1], np.hypot(ahead[0], ahead[2]))
    return np.degrees([yaw, pitch, np.arctan2(rotation[1, 0], rotation[0, 0])])


@torch.no_grad()
def read(paths: list[Path], age: ApparentAge | None) -> tuple[dict[str, Table], list[str]]:
    """Offsets, angles, both expressions, light and age of every photograph with a face; and the names of these photographs."""
    torch.set_num_threads(1)
    detector, parser = DlibDetector(), LandmarkParser()
    faces, lights = (kind(ranges=dict.fromkeys(names, (-1, 1))) for kind, names in KINDS)
    rows: dict[str, list[Any]] = {name: [] for name in ("offsets", "angles", "landmarks", "expression", "light", "age")}
    names = []
    for path in track(paths):
        photograph = read_photograph(path)
        found = detector.detect(photograph)
        if not found:
            continue
        points = found[0].landmarks
        face = align(photograph, points, SIZE)
        try:
            segmentation = parser.parse(face)[None]
        except VeraError:  # landmarks outside the crop: no face there
            continue
        rows["offsets"].append(SegmentationPose.offsets(segmentation)[0][0].numpy())
        rows["angles"].append(angles(pose(points, photograph.size)))
        rows["landmarks"].append(expression(points))
        rows["expression"].append(faces(face.image[None], segmentation)[0].numpy())
        rows["light"].append(lights(face.image[None], segmentation)[0].numpy())
        rows["age"].append(float(age(face.image[None], segmentation)) if age else np.nan)
        names.append(path.stem)
    return {name: np.array(values, dtype=np.float64) for name, values in rows.items()}, names


def fit(x: Table, y: Table, *, constant: bool) -> tuple[list[float], dict[str, float]]:
    """Least squares, in which no photograph weighs more than twice the median one's residual allows; and how it fits."""
    design = np.hstack([x, np.ones((len(x), 1))]) if constant else x
    weight = np.ones(len(x))
    for _ in range(10):  # Huber: landmarks of a face in profile are sometimes nonsense
        found = np.linalg.lstsq(design * np.sqrt(weight)[:, None], y * np.sqrt(weight), rcond=None)[0]
        off = np.abs(y - design @ found)
        weight = np.minimum(1, 2 * np.median(off) / np.maximum(off, 1e-9))
    off = np.abs(y - design @ found)
    r = float(np.corrcoef(design @ found, y)[0, 1])
    fits = {"correlation": r, "median_error": float(np.median(off)), "p95": float(np.quantile(off, 0.95))}
    return [round(float(w), 3) for w in found], fits


def ranges(values: Table, names: tuple[str, ...]) -> dict[str, list[float]]:
    """The second and the 98th percentile of each number."""
    return {name: [round(float(q), 3) for q in np.quantile(values[:, i], [0.02, 0.98])] for i, name in enumerate(names)}


def pairs(values: Table, people: list[str]) -> dict[str, float]:
    """In how many of the people with one photograph named ``_neutral`` and one ``_smiling`` the number is larger in the latter."""
    at = {name: row for row, name in enumerate(people)}
    both = [(at[n], at[s]) for n in at if n.endswith("_neutral") and (s := n.replace("_neutral", "_smiling")) in at]
    if not both:
        return {}
    larger = np.mean([values[s] > values[n] for n, s in both], axis=0)
    return {"people": len(both), **{name: float(larger[i]) for i, name in enumerate(EXPRESSIONS)}}


def ordered(a: Table, b: Table, *, apart: float) -> dict[str, float]:
    """Of all pairs whose ``b`` lie so far apart: the share that ``a`` puts in the same order."""
    i, j = np.triu_indices(len(a), 1)
    far = np.abs(b[i] - b[j]) >= apart
    i, j = i[far], j[far]
    return {"apart": apart, "pairs": len(i), "in_order": float(((a[i] > a[j]) == (b[i] > b[j])).mean()) if len(i) else float("nan")}


def true_ages(people: Path, names: list[str]) -> Table:
    """Age of each photograph's person, from a table with the columns ``person`` and ``age``; NaN where it is not known."""
    with people.open(encoding="utf-8") as stream:
        ages = {row["person"]: float(row["age"]) if row["age"].strip().isdigit() else np.nan for row in csv.DictReader(stream)}
    return np.array([ages.get(name.split("_")[0], np.nan) for name in names])


def calibrate(root: Path, data: str, most: int, people: Path | None) -> dict[str, Any]:
    """One line of results.jsonl."""
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    age = ApparentAge(path=None, box=BOX, ranges={"age": (10, 70)}) if people else None
    table, names = read([paths[i] for i in np.linspace(0, len(paths) - 1, min(most, len(paths))).astype(int)], age)
    # Mirrored, every photograph has the opposite yaw: the fit goes through the origin, whatever way these people look.
    yaw, yaw_fit = fit(table["offsets"][:, :, 0], table["angles"][:, 0], constant=False)
    pitch, pitch_fit = fit(table["offsets"][:, :, 1], table["angles"][:, 1], constant=True)
    twins = {"mouth_opening": "mouth_opening", "mouth_width": "mouth_width", "eye_opening": "left_eye_opening", "brow_height": "left_brow"}
    agreement = {
        ours: float(np.corrcoef(table["expression"][:, EXPRESSIONS.index(ours)], table["landmarks"][:, MEASURES.index(theirs)])[0, 1])
        for ours, theirs in twins.items()
    }
    seen = table["offsets"][:, :, 0] @ np.array(yaw)
    ages: dict[str, Any] = {}
    if people:
        truth = true_ages(people, names)
        known = np.isfinite(truth)
        ages = {
            "age": {
                "photographs": int(known.sum()),
                "rank_correlation": float(spearmanr(table["age"][known], truth[known])[0]),
                "mean_error": float(np.abs(table["age"] - truth)[known].mean()),
                **ordered(table["age"][known], truth[known], apart=10.0),
            }
        }
    return {
        "experiment": "calibration",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "data": data,
        "photographs": len(names),
        "yaw": {"weights": yaw, **yaw_fit, **ordered(seen, table["angles"][:, 0], apart=10.0)},
        "pitch": {"weights": pitch, **pitch_fit},
        "degrees": ranges(table["angles"], ("yaw", "pitch", "roll")),
        "expression": {"range": ranges(table["expression"], EXPRESSIONS), "correlation_with_landmarks": agreement},
        "larger_when_smiling": pairs(table["expression"], names),
        "illumination": ranges(table["light"], LIGHTS),
        **ages,
    }


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--photos", type=Path, required=True)
    arguments.add_argument("--data", required=True, help="the photographs, in words")
    arguments.add_argument("--most", type=int, default=600, help="photographs, evenly taken from all")
    arguments.add_argument("--people", type=Path, help="table of their ages: columns person, age")
    chosen = arguments.parse_args()
    line = calibrate(chosen.photos, chosen.data, chosen.most, chosen.people)
    sys.stdout.write(json.dumps(line, indent=2) + "\n")
    with RESULTS.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
