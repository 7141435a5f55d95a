"""Does the new face in a clip keep as still as the old one? See README.md beside this file."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import subprocess
import sys
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from vera.faces.clip_file import read_clip, write_viewing_copy
from vera.faces.masks import mask_from_text
from vera.faces.photograph import read_photograph
from vera.types import Mask, Pixels

RESULTS = Path(__file__).with_name("results.jsonl")
PACKAGES = ("av", "torch", "numpy", "opencv-python", "dlib-bin")
LARGER = 1.2
"""The photograph is this much larger than the frames, so that little is invented when it is scaled."""


def motion(count: int, side: int) -> list[npt.NDArray[np.float64]]:
    """``(2, 3)`` of each frame: photograph pixels to frame pixels. The head sways, nods, comes nearer and tilts, once in the clip."""
    found = []
    for phase in 2 * np.pi * np.arange(count) / count:
        scale, angle = (0.95 + 0.08 * np.sin(phase)) / LARGER, np.radians(3 * np.sin(phase + 1))
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.full(2, (side - 1) / 2) + side * np.array([0.05 * np.sin(phase + 2), 0.03 * np.sin(2 * phase)])
        found.append(np.column_stack([turn, middle - turn @ np.full(2, (LARGER * side - 1) / 2)]))
    return found


def moved(photograph: Pixels, side: int, count: int) -> list[Pixels]:
    """Frames ``(side, side, 3)`` of a photograph that moves."""
    whole = round(LARGER * side)
    height, width = photograph.shape[:2]
    edge = min(height, width)
    square = photograph[(height - edge) // 2 :][:edge, (width - edge) // 2 :][:, :edge]
    base = cv2.resize(square, (whole, whole), interpolation=cv2.INTER_AREA)
    how = {"flags": cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REFLECT}
    return [np.asarray(cv2.warpAffine(base, matrix, (side, side), **how), np.uint8) for matrix in motion(count, side)]


def flicker(frames: list[Pixels], replaced: list[Mask], side: int) -> list[float]:
    """Mean absolute difference, in grey levels, of each two consecutive frames, moved back, where both are replaced."""
    size, back = (round(LARGER * side),) * 2, motion(len(frames), side)
    inverse = {"flags": cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP}
    still = [cv2.warpAffine(frame.astype(np.float32), matrix, size, **inverse) for frame, matrix in zip(frames, back, strict=True)]
    nearest = {"flags": cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP}
    inside = [cv2.warpAffine(mask.astype(np.uint8), m, size, **nearest) > 0 for mask, m in zip(replaced, back, strict=True)]
    found = []
    for (before, here), (after, there) in pairwise(zip(still, inside, strict=True)):
        found.append(float(np.abs(after - before)[here & there].mean()))
    return found


def main() -> None:
    """Make a clip, anonymize it, measure it, print the figures, and append them to results.jsonl if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photograph", type=Path, required=True, help="one person from the front")
    parser.add_argument("--data", required=True, help="what the photograph is, for the record")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=int, default=25, help="frames a second")
    parser.add_argument("--side", type=int, default=480, help="of the frames, in pixels")
    parser.add_argument("--preserve", default="mouth")
    parser.add_argument("--out", type=Path, default=Path("outputs/clip"), help="where the clip and the result go")
    parser.add_argument("--publish", action="store_true", help=f"append the line to {RESULTS.name} beside this script")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    count, clip, out = round(chosen.seconds * chosen.rate), chosen.out / "clip.mp4", chosen.out / "anonymized"
    frames = moved(read_photograph(chosen.photograph).pixels, chosen.side, count)
    write_viewing_copy(clip, frames, range(count), Fraction(1, chosen.rate))
    command = [sys.executable, "-m", "vera.cli", "anonymize", str(clip), "--preserve", chosen.preserve, "--seed", "7", "--person", "p"]
    started = time.perf_counter()
    subprocess.run([*command, "--out", str(out), "--overwrite"], check=True)
    seconds = time.perf_counter() - started
    line = {"data": chosen.data, "frames": count, "rate": chosen.rate, "side": chosen.side} | measured(clip, out, chosen.side)
    line |= {"seconds": round(seconds, 1), "versions": {name: importlib.metadata.version(name) for name in PACKAGES}}
    sys.stdout.write(json.dumps(line, indent=1) + "\n")
    if chosen.publish:
        with RESULTS.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


def measured(clip: Path, out: Path, side: int) -> dict[str, Any]:
    """Flicker of source and result, and in how many frames the region is bit for bit the source's."""
    (record,) = json.loads((out / "audit.json").read_text("utf-8"))["people"]
    source, result, mask = (read_clip(path, "clip") for path in (clip, out / "clip.mkv", out / "clip.preserved.mkv"))
    replaced = [mask_from_text(one["regions"]["replaced"], (side, side), one["name"]) for one in record["photographs"]]
    kept = [frame.pixels[:, :, 0] > 127 for frame in mask.frames]
    pairs = zip(source.frames, result.frames, kept, strict=True)
    exact = sum(bool(region.any() and (a.pixels == b.pixels)[region].all()) for a, b, region in pairs)
    before, after = (flicker([frame.pixels for frame in one.frames], replaced, side) for one in (source, result))
    return {
        "frames_with_the_region_bit_for_bit": exact,
        "flicker_of_the_source": round(float(np.mean(before)), 3),
        "flicker_of_the_result": round(float(np.mean(after)), 3),
        "ratio": round(float(np.mean(after) / np.mean(before)), 3),
        "largest_ratio_of_two_frames": round(max(a / b for a, b in zip(after, before, strict=True)), 3),
        "attempt": record["attempt"],
    }


if __name__ == "__main__":
    main()
