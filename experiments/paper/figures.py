"""Figures of a study of the paper's pipeline: how far each stage's losses fell, the anonymized faces, the dual space, and the ablations.

python experiments/paper/figures.py DIR [--publish]

DIR is the folder of a study (study.py). With --publish the lines are written to results.jsonl beside this script, and the first
anonymized faces to anonymized.png, in the place of earlier ones. Seconds are those of the step's last start, on whatever else the machine
did.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from vera.faces.photograph import read_photograph, write_png
from vera.files import write_whole
from vera.mosaic import report
from vera.provenance import git_state
from vera.training.runs.folder import read_runs
from vera.training.runs.table import each, varied
from vera.types import Pixels, VeraError

HERE = Path(__file__).parent
FALLING = {
    "stage1": ("frechet_lite0", "loss/mask"),
    "stage2": ("contrast/pose", "contrast/expression", "contrast/illumination"),
    "stage3": ("loss/inversion", "generated/2/codes", "generated/2/perceptual"),
}
"""Measures of each stage that must fall, by the folder of its run."""
ABLATIONS = {
    "attributes": ("contrast/pose", "contrast/expression", "contrast/illumination"),
    "segmentation_loss": ("real/2/segmentation", "real/2/perceptual"),
    "dual_space": ("real/2/segmentation", "real/2/perceptual"),
}
"""Measures of each sweep that are published."""
SHARE = 0.1
"""Part of a run's logged values that is averaged at its start and at its end."""
SHOWN = 8
"""Anonymized faces in the published picture."""


def main(arguments: list[str] | None = None) -> int:
    """Print the figures, and publish them if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of a study")
    parser.add_argument("--publish", action="store_true", help="write results.jsonl beside this script")
    chosen = parser.parse_args(arguments)
    if not (chosen.folder / "study.json").is_file():
        parser.error(f"'{chosen.folder}' is no study: study.json is missing")
    try:
        lines = [*stages(chosen.folder), *anonymized(chosen.folder), *dual(chosen.folder), *ablations(chosen.folder)]
    except VeraError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for line in lines:
        sys.stdout.write(json.dumps(line) + "\n")
    if chosen.publish:
        write_whole(HERE / "results.jsonl", "".join(json.dumps(line | made_by()) + "\n" for line in lines).encode())
        if pictures := sorted((chosen.folder / "anonymized").glob("*.png"))[:SHOWN]:
            write_png(HERE / "anonymized.png", sheet([read_photograph(path).pixels for path in pictures]))
    return 0


def stages(folder: Path) -> Iterator[dict[str, Any]]:
    """Of each stage and measure: its mean over the first tenth of the log and over the last, and the ratio."""
    record = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    for run, measures in FALLING.items():
        step = record.get(f"{run[:-1]} {run[-1]}")
        if step is None:
            continue
        for measure in measures:
            values = logged(folder / "runs" / run, measure)
            if not values:  # a callback that was left out
                continue
            count = max(1, round(SHARE * len(values)))
            first, last = sum(values[:count]) / count, sum(values[-count:]) / count
            yield {
                "stage": run[-1],
                "measure": measure,
                "first": round(first, 4),
                "last": round(last, 4),
                "last over first": round(last / first, 3),
                "seconds of the stage": step["seconds"],
            }


def logged(run: Path, measure: str) -> list[float]:
    """All logged values of a measure, those from before an interruption first; none where it was not logged."""
    values = []
    for file in (*sorted(run.glob("metrics.*.csv")), run / "metrics.csv"):
        with file.open(encoding="utf-8") as stream:
            values += [float(row[measure]) for row in csv.DictReader(stream) if row.get(measure)]
    return values


def anonymized(folder: Path) -> Iterator[dict[str, Any]]:
    """The anonymized faces as the probe sees them."""
    path = folder / "anonymized" / "results.json"
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        yield {key: len(value) if key == "refused" else value for key, value in found.items()}


def dual(folder: Path) -> Iterator[dict[str, Any]]:
    """The dual space: a line for the codes, and one for each picture that the probe read."""
    path = folder / "dual" / "results.json"
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        yield {"dual space": "codes", **{key: value for key, value in found.items() if not isinstance(value, dict)}}
        yield from ({"dual space": key, **value} for key, value in found.items() if isinstance(value, dict))


def sheet(pictures: list[Pixels]) -> Pixels:
    """Pairs of source and output at half size, two pairs in a row."""
    return report.sheet([cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for picture in pictures], columns=2)


def ablations(folder: Path) -> Iterator[dict[str, Any]]:
    """Each finished run of each sweep: what varied, and its last measures."""
    for sweep, measures in ABLATIONS.items():
        if not (folder / "sweeps" / sweep).is_dir():
            continue
        runs = read_runs(folder / "sweeps" / sweep)
        for run, line in zip(runs, each(runs, varied(runs), list(measures)), strict=True):
            settings = ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in run.overrides.items() if key in varied(runs))
            figures = {measure: None if (value := line.get(measure)) is None else round(float(value), 4) for measure in measures}
            yield {"sweep": sweep, "run": settings, "state": line["state"], "images": line["images"], **figures}


def made_by() -> dict[str, Any]:
    """Date and commit."""
    return {"date": datetime.date.today().isoformat(), "provenance": {"git": git_state(HERE)}}


if __name__ == "__main__":
    sys.exit(main())
