"""Control and disentanglement of the default bundle after stage 2, by readers that it was not trained against; see README.md."""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from readers import Landmarks
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.utils import make_grid, save_image

from vera import load
from vera.attributes.age import ApparentAge
from vera.attributes.control import ControlledGenerator
from vera.evaluation.measures.controls import EVERYTHING, LOCAL, Reading, control, disentanglement, separability
from vera.types import LatentCodes, Semantic, VeraError

HERE = Path(__file__).parent
ASKED = {
    "yaw": "yaw", "pitch": "pitch", "roll": "roll", "mouth_opening": "mouth_opening", "mouth_width": "mouth_width",
    "eye_opening": "eye_opening", "brow_height": "brow_height", "light_right": "light_right", "light_below": "light_below",
}  # fmt: skip
"""The generator's control, and what the readers call the same thing. The units of light differ."""
SHOWN = ("yaw", "roll", "mouth_width", "mouth_opening", "light_right", "light_below")
"""Those that the attribute's code explains, by what the bundle says of its controls."""
COLUMNS, REACH = 7, 1.5
"""Columns of the figure, and how many standard deviations its ends are from the mean."""
ACCUMULATED: Any = (Semantic.HAIR, ("yaw", REACH), ("mouth_width", REACH), Semantic.EYES, ("light_right", REACH), ("roll", -REACH))
"""The figure's last row: another person's hair and eyes, and wanted values, one after the other."""
AGE: Any = {"path": None, "box": [0.173, 0.279, 0.827, 0.932], "ranges": {"age": [10, 70]}}
"""As in conf/attributes/faces.yaml. Age was nobody's attribute here: it should stay."""
SIDE = 160
FITTED = 5
"""DECISION: times as many faces for the regressions of separability: a code has 64 numbers, and half of the faces fit it."""
TRUNCATION = 0.7
"""DECISION: of the local codes. Drawn as widely as the bank's, one mouth in some is torn, whatever its attributes are."""


def measure(network: ControlledGenerator, *, faces: int, seed: int) -> dict[str, Any]:
    """One line of results.jsonl."""
    landmarks = Landmarks(typical(network))
    readers = {"landmarks": landmarks, "age": ApparentAge(**AGE)}
    reading = Reading(network, readers, faces=faces, batch=20, seed=seed, truncation=TRUNCATION)
    found = [landmarks.found(image) for numbers in reading.batches() for image in reading.see(reading.draw("face", numbers), numbers)[0]]
    still = Reading(network, {}, faces=faces, batch=20, seed=seed, truncation=TRUNCATION)
    plain = [landmarks.found(unmoved(network, still.draw("face", [n])).image[0]) for n in range(faces)]
    return {
        "experiment": "default bundle",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "bundle": network.info.digest[:16],
        "images_seen": network.info.provenance["images_seen"],
        "controls": network.info.provenance["controls"],
        "faces": faces,
        "truncation": TRUNCATION,
        "face_found": sum(found) / faces,
        "face_found_without_attributes": sum(plain) / faces,
        "control": control(reading, network, asked={q: r for q, r in ASKED.items() if q in network.places}),
        "disentanglement": disentanglement(reading, identity=landmarks.distance),
        "separability": separability(Reading(network, readers, faces=FITTED * faces, batch=20, seed=seed, truncation=TRUNCATION)),
    }


def typical(network: ControlledGenerator) -> Tensor:
    """The mean face, which has no attributes."""
    local = network.mean_code(count=2000)[None]
    return network(LatentCodes(local, network.no_attributes(1, local))).image[0].clamp(-1, 1)


def unmoved(network: ControlledGenerator, codes: LatentCodes) -> Any:
    """The same face without attributes."""
    return network(LatentCodes(codes.local, network.no_attributes(len(codes.local), codes.local)))


def matrix(line: dict[str, Any], path: Path) -> None:
    """Disentanglement: rows are codes, columns what was read, 1 is the change when everything is redrawn."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    table = {code: row for code, row in line["disentanglement"].items() if code != EVERYTHING}
    columns = list(next(iter(table.values())))
    figure, axis = plt.subplots(figsize=(9, 2.6), layout="constrained")
    values = [[row[c] if row[c] is not None else 0.0 for c in columns] for row in table.values()]
    axis.imshow(values, vmin=0, vmax=1, cmap="Greys", aspect="auto")
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            axis.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=7, color="white" if value > 0.6 else "black")
    axis.set_xticks(range(len(columns)), [c.replace("_", "\n") for c in columns], fontsize=7)
    axis.set_yticks(range(len(table)), ["local codes" if name == LOCAL else name for name in table], fontsize=8)
    axis.set_title("what changes when one code is redrawn (1: as when all are), read by landmarks, age network, recogniser", fontsize=8)
    figure.savefig(path, dpi=120)


@torch.no_grad()
def edits(network: ControlledGenerator, path: Path, *, seed: int) -> None:
    """Rows: one control each, from low to high, in a face of its own; then edits that are accumulated: hair, pose, mouth, eyes, light."""
    reading, rows = Reading(network, {}, faces=1, batch=1, seed=seed, truncation=TRUNCATION), []
    for number, quantity in enumerate(q for q in SHOWN if q in network.places):
        codes = usual(network, reading.draw("face", [number]))
        values = [at(network, quantity, step) for step in torch.linspace(-REACH, REACH, COLUMNS)]
        rows += [_small(network(network.edit(codes, {quantity: value}))) for value in values]
    codes = usual(network, reading.draw("face", [0]))
    other = reading.draw("other", [0])
    rows.append(_small(network(codes)))
    for edit in ACCUMULATED:
        if isinstance(edit, Semantic):
            codes = network.mix(codes, other, [edit])
        elif edit[0] in network.places:
            codes = network.edit(codes, {edit[0]: at(network, *edit)})
        rows.append(_small(network(codes)))
    save_image(make_grid(torch.stack(rows), nrow=COLUMNS, normalize=True, value_range=(-1, 1), padding=2), path)


def usual(network: ControlledGenerator, codes: LatentCodes) -> LatentCodes:
    """The same face with all controls at their means."""
    return network.edit(codes, {q: at(network, q, 0.0) for q in network.places})


def at(network: ControlledGenerator, quantity: str, step: Tensor | float) -> float:
    """A control's value so many standard deviations from its mean."""
    place = network.places[quantity]
    regressor = network.regressor(place.attribute)
    return float(regressor.mean[place.number] + step * regressor.spread[place.number])


def _small(made: Any) -> Tensor:
    return interpolate(made.image.clamp(-1, 1), SIDE, mode="bicubic", antialias=True)[0].clamp(-1, 1)


@torch.no_grad()
def main() -> None:
    """Measure, draw, append."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bundle", type=Path, required=True, help="what vera export makes of the run")
    arguments.add_argument("--faces", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=5)
    arguments.add_argument("--out", type=Path, default=Path("outputs/contrastive"))
    arguments.add_argument("--publish", action="store_true")
    chosen = arguments.parse_args()
    torch.set_num_threads(1)
    network: Any = load(chosen.bundle)
    if not isinstance(network, ControlledGenerator):
        raise VeraError(f"'{chosen.bundle}' is a {type(network).__name__} without controls: give the bundle of a stage 2 run")
    home = HERE if chosen.publish else chosen.out
    home.mkdir(parents=True, exist_ok=True)
    edits(network, home / "default_edits.png", seed=chosen.seed)
    line = measure(network, faces=chosen.faces, seed=chosen.seed)
    with (home / "results.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    matrix(line, home / "default_matrix.png")
    print(json.dumps(line, indent=1))


if __name__ == "__main__":
    main()
