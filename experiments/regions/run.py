"""Each named region kept, on a few people: a sheet for each region, to be looked at; see README.md beside this file.

python experiments/regions/run.py --photos DIR --people 025,043,024,038,021 [--role smiling] [--out DIR] [--only chin,teeth] [--seed N]
DIR holds PERSON_ROLE.jpg. What is there is not made again. --sides draws one photograph in all eight EXIF orientations instead.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vera.anonymization.contact_sheet import outlined
from vera.anonymization.interface import embedded
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.request import Options
from vera.cli.regions import preview_by
from vera.faces.photograph import read_photograph, write_png
from vera.faces.region_choice import NAMES, Region
from vera.types import Anonymized, Mask, Photograph, Pixels, VeraError

SIDE, TEXT, GAP = 480, 30, 6
"""Side of a picture in a sheet, height of the line above it, and space between rows."""
AROUND = 1.6
"""The detail beside a face shows the region's surroundings, too: its longer side, this much larger."""
TURNED = {2: "mirrored", 3: "half a turn", 4: "half a turn, mirrored", 5: "left, mirrored", 6: "left", 7: "right, mirrored", 8: "right"}
"""How a file of each EXIF orientation but the first is stored."""
STORED = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels),
    7: lambda pixels: pixels.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda pixels: np.rot90(pixels, -1),
}
"""Pixels as they lie in a file, of pixels as they are displayed."""


def main() -> int:
    """Make what is not there, then the sheets; exit code 1 when a region that is there is refused or not kept bit for bit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--people", required=True, help="their ids, with commas")
    parser.add_argument("--role", default="smiling")
    parser.add_argument("--out", type=Path, default=Path("outputs/regions"))
    parser.add_argument("--only", help="only these regions, with commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sides", action="store_true", help="instead: left and right of the first person in every EXIF orientation")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    files = {person: chosen.photos / f"{person}_{chosen.role}.jpg" for person in chosen.people.split(",")}
    if chosen.sides:
        return sides(next(iter(files.values())), chosen.out)
    names = chosen.only.split(",") if chosen.only else list(NAMES)
    ours, failures = None, []
    for name in names:
        rows = [chosen.out / f"{name}_{person}.png" for person in files]
        for (person, file), row in zip(files.items(), rows, strict=True):
            if not row.with_suffix(".json").is_file():
                ours = ours or embedded(None, "cpu", Options(seed=chosen.seed), leave_out_person=True)
                picture, line = beside(read_photograph(file), ours, name, person=person)
                write_png(row, picture)
                row.with_suffix(".json").write_text(json.dumps(line) + "\n")
                print(f"{name} {person}: {line}", flush=True)
            line = json.loads(row.with_suffix(".json").read_text())
            if line["status"] == "refused" or not line.get("kept", True):
                failures.append(f"{name} of {person} ({'refused' if line['status'] == 'refused' else 'changed'})")
        write_png(chosen.out / f"{name}.png", under([read_photograph(row).pixels for row in rows]))
    print("failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


def beside(photograph: Photograph, ours: VeraAnonymizer, name: str, *, person: str) -> tuple[Pixels, dict[str, Any]]:
    """Source with the outlined region, result, and both near the region; and what became of it."""
    options = Options(regions=(Region(name),), seed=ours.options.seed)
    found = preview_by(photograph, options, detector=ours.detector, others=ours.others, parser=ours.parser)
    mask = found.masks[name]
    if mask is None:
        return blank(f"{person}: not there: {found.missing[name]}"), {"status": "not there", "reason": found.missing[name]}
    try:
        (made,) = ours.with_options(options)([photograph], person=person).photographs
    except VeraError as error:
        return blank(f"{person}: refused: {error}"), {"status": "refused", "reason": str(error)}
    kept = bool((made.image == photograph.pixels)[made.preserved].all() and made.preserved[mask].all())
    return row(photograph, made, f"{person} {name}"), {"status": "written", "pixels": int(made.preserved.sum()), "kept": kept}


def row(photograph: Photograph, made: Anonymized, title: str) -> Pixels:
    """The four pictures of a person."""
    whole = square(made.preserved | made.replaced, 1.15)
    near = square(made.preserved, AROUND)
    shown = [
        (f"{title}: source, outlined", outlined(photograph.pixels, made.preserved, width=max(2, photograph.size[0] // 500)), whole),
        ("result", made.image, whole),
        ("source, near", photograph.pixels, near),
        ("result, near", made.image, near),
    ]
    return np.concatenate([titled(text, cut(pixels, box)) for text, pixels, box in shown], axis=1)


def square(mask: Mask, around: float) -> tuple[int, int, int]:
    """Left, top and side of a square around a mask; it may reach over the picture's edge."""
    rows, columns = np.nonzero(mask)
    side = round(around * max(np.ptp(rows), np.ptp(columns), 40))
    return round((columns.min() + columns.max() - side) / 2), round((rows.min() + rows.max() - side) / 2), side


