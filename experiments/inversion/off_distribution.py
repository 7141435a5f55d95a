"""What becomes of photographs unlike the training data: a result, or a clear refusal; never a crash.

python experiments/inversion/off_distribution.py --bundle DIR [--photos PHOTOS] [--count N] [--steps N] [--publish]
Without --photos, NASA's portrait of Eileen Collins (public domain) alone. Each photograph is also rotated by 25 degrees, darkened, cut off
below the mouth, given spectacles and given a beard (drawn), and goes the whole way: found, aligned, parsed, encoded, refined.
Exit code 1 if anything but a result or a refusal happens. Pictures stay in --out.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.progress import track
from skimage.data import astronaut
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim

from vera import __version__
from vera.anonymization.request import Options
from vera.anonymization.scene import find_face
from vera.bundle import default_bundle, load
from vera.evaluation.metrics.segmentation import agreement
from vera.faces.alignment import align
from vera.faces.detection import DlibDetector
from vera.faces.parser_choice import DEFAULT as PARSER
from vera.faces.parser_choice import choose_parser
from vera.faces.parsing import Parser
from vera.faces.photograph import photograph_from_pixels, read_photograph, write_png
from vera.features.perceptual import PerceptualDistance
from vera.inversion.objective import InversionObjective
from vera.inversion.refinement import REFINEMENT, refine
from vera.types import NUM_CLASSES, Photograph, Pixels, Points, VeraError, tensor_to_image

HERE = Path(__file__).parent
SIDE = 256
Change = Callable[[Pixels, Points], Pixels]


def main() -> int:
    """One line for each photograph and change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--count", type=int, default=8, help="photographs, evenly spaced")
    parser.add_argument("--steps", type=int, default=20, help="of refinement")
    parser.add_argument("--parser", default=PARSER)
    parser.add_argument("--out", type=Path, default=Path("outputs/inversion_off_distribution"))
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    network: Any = load(options.bundle)
    way = Way(network, choose_parser(options.parser), options.steps)
    rows = []
    for number, photograph in enumerate(track(photographs(options), "photographs")):
        place = way.detector.detect(photograph)
        for name, change in CHANGES.items():
            if place:
                row, picture = way(photograph_from_pixels(change(photograph.pixels, place[0].landmarks), name))
            else:
                row, picture = {"outcome": "refused", "reason": "no face found before the change"}, None
            rows.append({"change": name, **row})
            if picture is not None:
                write_png(options.out / f"{number:02d}_{name.replace(' ', '_')}.png", picture)
    records = [summary(name, [row for row in rows if row["change"] == name]) for name in CHANGES]
    stated = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "vera": __version__,
        "bundle": network.info.digest[:16],
        "parser": way.parser.name,
        "steps": options.steps,
    }
    records = [{**stated, **record} for record in records]
    table = page(records)
    print(table)
    if options.publish:
        with (HERE / "off_distribution.jsonl").open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(record) + "\n" for record in records)
        (HERE / "off_distribution.md").write_text(table)
    crashes = [row["reason"] for row in rows if row["outcome"] == "crashed"]
    print("crashes: " + ("; ".join(crashes) or "none"))
    return 1 if crashes else 0


def photographs(options: argparse.Namespace) -> list[Photograph]:
    """Those of the folder, and the astronaut."""
    files = sorted(f for f in options.photos.iterdir() if f.suffix.lower() in {".jpg", ".jpeg", ".png"}) if options.photos else []
    numbers = np.unique(np.linspace(0, len(files) - 1, min(options.count, len(files))).round().astype(int)) if files else []
    return [photograph_from_pixels(astronaut(), "astronaut"), *(read_photograph(files[number]) for number in numbers)]


class Way:
    """From a photograph to its inversion.

    Args:
        network: encoder and generator.
        parser: of aligned faces.
        steps: of refinement.

    """

    def __init__(self, network: Any, parser: Parser, steps: int) -> None:
        self.network, self.parser, self.steps, self.detector = network, parser, steps, DlibDetector()
        self.objective = InversionObjective(weights=REFINEMENT, perceptual=PerceptualDistance())

    def __call__(self, photograph: Photograph) -> tuple[dict[str, Any], Pixels | None]:
        """What happened, and the aligned face beside its inversion."""
        try:
            return self._inverted(photograph)
        except VeraError as error:
            return {"outcome": "refused", "reason": str(error)}, None
        except Exception as error:  # what this script looks for
            traceback.print_exc()
            return {"outcome": "crashed", "reason": f"{photograph.name}: {error!r}"}, None

    def _inverted(self, photograph: Photograph) -> tuple[dict[str, Any], Pixels]:
        found = find_face(self.detector, photograph, Options())
        face = align(photograph, found.face.landmarks, self.network.size)
        images, segmentations = face.image[None], self.parser.parse(face)[None]
        with torch.no_grad():
            codes = self.network.encode(images, segmentations)
        codes = refine(self.network, images, segmentations, codes, objective=self.objective, steps=self.steps, axes=self.network.axes)
        with torch.no_grad():
            made = self.network.generator(codes)
        labels, own = segmentations[0].argmax(dim=0), made.segmentation[0].argmax(dim=0)
        confusion = torch.zeros(NUM_CLASSES, NUM_CLASSES, dtype=torch.long)
        confusion.index_put_((labels.flatten(), own.flatten()), torch.ones(labels.numel(), dtype=torch.long), accumulate=True)
        pair = [torch.nn.functional.interpolate(one, (SIDE, SIDE), mode="bilinear").clamp(-1, 1) for one in (made.image, images)]
        similarity = float(ms_ssim((pair[0] + 1) / 2, (pair[1] + 1) / 2, data_range=1.0))
        row = {"outcome": "inverted", "ms_ssim": similarity, "iou": agreement(confusion)["mean_iou"]}
        return row, np.concatenate([tensor_to_image(images[0]), tensor_to_image(made.image[0])], axis=1)


