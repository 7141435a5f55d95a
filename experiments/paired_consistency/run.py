"""Anonymize every person's before and after photograph through the command line, and measure the written files anew.

python experiments/paired_consistency/run.py --photos DIR [--out DIR] [--limit N] [--seed N] [--reseeded N] [--publish]
DIR holds PERSON_neutral.jpg (before) and PERSON_smiling.jpg (after). Nothing is taken from the tool's own verification but who was
refused and why: distances, detection and changed pixels are measured here, on the decoded PNG files. The first people of the list are
anonymized once more with another seed. With --publish, results.jsonl, results.md and distances.png are written beside this script.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import itertools
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np

from vera import __version__
from vera.bundle import default_bundle, read
from vera.faces.detection import DlibDetector
from vera.faces.photograph import read_photograph
from vera.faces.recognition import DlibRecogniser
from vera.types import Photograph

mpl.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).parent


def people(photos: Path, before: str, after: str) -> dict[str, tuple[Path, Path]]:
    """Who has both photographs."""
    found = {f.stem.removesuffix(f"_{before}"): f for f in sorted(photos.glob(f"*_{before}.*")) if f.suffix != ".csv"}
    pairs = {who: (first, first.with_name(f"{who}_{after}{first.suffix}")) for who, first in found.items()}
    return {who: pair for who, pair in pairs.items() if pair[1].is_file()}


def anonymize(pairs: dict[str, tuple[Path, Path]], out: Path, *, seed: int, preserve: str) -> int:
    """Run the tool as a user would; returns its exit code (3: somebody was refused)."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "pairs.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["person", "role", "path", "mask"])
        for who, (before, after) in pairs.items():
            rows.writerows([[who, "before", before.resolve(), ""], [who, "after", after.resolve(), ""]])
    options = ["--manifest", str(out / "pairs.csv"), "--preserve", preserve, "--seed", str(seed), "--out", str(out), "--overwrite"]
    return subprocess.run([sys.executable, "-m", "vera.cli", "anonymize", *options], check=False).returncode


class Eye:
    """Detector and recogniser of this script's own."""

    def __init__(self) -> None:
        self.detector, self.recogniser = DlibDetector(), DlibRecogniser()

    def look(self, photograph: Photograph) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Landmarks and embedding of the largest face, or (None, None)."""
        faces = self.detector.detect(photograph)
        if not faces:
            return None, None
        return faces[0].landmarks, self.recogniser.embed(photograph.pixels, faces[0].landmarks)


def measure(eye: Eye, source: Path, out: Path) -> dict[str, Any]:
    """What one written photograph shows."""
    original, made = read_photograph(source), read_photograph(out / f"{source.stem}.png")
    kept = read_photograph(out / f"{source.stem}.preserved.png").pixels[:, :, 0] > 127
    marks, embedding = eye.look(original)
    _, other = eye.look(made)
    row: dict[str, Any] = {"detected": other is not None, "preserved_equal": bool((original.pixels[kept] == made.pixels[kept]).all())}
    row["preserved_pixels"] = int(kept.sum())
    if marks is not None:
        face = np.zeros(kept.shape, np.uint8)
        cv2.fillConvexPoly(face, cv2.convexHull(np.round(marks).astype(np.int32)), 1)
        inside = (face > 0) & ~kept
        row["changed"] = float((original.pixels != made.pixels).any(axis=2)[inside].mean())
    row |= {"source": embedding, "output": other}
    return row


def other_seed(
    eye: Eye, pairs: dict[str, tuple[Path, Path]], out: Path, first: dict[str, list[dict[str, Any]]], *, seed: int, preserve: str
) -> list[float]:
    """Distances between a person's first photograph anonymized with one seed and with another."""
    if not pairs:
        return []
    folder = out / f"seed{seed}"
    if anonymize(pairs, folder, seed=seed, preserve=preserve) not in (0, 3):
        raise SystemExit(f"the run with seed {seed} failed")
    distances = []
    for who, (before, _) in pairs.items():
        if who in first and (folder / f"{before.stem}.png").is_file():
            other = measure(eye, before, folder)["output"]
            if other is not None:
                distances.append(eye.recogniser.distance(first[who][0]["output"], other))
    return distances


def kind(reason: str) -> str:
    """A refusal's reason without names and numbers."""
    last = reason.split("last reason: ")[-1]
    return re.sub(r"\s*\(.*?\)|'.*?'|^[^:]*: ", "", last).strip()


def spread(values: list[float]) -> dict[str, float] | None:
    """Median and range, rounded for the table."""
    if not values:
        return None
    low, middle, high = np.percentile(values, (0, 50, 100))
    return {"median": round(float(middle), 4), "min": round(float(low), 4), "max": round(float(high), 4)}


