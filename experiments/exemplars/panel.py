"""The listed photographs beside what both renderers make of them, at full size; see README.md beside this file.

python experiments/exemplars/panel.py --root london=DIR --root lfw=DIR [--out DIR] [--limit N] [--shard 0/2] [--publish]
Each photograph gives one PNG in --out: the photograph, exemplars, generator. What is there is not made again. With --publish, the people
of the London set, who agreed to that, are put together in panel.jpg beside this script; nobody else is.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw

from vera.anonymization.interface import RENDERERS, embedded
from vera.anonymization.pipeline import VeraAnonymizer
from vera.anonymization.request import Options
from vera.distributed import parse_shard
from vera.faces.photograph import read_photograph, write_png
from vera.mosaic.report import sheet
from vera.types import Photograph, Pixels, Semantic, VeraError

HERE = Path(__file__).parent
SHOWN = "london"
"""The set whose people may be shown."""
TILE, COLUMNS, LARGEST = 240, 2, 1_000_000
"""Height of a photograph in the contact sheet, photographs in its rows, bytes it may have."""
KEPT = (Semantic.MOUTH,)
GREY = 200


def main() -> int:
    """Make what is not there, then the contact sheet; exit code 1 when a photograph was refused by the first renderer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", action="append", required=True, help="SET=DIR, for each set of the list")
    parser.add_argument("--list", type=Path, default=HERE / "photographs.csv")
    parser.add_argument("--out", type=Path, default=Path("outputs/exemplars_panel"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="only the first N photographs of each set")
    parser.add_argument("--shard", help="NUMBER/COUNT: only make this share of the photographs")
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    roots = {name: Path(folder) for name, _, folder in (root.partition("=") for root in options.root)}
    listed = read_list(options.list, roots, options.limit)
    number, count = parse_shard(options.shard) or (0, 1)
    missing = [one for one in listed[number::count] if not (options.out / f"{stem(*one)}.png").is_file()]
    renderers = [our(renderer, options.seed) for renderer in RENDERERS] if missing else []
    for name, path in missing:
        pictures, lines = beside(read_photograph(roots[name] / path), renderers, person=owner(path))
        write_png(options.out / f"{stem(name, path)}.png", pictures)
        (options.out / f"{stem(name, path)}.json").write_text(json.dumps({"set": name, "path": path, "renderers": lines}) + "\n")
        print(f"{name}/{path}: " + ", ".join(f"{renderer} {line['status']}" for renderer, line in lines.items()), flush=True)
    if options.shard:
        return 0
    if options.publish:
        contact_sheet([options.out / f"{stem(*one)}.png" for one in listed if one[0] == SHOWN], HERE / "panel.jpg")
    records = [json.loads((options.out / f"{stem(*one)}.json").read_text()) for one in listed]
    refused = [f"{record['set']}/{record['path']}" for record in records if record["renderers"][RENDERERS[0]]["status"] != "written"]
    print("refused: " + (", ".join(refused) or "none"))
    return 1 if refused else 0


def our(renderer: str, seed: int) -> VeraAnonymizer:
    """The anonymizer with the mouth kept; no face is mixed from rows that its owner went into."""
    return embedded(None, "cpu", Options(preserve=KEPT, seed=seed), renderer=renderer, leave_out_person=True)


def read_list(table: Path, roots: dict[str, Path], limit: int | None) -> list[tuple[str, str]]:
    """Set and path of each photograph.

    Raises:
        VeraError: a set without a root.

    """
    with table.open(newline="", encoding="utf-8") as stream:
        rows = [(row["set"], row["path"]) for row in csv.DictReader(stream)]
    sets = dict.fromkeys(name for name, _ in rows)
    absent = [name for name in sets if name not in roots]
    if absent:
        raise VeraError(f"no folder of the set '{absent[0]}': give --root {absent[0]}=DIR")
    return [row for name in sets for row in [row for row in rows if row[0] == name][:limit]]


def owner(path: str) -> str:
    """The person's id: what stands before the last ``_`` of the file's name."""
    return Path(path).stem.rpartition("_")[0]


def stem(name: str, path: str) -> str:
    """Of the output's file."""
    return f"{name}_{Path(path).stem}"


def beside(photograph: Photograph, renderers: list[VeraAnonymizer], *, person: str) -> tuple[Pixels, dict[str, Any]]:
    """The photograph and the outputs in a row, and what became of each."""
    pictures, lines = [photograph.pixels], {}
    for one in renderers:
        started = time.perf_counter()
        try:
            pictures.append(one([photograph], person=person).photographs[0].image)
            lines[one.renderer.name] = {"status": "written"}
        except VeraError as error:
            pictures.append(blank(photograph.pixels, str(error)))
            lines[one.renderer.name] = {"status": "refused", "reason": str(error)}
        lines[one.renderer.name] |= {"seconds": round(time.perf_counter() - started, 2)}
    return np.concatenate(pictures, axis=1), lines


def blank(like: Pixels, reason: str) -> Pixels:
    """A grey picture with the reason for a refusal."""
    picture = Image.fromarray(np.full_like(like, GREY))
    width = max(20, like.shape[1] // 7)
    lines = [reason[n : n + width] for n in range(0, len(reason), width)]
    ImageDraw.Draw(picture).multiline_text((8, like.shape[0] // 3), "refused\n" + "\n".join(lines[:8]), fill="black")
    return np.asarray(picture)


def contact_sheet(files: list[Path], target: Path) -> None:
    """The rows at a small size in one JPEG.

    Raises:
        VeraError: it is too large for a repository.

    """
    tiles = []
    for file in files:
        row = read_photograph(file).pixels
        width = round(row.shape[1] * TILE / row.shape[0])
        tiles.append(np.asarray(cv2.resize(row, (width, TILE), interpolation=cv2.INTER_AREA), np.uint8))
    widest = max(tile.shape[1] for tile in tiles)
    padded = [np.pad(tile, ((2, 2), (2, 2 + widest - tile.shape[1]), (0, 0)), constant_values=255) for tile in tiles]
    Image.fromarray(sheet(padded, columns=COLUMNS)).save(target, quality=88)
    if target.stat().st_size > LARGEST:
        raise VeraError(f"'{target}' has {target.stat().st_size} bytes, more than {LARGEST}: lower TILE")


if __name__ == "__main__":
    sys.exit(main())