def rotated(pixels: Pixels, landmarks: Points) -> Pixels:
    """By 25 degrees around the face; the corners repeat the border."""
    x, y = landmarks.mean(axis=0)
    turn = cv2.getRotationMatrix2D((float(x), float(y)), 25.0, 1.0)
    return np.asarray(cv2.warpAffine(pixels, turn, pixels.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def dark(pixels: Pixels, landmarks: Points) -> Pixels:
    """An eighth of the light, with the noise of a sensor."""
    noise = np.random.default_rng(0).normal(0, 4, pixels.shape)
    linear = (pixels / 255.0) ** 2.2 / 8
    return np.asarray((255 * linear ** (1 / 2.2) + noise).clip(0, 255).round(), np.uint8)


def without_chin(pixels: Pixels, landmarks: Points) -> Pixels:
    """The photograph ends below the lower lip."""
    return np.ascontiguousarray(pixels[: int(landmarks[57, 1] + 0.15 * (landmarks[8, 1] - landmarks[57, 1]))])


def with_spectacles(pixels: Pixels, landmarks: Points) -> Pixels:
    """Dark frames around both eyes, a bridge and temples."""
    drawn = pixels.copy()
    left, right = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
    unit = float(np.hypot(*(right - left)))
    angle = float(np.degrees(np.arctan2(*(right - left)[::-1])))
    thick = max(2, round(0.06 * unit))
    for eye in (left, right):
        centre, axes = tuple(int(v) for v in eye.round()), (round(0.40 * unit), round(0.30 * unit))
        cv2.ellipse(drawn, centre, axes, angle, 0, 360, (30, 26, 24), thick, cv2.LINE_AA)
    rim = 0.4 * (right - left)
    for start, end in ((left + rim, right - rim), (left - rim, landmarks[0]), (right + rim, landmarks[16])):
        cv2.line(drawn, tuple(int(v) for v in start), tuple(int(v) for v in end), (30, 26, 24), thick, cv2.LINE_AA)
    return drawn


def with_beard(pixels: Pixels, landmarks: Points) -> Pixels:
    """A dark, grainy jaw and upper lip around a free mouth."""
    jaw = landmarks[2:15]
    outline = np.concatenate([jaw, landmarks[[35, 33, 31]]]).round().astype(np.int32)
    cover = np.zeros(pixels.shape[:2], np.float32)
    cv2.fillPoly(cover, [outline], 1.0)
    cv2.fillPoly(cover, [landmarks[48:60].round().astype(np.int32)], 0.0)
    unit = float(np.ptp(jaw[:, 0]))
    cover = cv2.GaussianBlur(cover, (0, 0), max(1.0, unit / 60))[..., None] * 0.85
    grain = np.random.default_rng(0).normal(0, 18, pixels.shape[:2])[..., None]
    hair = np.array([52.0, 40.0, 32.0]) + grain
    return np.asarray((pixels * (1 - cover) + hair * cover).clip(0, 255).round(), np.uint8)


CHANGES: dict[str, Change] = {
    "as it is": lambda pixels, landmarks: pixels,
    "rotated 25 degrees": rotated,
    "dark": dark,
    "chin cut off": without_chin,
    "spectacles": with_spectacles,
    "beard": with_beard,
}


def summary(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One line of the table."""
    done = [row for row in rows if row["outcome"] == "inverted"]

    def mean(key: str) -> float | None:
        return round(float(np.mean([row[key] for row in done])), 4) if done else None

    return {
        "change": name,
        "photographs": len(rows),
        "inverted": len(done),
        "refused": sum(row["outcome"] == "refused" for row in rows),
        "crashed": sum(row["outcome"] == "crashed" for row in rows),
        "reasons": sorted({row["reason"] for row in rows if row["outcome"] != "inverted"}),
        "ms_ssim": mean("ms_ssim"),
        "iou": mean("iou"),
    }


def page(records: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| change | photographs | inverted | refused | crashed | MS-SSIM | IoU, own | reasons |", "|---|---|---|---|---|---|---|---|"]
    for one in records:
        figures = ["-" if one[key] is None else f"{one[key]:.3f}" for key in ("ms_ssim", "iou")]
        counts = [str(one[key]) for key in ("photographs", "inverted", "refused", "crashed")]
        lines.append("| " + " | ".join([one["change"], *counts, *figures, "; ".join(one["reasons"]) or "-"]) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
