"""How photographic the outputs of both renderers look: Fréchet distance to the originals, and sharpness. See README.md beside this file.

python experiments/exemplars/appearance.py --run DIR --photos DIR --data NAME [--publish]
DIR is what ../paired_consistency/run.py --renderers exemplars,generator wrote, and the photographs that it was given. With --publish,
results_appearance.jsonl is written beside this script.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track

from vera import __version__
from vera.anonymization.placement import Window, to_window
from vera.data.by_role import by_role
from vera.data.people import Person
from vera.evaluation.measures.photographs import CROP
from vera.evaluation.metrics.frechet import FrechetDistance
from vera.evaluation.protocol.cache import Records, load_seen, read_written
from vera.evaluation.protocol.items import ORIGINALS, Files, Item, Ledger
from vera.faces.alignment import align
from vera.faces.parser_choice import choose_parser
from vera.faces.parsing import Parser
from vera.features.pooled import Lite0Features
from vera.types import Mask, Photograph, Pixels, Points, Semantic, VeraError

HERE = Path(__file__).parent
METHODS = {"exemplars": "vera", "generator": "generator"}
FACE_SKIN, OTHER_SKIN = (Semantic.SKIN, Semantic.NOSE), (Semantic.NECK, Semantic.EARS)
MARGIN = 4
"""Pixels by which regions are drawn in: the finest octave at their borders does not belong to their skin."""
LEAST_PIXELS = 500
"""A region of fewer pixels says nothing."""
MOST_FRECHET, SHARP = 0.75, (0.7, 1.3)
"""The claims: Fréchet distance over the generator's; median sharpness."""
Figures = dict[str, float]


def main() -> int:
    """Measure, publish; exit code 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--data", required=True, help="what the photographs are, for the record")
    parser.add_argument("--roles", default="neutral,smiling")
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    files = Files(options.run)
    with Ledger(options.run) as ledger:
        items = ledger.items()
    people = [person for person in by_role(options.photos, options.roles.split(",")) if in_both(person, items)]
    if not people:
        raise VeraError(f"'{options.run}' holds nobody whom both renderers wrote: see README.md for the run that is needed")
    segments = choose_parser(None)
    sets = {name: FrechetDistance(Lite0Features(side=224)) for name in METHODS}
    figures: dict[str, list[Figures]] = {name: [] for name in METHODS}
    for person in track(people, "people"):
        for number, photograph in enumerate(person.photographs, 1):
            source = photograph.read()
            landmarks = load_seen(files.seen(Item(ORIGINALS, person.id)))[number - 1].landmarks
            for name, method in METHODS.items():
                item = Item(method, person.id)
                output = read_written(files.image(item, number), items[item]["images"][number - 1]["image"])
                for one, real in ((source, True), (output, False)):
                    sets[name].update(align(one, landmarks, CROP).image[None], real=real)
                found = sharpness(source, output.pixels, landmarks, segments)
                figures[name] += [found] if found else []
    lines = [line(name, sets[name], figures[name], people) | {"data": options.data} for name in METHODS]
    distances = [one["frechet_lite0"] for one in lines]
    lines[0]["frechet_lite0_ratio"] = round(distances[0] / distances[1], 4) if None not in distances else None
    print("\n".join(json.dumps(one) for one in lines))
    if options.publish:
        (HERE / "results_appearance.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    failures = verdict(lines[0])
    print("failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


def in_both(person: Person, items: Records) -> bool:
    """Whether all of a person's photographs were written by both renderers."""
    wanted = [Item(method, person.id) for method in METHODS.values()]
    return all(item in items and items[item]["status"] == "written" for item in wanted)


def sharpness(source: Photograph, output: Pixels, landmarks: Points, parser: Parser) -> Figures | None:
    """Energy of the finest octave in the skin of the face over that in the photograph's own skin, after and before.

    Both are averages over pixels: the face's skin (skin and nose, before and after, where pixels were replaced) and the skin that was
    left as it was (neck and ears). Borders are left out. None where one of them is hardly to be seen.
    """
    before, after = (classes(one, landmarks, parser) for one in (source.pixels, output))
    changed = (source.pixels != output).any(axis=2)
    inside = drawn_in(np.isin(before, FACE_SKIN) & np.isin(after, FACE_SKIN) & closed(changed))
    outside = drawn_in(np.isin(before, OTHER_SKIN) & ~changed)
    if min(inside.sum(), outside.sum()) < LEAST_PIXELS:
        return None
    new, old = finest_octave(output), finest_octave(source.pixels)
    beside = float(old[outside].mean())
    return {"output": float(new[inside].mean()) / beside, "original": float(old[inside].mean()) / beside}


def finest_octave(pixels: Pixels) -> npt.NDArray[np.float32]:
    """``(H, W)``: squares of the first band of a Laplacian pyramid of the luminance (Rec. 601, of the file's values)."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.float32)
    height, width = grey.shape
    return np.asarray((grey - cv2.pyrUp(cv2.pyrDown(grey), dstsize=(width, height))) ** 2, np.float32)


def classes(pixels: Pixels, landmarks: Points, parser: Parser) -> npt.NDArray[np.int64]:
    """``(H, W)``: each pixel's class; background outside the aligned crop."""
    face = align(Photograph(pixels, "face", ""), landmarks, 512)
    window = Window.around_face(face, pixels.shape[:2])
    shares, _ = to_window(parser.parse(face), face, window)
    found = np.zeros(pixels.shape[:2], np.int64)
    found[window.slices] = shares.argmax(axis=2)
    return found


def closed(changed: Mask) -> Mask:
    """The changed pixels and single ones between them, which happened to get the value that they had."""
    return np.asarray(cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0)


def drawn_in(mask: Mask) -> Mask:
    """A region without its border."""
    return np.asarray(cv2.erode(mask.astype(np.uint8), np.ones((2 * MARGIN + 1,) * 2, np.uint8), borderValue=0) > 0)


def line(name: str, metric: FrechetDistance, figures: list[Figures], people: list[Person]) -> dict[str, Any]:
    """One line of results_appearance.jsonl."""
    photographs = sum(len(person.photographs) for person in people)
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "vera": __version__,
        "renderer": name,
        "people": len(people),
        "photographs": photographs,
        "frechet_lite0": round(float(metric.compute()), 4) if photographs > 1 else None,
        "sharpness": {side: quartiles([one[side] for one in figures]) for side in ("output", "original")},
        "without_other_skin": photographs - len(figures),
    }


def quartiles(values: list[float]) -> dict[str, float] | None:
    """Lower quartile, median, upper quartile; None of nothing."""
    if not values:
        return None
    return {name: round(float(v), 4) for name, v in zip(("low", "median", "high"), np.percentile(values, (25, 50, 75)), strict=True)}


def verdict(exemplars: dict[str, Any]) -> list[str]:
    """Which claims of README.md do not hold."""
    ratio, sharp = exemplars["frechet_lite0_ratio"], exemplars["sharpness"]["output"]
    goals = {
        "the Fréchet distance is not 25 % below the generator's": ratio is None or ratio > MOST_FRECHET,
        "the sharpness is not that of the photographs' own skin": sharp is None or not SHARP[0] <= sharp["median"] <= SHARP[1],
    }
    return [goal for goal, missed in goals.items() if missed]


if __name__ == "__main__":
    sys.exit(main())
