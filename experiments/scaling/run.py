"""What a training costs on 1 to 64 GPUs, and when it waits for its data; see README.md beside this file.

python experiments/scaling/run.py measure [--device gpu --precision bf16-mixed --batch 64 --steps 32]
python experiments/scaling/run.py expect --step-images-per-second R --step-images N --source "where R is from" --price P
Both append to results.jsonl in --folder; the second also draws scaling.png there. --folder experiments/scaling publishes.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import loader
import steps
import torch
from drawing import draw
from hydra.utils import instantiate
from model import Cluster, Step, cost, images_per_second, loaded_per_second, workers_needed

from vera.provenance import provenance

GPUS = (1, 2, 4, 8, 16, 32, 64)
STAGE = "autoencoder, adversary"
GROUP = 4
"""Faces that an objective compares or mixes with each other: no GPU takes fewer."""


def main() -> int:
    """Measure, or compute from what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("outputs/scaling"))
    what = parser.add_subparsers(required=True)
    measuring = what.add_parser("measure", help="about two minutes on one core")
    measuring.set_defaults(act=measure)
    measuring.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    measuring.add_argument("--precision", default="32-true", help="of the full-size step")
    measuring.add_argument("--stage", choices=steps.FULL, default="autoencoder", help="whose full-size step is timed")
    measuring.add_argument("--batch", type=int, default=2, help="faces of the full-size step")
    measuring.add_argument("--steps", type=int, default=4, help="of full size; 16 or more where there are lazy phases")
    measuring.add_argument("--faces", type=int, default=96, help="in each data format, a multiple of 16")
    measuring.add_argument("--size", type=int, default=256)
    measuring.add_argument("--rounds", type=int, default=7)
    expecting = what.add_parser("expect", help="seconds; stands on the last lines that were measured")
    expecting.set_defaults(act=expect)
    expecting.add_argument("--step-images-per-second", type=float, required=True, help="of one GPU")
    expecting.add_argument("--step-images", type=int, required=True, help="faces of that step")
    expecting.add_argument("--source", required=True, help="where and how that was measured")
    expecting.add_argument("--stage", choices=steps.FULL, default=STAGE, help="whose gradients")
    expecting.add_argument("--images", type=int, default=600_000, help="of the run whose cost is wanted")
    expecting.add_argument("--price", type=float, required=True, help="of one GPU for an hour; assumed")
    expecting.add_argument("--node", type=int, default=8, help="GPUs in a machine")
    expecting.add_argument("--within", type=float, default=450.0, help="GB/s from a GPU to others in the machine, one direction (NVLink)")
    networks = "GB/s of a GPU's share of the network between machines, one direction; one number a network"
    expecting.add_argument("--between", type=float, nargs="+", default=[50.0, 1.5625], help=networks)
    expecting.add_argument("--latency", type=float, default=10.0, help="microseconds of a hop; assumed")
    expecting.add_argument("--overlap", type=float, default=0.5, help="share of the computing under which communication is hidden; assumed")
    expecting.add_argument("--workers", type=int, default=14, help="loader processes for each GPU")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    chosen.act(chosen)
    return 0


