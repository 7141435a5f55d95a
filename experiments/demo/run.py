"""The main job on a real photograph that needs no download: anonymize a simulated before/after pair, the mouth kept, by both renderers.

python experiments/demo/run.py --out DIR
Before: scikit-image's astronaut (NASA, Eileen Collins, public domain). After: a simulated intervention on it, photographed again:
whiter teeth, other exposure, a slight rotation and another crop.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
import skimage.data

from vera.faces.detection import DetectedFace, DlibDetector
from vera.faces.photograph import read_photograph, write_png
from vera.faces.recogniser_choice import embedded_recognisers
from vera.faces.recognition import Recogniser
from vera.types import Photograph, Pixels, VeraError

mpl.use("Agg")
from matplotlib import pyplot as plt

SEED = 4
ROLES = ("before", "after")


def only_face(detector: DlibDetector, photograph: Photograph) -> DetectedFace:
    """The largest face.

    Raises:
        VeraError: when there is none.

    """
    faces = detector.detect(photograph)
    if not faces:
        raise VeraError(f"no face found in {photograph.name}")
    return faces[0]


def intervene(photograph: Photograph, face: DetectedFace) -> Pixels:
    """Whiten the teeth, then photograph again: exposure, rotation by 3 degrees, crop."""
    pixels = photograph.pixels
    inside = np.zeros(photograph.size, np.uint8)
    cv2.fillPoly(inside, [np.round(face.landmarks[60:68]).astype(np.int32)], 255)
    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB).astype(np.float32)
    soft = cv2.GaussianBlur(inside, (0, 0), 1).astype(np.float32)[:, :, None] / 255
    whiter = lab * [1.12, 1, 1] + [0, 0, 0]
    whiter[:, :, 1:] = 128 + (lab[:, :, 1:] - 128) * 0.5
    lab = lab * (1 - soft) + whiter * soft
    treated = cv2.cvtColor(lab.clip(0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    exposed = (255 * (treated / 255.0) ** 0.85).round().astype(np.uint8)
    centre = tuple(float(v) for v in face.landmarks.mean(axis=0))
    height, width = photograph.size
    turned = cv2.warpAffine(
        exposed, cv2.getRotationMatrix2D(centre, 3, 1.05), (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.ascontiguousarray(turned[: height - height // 8, width // 32 :])


def outlined(photograph: Photograph, preserved: Pixels) -> Pixels:
    """The photograph with the preserved region's outline."""
    contours, _ = cv2.findContours(preserved[:, :, 0].copy(), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(photograph.pixels.copy(), contours, -1, (0, 255, 0), 1), dtype=np.uint8)


def crop(pixels: Pixels, face: DetectedFace) -> Pixels:
    """The face with some surround, for the panel."""
    x0, y0, x1, y1 = face.box
    side, cx, cy = 1.1 * max(x1 - x0, y1 - y0), (x0 + x1) / 2, (y0 + y1) / 2 - 0.1 * (y1 - y0)
    top, left = max(int(cy - side), 0), max(int(cx - side), 0)
    return pixels[top : int(cy + side), left : int(cx + side)]


def main() -> int:
    """Make the pair, anonymize it through the command line, draw the panel."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("outputs/demo"))
    out: Path = parser.parse_args().out
    photographs = out / "photographs"
    photographs.mkdir(parents=True, exist_ok=True)
    detector, recognisers = DlibDetector(), embedded_recognisers()

    write_png(photographs / "before.png", skimage.data.astronaut())
    before = read_photograph(photographs / "before.png")
    write_png(photographs / "after.png", intervene(before, only_face(detector, before)))
    files = [photographs / "before.png", photographs / "after.png"]
    folders = {"exemplars": out, "generator": out / "generator"}
    for renderer, folder in folders.items():
        options = [
            "--renderer",
            renderer,
            "--preserve",
            "mouth",
            "--person",
            "demo",
            "--seed",
            str(SEED),
            "--out",
            str(folder),
            "--overwrite",
        ]
        code = subprocess.run([sys.executable, "-m", "vera.cli", "anonymize", *map(str, files), *options], check=False).returncode
        if code:
            return code
    sources = [read_photograph(file) for file in files]
    results = {name: [read_photograph(folder / file.name) for file in files] for name, folder in folders.items()}
    kept = [read_photograph(out / f"{file.stem}.preserved.png").pixels for file in files]
    measured = {name: measure(sources, made, kept, detector, recognisers) for name, made in results.items()}
    (out / "measured.json").write_text(json.dumps(measured, indent=2) + "\n")
    draw_panel(out / "panel.png", sources, results, kept, detector, measured)
    sys.stdout.write(json.dumps(measured, indent=2) + f"\n{out / 'panel.png'}\n")
    return 0


def measure(
    sources: list[Photograph], results: list[Photograph], kept: list[Pixels], detector: DlibDetector, recognisers: list[Recogniser]
) -> dict[str, object]:
    """Distances between the pair and its anonymized pair by each recogniser, and whether the mouth is the same."""
    found = [(p, only_face(detector, p)) for p in (*sources, *results)]
    distances = {}
    for recogniser in recognisers:
        vectors = [recogniser.embed(photograph.pixels, face.landmarks) for photograph, face in found]
        distances[recogniser.name] = {
            "least_distance_to_source": recogniser.refusal_threshold,
            "one_person_below": recogniser.threshold,
            "to_source": [recogniser.distance(vectors[n], vectors[n + 2]) for n in (0, 1)],
            "between_the_originals": recogniser.distance(vectors[0], vectors[1]),
            "between_the_anonymized": recogniser.distance(vectors[2], vectors[3]),
        }
    same = [bool((s.pixels[k > 127] == r.pixels[k > 127]).all()) for s, r, k in zip(sources, results, kept, strict=True)]
    return {"preserved_bit_for_bit": all(same), "recognisers": distances}


def draw_panel(
    path: Path,
    sources: list[Photograph],
    results: dict[str, list[Photograph]],
    kept: list[Pixels],
    detector: DlibDetector,
    measured: dict[str, Any],
) -> None:
    """A row for each renderer: before, after, what was kept, both anonymized."""
    figure, axes = plt.subplots(len(results), 5, figsize=(15, 3.75 * len(results)), layout="constrained")
    faces = [only_face(detector, photograph) for photograph in sources]
    for row, (renderer, made) in zip(axes, results.items(), strict=True):
        told = measured[renderer]["recognisers"]
        tiles = [
            (crop(sources[0].pixels, faces[0]), "before"),
            (crop(sources[1].pixels, faces[1]), "after"),
            (crop(outlined(sources[1], kept[1]), faces[1]), "kept: the mouth"),
            *(
                (crop(p.pixels, f), f"{renderer}: {when}\n{_distances(told, n)}")
                for n, (p, f, when) in enumerate(zip(made, faces, ROLES, strict=True))
            ),
        ]
        for axis, (tile, title) in zip(row, tiles, strict=True):
            axis.imshow(tile)
            axis.set_title(title, fontsize=10)
            axis.axis("off")
    figure.savefig(path, dpi=110, bbox_inches="tight")


def _distances(told: dict[str, Any], number: int) -> str:
    names = {"dlib-resnet-128": "dlib", "sface-128": "SFace"}
    return "\n".join(
        f"{names.get(name, name)} to its source: {one['to_source'][number]:.2f} (at least {one['least_distance_to_source']:.2f})"
        for name, one in told.items()
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except VeraError as error:
        sys.stderr.write(f"demo: {error}\n")
        sys.exit(2)
