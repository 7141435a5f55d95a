"""Encoder, refinement and segmentation loss against plain optimisation. See README.md beside this file.

python experiments/inversion/inversion.py --bundle DIR [--data generated|MOSAICS] [--photos PHOTOS] [--count N] [--device cuda] [--publish]
What is done already in --out is not done again: `--only prepare`, then `--only invert --device cuda` on a machine with a GPU (it needs no
dlib), then `--only judge`, is one run on two machines. Exit code 1 if a claim does not hold. Pictures of people stay in --out; the figure
is published only where the faces are made up.
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from cases import GENERATED, Cases, generated, mosaics, photographs
from methods import METHODS, Made, invert

from vera import __version__
from vera.bundle import default_bundle, load
from vera.faces.parser_choice import DEFAULT as PARSER

HERE = Path(__file__).parent
FASTER, SHARE_OF_TIME, UNHURT = 20, 1 / 5, 0.95
"""The claims: see README.md."""
REFINED, FITTED = "encoder + 50", "encoder + 50, renderer too"
PUBLISHED, OURS = "published optimisation 400", "optimisation 400"
Row = dict[str, Any]


def main() -> int:
    """Prepare, invert, judge; publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=default_bundle())
    parser.add_argument("--data", default=GENERATED, help="generated, or a folder of mosaics with masks")
    parser.add_argument("--photos", type=Path, help="photographs of people who consented, in the place of --data")
    parser.add_argument("--described", default="", help="what the data are, for the record")
    parser.add_argument("--count", type=int, default=16, help="faces, evenly spaced")
    parser.add_argument("--batch", type=int, default=1, help="faces at once")
    parser.add_argument("--parser", default=PARSER, help="shipped, landmarks, a parser's bundle, or an ONNX file")
    parser.add_argument("--all", action="store_true", help="the methods on which no claim rests, too: about twice the time")
    parser.add_argument("--lpips", type=Path, help="AlexNet's torchvision file; without it LPIPS is not measured")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("prepare", "invert", "judge"), help="one part of the run")
    parser.add_argument("--out", type=Path, default=Path("outputs/inversion"))
    parser.add_argument("--publish", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    torch.serialization.add_safe_globals([Cases, Made])
    network: Any = load(options.bundle)
    parts = [options.only] if options.only else ["prepare", "invert", "judge"]
    if "prepare" in parts:
        prepare(network, options)
    if "invert" in parts:
        invert_all(network.to(options.device), options)
    return judge(network, options) if "judge" in parts else 0


def prepare(network: Any, options: argparse.Namespace) -> None:
    """The faces, once."""
    file = options.out / "cases.pt"
    if file.is_file():
        return
    if options.photos:
        cases = photographs(options.photos, network.size, options.count, options.parser)
    elif options.data == GENERATED:
        cases = generated(network, options.count, options.seed)
    else:
        cases = mosaics(Path(options.data), network.size, options.count)
    torch.save(cases, file)


def invert_all(network: Any, options: argparse.Namespace) -> None:
    """Each method with and without the segmentation loss, or those that are wanted; the encoder alone knows neither."""
    cases: Cases = torch.load(options.out / "cases.pt", weights_only=True)
    for method in METHODS:
        for with_loss in (False,) if method.published else (True, False) if method.steps else (True,):
            if not (options.all or wanted(cases.source, method.name, with_loss)):
                continue
            file = options.out / f"{method.name.replace(', ', '_').replace(' ', '_')}_{'with' if with_loss else 'without'}.pt"
            if not file.is_file():
                print(file.stem, flush=True)
                made = invert(network, cases, method, segmentation_loss=with_loss, batch=options.batch, device=options.device)
                torch.save(made, file)


def wanted(source: str, method: str, with_loss: bool) -> bool:
    """DECISION: of the long optimisations those that a claim names, and without the segmentation loss what a claim compares."""
    if "optimisation" in method and ("400" in method if source == GENERATED else "200" in method):
        return False
    return with_loss or method.startswith("published") or (method == FITTED and source != GENERATED)


def judge(network: Any, options: argparse.Namespace) -> int:
    """The table, the figure, the verdict."""
    import worth  # dlib and matplotlib are wanted only here
    from edges import figure
    from judging import Judging

    from vera.evaluation.report.figures import save

    cases: Cases = torch.load(options.out / "cases.pt", weights_only=True)
    made: list[Made] = [torch.load(file, weights_only=True) for file in sorted(options.out.glob("*_with*.pt"))]
    order = [method.name for method in METHODS]
    made.sort(key=lambda one: (order.index(one.method), not one.segmentation_loss))
    look = Judging(cases, parser=options.parser, lpips=options.lpips)
    stated = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "vera": __version__,
        "bundle": network.info.digest[:16],
        "passes": network.passes,
        "data": options.described,
        "parser": look.parser.name,
        "device": options.device,
        "threads": options.threads,
        "refused": len(cases.refused),
    }
    rows = [{**stated, **look(one)} for one in made]
    base = next((row["seconds"] for row in rows if row["method"] == "encoder"), None)
    for row in rows:
        row["times_encoder"] = round(row["seconds"] / base, 1) if base else None
    (options.out / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = f"{page(rows)}\n{worth.sentence(rows)}\n"
    (options.out / f"results_{cases.source}.md").write_text(table)
    print(table)
    save(figure(cases, made), options.out / "edges.png")
    save(worth.figure(rows), options.out / f"worth_{cases.source}.png")
    if options.publish:
        with (HERE / "results.jsonl").open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)
        for name in (f"results_{cases.source}.md", f"worth_{cases.source}.png"):
            shutil.copyfile(options.out / name, HERE / name)
        if cases.source != "photographs":
            shutil.copyfile(options.out / "edges.png", HERE / "edges.png")
    failures = verdict(rows)
    print("failures: " + (", ".join(failures) or "none"))
    return 1 if failures else 0