def main() -> int:
    """Run and report; exit code 1 when a written output fails a goal."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photos", type=Path, required=True)
    options.add_argument("--out", type=Path, default=Path("outputs/paired_consistency"))
    options.add_argument("--before", default="neutral")
    options.add_argument("--after", default="smiling")
    options.add_argument("--preserve", default="mouth")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--limit", type=int, help="only the first N people")
    options.add_argument("--reseeded", type=int, default=12, help="so many people are anonymized again with the next seed")
    options.add_argument("--publish", action="store_true", help="write the results beside this script, not into --out")
    chosen = options.parse_args()
    pairs = dict(itertools.islice(people(chosen.photos, chosen.before, chosen.after).items(), chosen.limit))
    if not pairs:
        options.error(f"no PERSON_{chosen.before}.* with PERSON_{chosen.after}.* in {chosen.photos}")

    code = anonymize(pairs, chosen.out, seed=chosen.seed, preserve=chosen.preserve)
    if code not in (0, 3) or not (chosen.out / "audit.json").is_file():
        return code or 1
    audit = json.loads((chosen.out / "audit.json").read_text())
    status = {record["person"]: record for record in audit["people"]}
    written = [who for who in pairs if status.get(who, {}).get("status") == "written"]

    eye = Eye()
    measured = {who: [measure(eye, source, chosen.out) for source in pairs[who]] for who in written}
    threshold, distance = eye.recogniser.threshold, eye.recogniser.distance
    both = [row for rows in measured.values() for row in rows]
    seen = {who: rows for who, rows in measured.items() if all(r["output"] is not None and r["source"] is not None for r in rows)}
    to_source = [[distance(rows[n]["source"], rows[n]["output"]) for rows in seen.values()] for n in (0, 1)]
    within = [distance(a["output"], b["output"]) for a, b in seen.values()]
    between = [distance(a["output"], b["output"]) for (a, _), (b, _) in itertools.combinations(seen.values(), 2)]
    originals = [distance(a["source"], b["source"]) for a, b in seen.values()]
    again = dict(itertools.islice(pairs.items(), chosen.reseeded))
    reseeded = other_seed(eye, again, chosen.out, seen, seed=chosen.seed + 1, preserve=chosen.preserve)
    refused = Counter(kind(record.get("reason", "?")) for record in status.values() if record["status"] != "written")
    result = {
        "date": datetime.date.today().isoformat(),
        "vera": __version__,
        "bundle": read(default_bundle())["digest"][:16],
        "data": f"{len(pairs)} people, {chosen.before} and {chosen.after}",
        "preserve": chosen.preserve,
        "seed": chosen.seed,
        "recogniser": eye.recogniser.name,
        "threshold": threshold,
        "people": len(pairs),
        "verified": len(written),
        "refused": len(pairs) - len(written),
        "refused_share": round(1 - len(written) / len(pairs), 4),
        "refused_because": dict(refused),
        "detection_rate": round(float(np.mean([row["detected"] for row in both])), 4) if both else None,
        "source_to_output_before": spread(to_source[0]),
        "source_to_output_after": spread(to_source[1]),
        "between_the_two_outputs": spread(within),
        "between_the_two_originals": spread(originals),
        "between_different_people": spread(between),
        "same_person_other_seed": spread(reseeded),
        "different_people_below_threshold": round(float(np.mean(np.array(between) < threshold)), 4) if between else None,
        "changed_inside_the_face": spread([row["changed"] for row in both if "changed" in row]),
        "preserved_bit_for_bit": all(row["preserved_equal"] for row in both),
        "seconds_a_photograph": spread([record["seconds_in_all"] / 2 for record in status.values()]),
    }
    failures = verdict(result, to_source, within, reseeded)
    result["failures"] = ", ".join(failures) or "none"
    sys.stdout.write("\n".join(f"{name:34} {value}" for name, value in result.items()) + "\n")
    folder = HERE if chosen.publish else chosen.out
    with (folder / "results.jsonl").open("a") as stream:
        stream.write(json.dumps(result) + "\n")
    (folder / "results.md").write_text(table(result))
    groups = {"source to output": [*to_source[0], *to_source[1]], "the two outputs": within, "different people": between}
    histogram(folder / "distances.png", threshold, groups)
    return 1 if failures else 0


def verdict(result: dict[str, Any], to_source: list[list[float]], within: list[float], reseeded: list[float]) -> list[str]:
    """Which goals the written files miss."""
    threshold, failures = result["threshold"], []
    if not result["verified"]:
        return ["nobody was verified"]
    if min([*to_source[0], *to_source[1]], default=0) < threshold:
        failures.append("a written output is recognised as its source")
    if max(within, default=9) >= threshold:
        failures.append("the two outputs of somebody do not match")
    if result["detection_rate"] < 1:
        failures.append("a face is not found in a written output")
    if not result["preserved_bit_for_bit"]:
        failures.append("a preserved region differs")
    if result["refused_share"] > 0.2:
        failures.append("more than 20 % of people refused")
    if result["between_different_people"] and result["between_different_people"]["median"] <= threshold:
        failures.append("one face for everybody: the median distance between different people's outputs is below the threshold")
    if reseeded and float(np.median(reseeded)) <= threshold:
        failures.append("another seed gives much the same face")
    return failures


def table(result: dict[str, Any]) -> str:
    """The run as a Markdown table."""
    rows = []
    for name, value in result.items():
        spelled = ", ".join(f"{key} {part}" for key, part in value.items()) or "none" if isinstance(value, dict) else str(value)
        rows.append(f"| {name.replace('_', ' ')} | {spelled} |")
    return "\n".join(["<!-- written by run.py -->", "", "| what | measured |", "|---|---|", *rows]) + "\n"


def histogram(path: Path, threshold: float, groups: dict[str, list[float]]) -> None:
    """Distances in one picture."""
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    bins = np.linspace(0, 1.2, 61)
    for name, values in groups.items():
        if values:
            axes.hist(values, bins=bins, density=True, alpha=0.55, label=f"{name} ({len(values)})")
    axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold}")
    axes.set(xlabel="distance (dlib, 128-d)", yticks=[])
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