def measure(chosen: argparse.Namespace) -> None:
    """Steps, gradients and data formats, on this machine."""
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    asked = {key: str(value) for key, value in vars(chosen).items() if key != "act"}
    origin = provenance(asked, device="cuda" if chosen.device == "gpu" else "cpu") | {"load": round(os.getloadavg()[0], 2)}
    for stage, overrides in steps.TINY.items():
        config = steps.composed(overrides)
        expected = steps.counted(instantiate(config.stage.module, _convert_="all"))
        found = steps.measured(config, steps=steps.CYCLE, device="cpu", precision="32-true") | {"counted": expected}
        _keep(chosen, "step", stage=stage, size="tiny", device="cpu", images=config.batch_size, **found, provenance=origin)
    for stage, overrides in steps.FULL.items():
        config = steps.composed(overrides)
        with torch.random.fork_rng():
            expected = steps.counted(instantiate(config.stage.module, _convert_="all"))
        _keep(chosen, "gradients", stage=stage, size="full", side=int(config.data.dataset.size), **expected, provenance=origin)
    config = steps.composed([*steps.FULL[chosen.stage], f"batch_size={chosen.batch}"])
    found = steps.measured(config, steps=chosen.steps, device=chosen.device, precision=chosen.precision)
    _keep(chosen, "step", stage=chosen.stage, size="full", device=chosen.device, images=chosen.batch, **found, provenance=origin)
    with tempfile.TemporaryDirectory(prefix="vera_scaling_") as root:
        loader.make(Path(root), faces=chosen.faces, size=chosen.size)
        found = loader.measured(loader.streams(loader.formats(Path(root), size=chosen.size)), rounds=chosen.rounds)
        disk = loader.bytes_a_face(Path(root), chosen.faces)
    _keep(chosen, "loader", size=chosen.size, faces=chosen.faces, rounds=chosen.rounds, formats=found, bytes_a_face=disk, provenance=origin)


def expect(chosen: argparse.Namespace) -> None:
    """The model's numbers, a table, the figure."""
    file = chosen.folder / "results.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    gradients = next((line for line in reversed(lines) if line["measure"] == "gradients" and line["stage"] == chosen.stage), None)
    formats = next((line["formats"] for line in reversed(lines) if line["measure"] == "loader"), None)
    if gradients is None or formats is None:
        sys.exit(f"{file} holds no measurements: python experiments/scaling/run.py --folder {chosen.folder} measure")
    networks = []
    for between in chosen.between:
        cluster = Cluster(chosen.node, 1e9 * chosen.within, 1e9 * between, 1e-6 * chosen.latency)
        networks.append({"between": between, "rows": [row(chosen, gradients, cluster, gpus) for gpus in GPUS]})
    loading = {
        name: {
            "images_per_second": found["images_per_cpu_second"],
            "workers_a_gpu": workers_needed(found["images_per_cpu_second"], chosen.step_images_per_second),
            "limit_a_gpu": loaded_per_second(found["images_per_cpu_second"], chosen.workers, 1),
        }
        for name, found in formats.items()
    }
    inputs = {key: value for key, value in vars(chosen).items() if key not in ("act", "folder")}
    _keep(chosen, "expectation", inputs=inputs, volume=gradients["volume"], networks=networks, loading=loading)
    draw(networks, loading, inputs, chosen.folder / "scaling.png")


def row(chosen: argparse.Namespace, gradients: dict[str, float], cluster: Cluster, gpus: int) -> dict[str, Any]:
    """What so many GPUs bring where each takes the step's faces, and where all of them share these: ``[nothing hidden, overlap]``."""

    def speeds(images: int) -> list[float]:
        step = Step(images, images / chosen.step_images_per_second, gradients["volume"], gradients["messages"])
        return [images_per_second(step, gpus, cluster, overlap=overlap) for overlap in (0.0, chosen.overlap)]

    each, share = speeds(chosen.step_images), chosen.step_images // gpus
    return {
        "gpus": gpus,
        "images_per_second": each,
        "hours": [chosen.images / speed / 3600 for speed in each],
        "cost": [cost(chosen.images, speed, gpus, chosen.price) for speed in each],
        "images_per_second_same_batch": speeds(share) if share >= GROUP and share * gpus == chosen.step_images else None,
    }


def _keep(chosen: argparse.Namespace, measure: str, **line: Any) -> None:
    """Append a line, and show it."""
    text = json.dumps({"measure": measure, **line})
    with (chosen.folder / "results.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(text + "\n")
    shown = {key: value for key, value in line.items() if key != "provenance"}
    sys.stdout.write(f"{measure}: {json.dumps(shown)}\n")


if __name__ == "__main__":
    sys.exit(main())