COLUMNS = {
    "pixel error": "pixel",
    "MS-SSIM": "ms_ssim",
    "LPIPS": "lpips_alex",
    "IoU of eight, parsed": "segmentation_parsed",
    "IoU of eight, own": "segmentation_own",
    "identity distance": "identity_distance",
    "face found": "face_found",
    "pose, degrees": "pose_degrees",
    "expression": "expression_eye_distances",
    "codes": "codes",
    "seconds": "seconds",
    "times the encoder": "times_encoder",
}


def page(rows: Sequence[Row]) -> str:
    """The table as Markdown, then IoU per class."""
    first = rows[0]
    lines = [
        f"{first['source']}, {first['faces']} faces ({first['refused']} refused), bundle {first['bundle']}, {first['passes']} passes, "
        f"{first['device']} ({first['threads']} threads), batch {first['batch']}, parser {first['parser']}",
        "",
        "| method | segmentation loss | " + " | ".join(COLUMNS) + " |",
        "|---|---|" + "---|" * len(COLUMNS),
    ]
    for row in rows:
        cells = [_cell(row[key]["mean_iou"] if isinstance(row[key], Mapping) else row[key]) for key in COLUMNS.values()]
        lines.append(f"| {row['method']} | {_loss(row)} | " + " | ".join(cells) + " |")
    classes = list(first["segmentation_own"]["iou"])
    for which in ("parsed", "own"):
        lines += ["", f"IoU per class, {which}", ""]
        lines += ["| method | segmentation loss | " + " | ".join(classes) + " |", "|---|---|" + "---|" * len(classes)]
        for row in rows:
            iou = (row[f"segmentation_{which}"] or {"iou": {}})["iou"]
            lines.append(f"| {row['method']} | {_loss(row)} | " + " | ".join(_cell(iou.get(name)) for name in classes) + " |")
    return "\n".join(lines) + "\n"


def verdict(rows: Sequence[Row]) -> list[str]:
    """Which claims of README.md do not hold."""
    found = {(row["method"], row["segmentation_loss"]): row for row in rows}
    encoder = found["encoder", True]
    if rows[0]["source"] == GENERATED:
        plain = found["optimisation 200", True]
        goals = {
            "the encoder's codes are further off than 200 steps from the mean": encoder["codes"] >= plain["codes"],
            "the encoder's image is further off than 200 steps from the mean": encoder["ms_ssim"] <= plain["ms_ssim"],
            f"the encoder is less than {FASTER} times as fast": plain["seconds"] < FASTER * encoder["seconds"],
        }
    else:
        goals = {
            **_beaten(found.get((REFINED, True)), found.get((PUBLISHED, False))),
            **_beaten(found.get((FITTED, True)), found.get((OURS, True))),
        }
        some, without = found[FITTED, True], found[FITTED, False]
        goals |= {
            "the segmentation loss does not raise IoU": _iou(some) <= _iou(without),
            "the segmentation loss hurts MS-SSIM": some["ms_ssim"] < UNHURT * without["ms_ssim"],
        }
    return [goal for goal, missed in goals.items() if missed]


def _beaten(some: Row | None, long: Row | None) -> dict[str, bool]:
    """What a claim says of a start by the encoder and of a long optimisation from the mean, and whether it is missed."""
    if some is None or long is None:
        return {"an encoder's or a long optimisation's row that a claim needs was not run": True}
    pair = f"{some['method']}, beside {long['method']}"
    return {
        f"{pair}: no higher MS-SSIM": some["ms_ssim"] <= long["ms_ssim"],
        f"{pair}: no higher IoU": _iou(some) <= _iou(long),
        f"{pair}: more than a fifth of the time": some["seconds"] > SHARE_OF_TIME * long["seconds"],
    }


def _iou(row: Row) -> float:
    return float((row["segmentation_parsed"] or row["segmentation_own"])["mean_iou"])


def _loss(row: Row) -> str:
    return "-" if row["method"] == "encoder" else "with" if row["segmentation_loss"] else "without"


def _cell(value: Any) -> str:
    return "-" if value is None or isinstance(value, str) else f"{value:.3f}"


if __name__ == "__main__":
    sys.exit(main())