def cut(pixels: Pixels, box: tuple[int, int, int]) -> Pixels:
    """A square of a picture at the sheet's size, grey where the picture ends."""
    left, top, side = box
    padded = cv2.copyMakeBorder(pixels, side, side, side, side, cv2.BORDER_CONSTANT, value=(200, 200, 200))
    part = padded[top + side : top + 2 * side, left + side : left + 2 * side]
    return np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC), np.uint8)


def titled(text: str, picture: Pixels) -> Pixels:
    """A picture under a line of text."""
    canvas = Image.new("RGB", (picture.shape[1], picture.shape[0] + TEXT), "white")
    canvas.paste(Image.fromarray(picture), (0, TEXT))
    ImageDraw.Draw(canvas).text((4, TEXT // 2), text, fill="black", font=ImageFont.load_default(size=18), anchor="lm")
    return np.asarray(canvas)


def blank(text: str) -> Pixels:
    """A row with a sentence only."""
    return titled(text, np.full((SIDE // 6, 4 * SIDE, 3), 200, np.uint8))


def under(rows: list[Pixels]) -> Pixels:
    """Rows of one width below each other."""
    return np.concatenate([np.pad(one, ((0, GAP), (0, 0), (0, 0)), constant_values=255) for one in rows])


def sides(file: Path, out: Path) -> int:
    """A photograph stored in every EXIF orientation: as stored, and as it is read, with left and right eye, brow and cheek outlined."""
    ours = embedded(None, "cpu", Options(), leave_out_person=True, method="cover")
    upright, tiles, reference, swapped = read_photograph(file).pixels, [], None, []
    for orientation, store in STORED.items():
        path = out / f"orientation_{orientation}.png"
        image = Image.fromarray(np.ascontiguousarray(store(upright)))
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(path, exif=exif)
        read = read_photograph(path)
        masks = preview_by(read, Options(), detector=ours.detector, others=ours.others, parser=ours.parser).masks
        reference = reference or masks
        swapped += [f"{name} under {orientation}" for name, mask in masks.items() if not np.array_equal(mask, reference[name])]
        drawn = Image.fromarray(read.pixels)
        pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(size=read.size[0] // 28)
        for name in ("left_eye", "right_eye", "left_cheek", "right_cheek"):
            if (mask := masks[name]) is None:
                continue
            rows, columns = np.nonzero(mask)
            place = float(columns.mean()), float(rows.mean())
            pen.text(place, name, fill="white", font=font, anchor="mm", stroke_width=4, stroke_fill="black")
        shown = [(f"{orientation}: stored {TURNED.get(orientation, 'upright')}", store(upright)), ("as it is read", np.asarray(drawn))]
        tiles.append(np.concatenate([titled(text, cut(pixels, (0, 0, max(pixels.shape)))) for text, pixels in shown], axis=1))
    write_png(out / "sides.png", np.concatenate([under(tiles[:4]), under(tiles[4:])], axis=1))
    print("swapped or moved: " + (", ".join(swapped) or "none"))
    return 1 if swapped else 0


if __name__ == "__main__":
    sys.exit(main())
