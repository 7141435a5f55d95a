"""The ablation table, mirroring × projection × loss × seed, as Hydra multiruns on procedural faces; see README.md beside this file."""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torchvision.utils import make_grid, save_image

from vera import bundle
from vera.attributes.control import ControlledGenerator
from vera.attributes.encoder import AttributeEncoder, encoder_config
from vera.evaluation.measures.controls import Reading, control, disentanglement, separability
from vera.evaluation.measures.probe import ProceduralProbe
from vera.training.export.contrastive import GENERATOR, with_controls
from vera.training.runs.record import read_checkpoint
from vera.training.runs.stored import read_config

HERE = Path(__file__).parent
SWEEP = ["stage.mirroring=true,false", "stage.projection=true,false", "stage.loss=ntxent,margin"]
SEEDS = (0, 1, 2)
SWITCHES = ("mirroring", "projection", "loss")
SMALL = [
    "generator.size=16", "generator.coarse_size=8", "generator.start_size=4", "generator.channels={16: 32}", "+generator.channels.8=32",
    "discriminator.size=16", "discriminator.channels={4: 16, 8: 16, 16: 16}",
    "stage.path_every=0", "~callbacks.progress", "~callbacks.curve", "~callbacks.sheet",
]  # fmt: skip
"""The network of teach.py."""
ASKED = {"yaw": "yaw", "mouth_width": "smile", "light_right": "light"}
"""The generator's control, and what the probe calls the same thing, in another unit."""
MEANT = {"pose": "yaw", "expression": "smile", "illumination": "light"}
FACES, COLUMNS = 1000, 7


def train(folder: Path, seed: int, overrides: list[str]) -> None:
    """All runs of one seed, one after the other."""
    command = [
        sys.executable,
        "-m",
        "vera.cli",
        "train",
        "--multirun",
        "experiment=smoke_contrastive",
        f"hydra.sweep.dir={folder}",
        f"seed={seed}",
    ]
    subprocess.run([*command, *SMALL, *SWEEP, *overrides], check=True)


def finished(run: Path) -> tuple[Any, ControlledGenerator, dict[str, AttributeEncoder], int]:
    """A run's configuration, its averaged generator with controls, the encoders that it was trained against, and the images it saw."""
    config: Any = read_config(run / "config.yaml")
    state = read_checkpoint(run / "last.ckpt")["vera"]
    network: Any = bundle.rebuild({"class": GENERATOR, "config": state["networks"]["generator"]["config"]}, state["ema"], source=str(run))
    encoders = {str(name): instantiate(encoder_config(entry), _convert_="all") for name, entry in config.attributes.items()}
    return config, with_controls(network.eval(), encoders, faces=FACES, seed=0), encoders, int(state["images_seen"])


def complete(run: Path) -> bool:
    """Whether a run saw all its images: an interrupted one is not compared."""
    config: Any = OmegaConf.load(run / "config.yaml")
    return bool(read_checkpoint(run / "last.ckpt")["vera"]["images_seen"] >= config.images)


def judge(run: Path, probe: ProceduralProbe) -> dict[str, Any]:
    """One line of results.jsonl."""
    config, network, encoders, seen = finished(run)
    independent = Reading(network, {"probe": probe}, faces=FACES, batch=100, seed=1)
    explained = separability(independent)
    own = {name: explained[name][read] for name, read in MEANT.items()}
    leaks = {name: max(explained[other][read] for other in MEANT if other != name) for name, read in MEANT.items()}
    return {
        "experiment": "ablation",
        "seed": int(config.seed),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "mirroring": bool(config.stage.mirroring),
        "projection": bool(config.stage.projection),
        "loss": str(config.stage.loss),
        "shared_noise": bool(config.stage.shared_noise),
        "size": int(network.size),
        "images_seen": seen,
        "own": own,
        "most_by_another_code": leaks,
        "explained": explained,
        "explained_by_trained_encoders": separability(Reading(network, encoders, faces=FACES, batch=100, seed=1)),
        "disentanglement": disentanglement(independent),
        "control": control(independent, network, asked={q: r for q, r in ASKED.items() if q in network.places}),
    }


def over_seeds(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line for each variant: mean, least and greatest of its seeds."""
    variants: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for line in lines:
        variants.setdefault(tuple(line[switch] for switch in SWITCHES), []).append(line)
    return [
        {
            "experiment": "ablation over seeds",
            **{switch: same[0][switch] for switch in SWITCHES},
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "seeds": [line["seed"] for line in same],
            **{
                name: {attribute: spread([line[name][attribute] for line in same]) for attribute in MEANT}
                for name in ("own", "most_by_another_code")
            },
            "explained": {
                code: {read: sum(line["explained"][code][read] for line in same) / len(same) for read in MEANT.values()}
                for code in (*MEANT, "local")
            },
        }
        for same in variants.values()
    ]


def spread(values: list[float]) -> dict[str, float]:
    """Mean, least and greatest."""
    return {"mean": sum(values) / len(values), "least": min(values), "greatest": max(values)}


@torch.no_grad()
def edits(network: ControlledGenerator, path: Path) -> None:
    """Rows: one face each, one control moved; columns: values from two standard deviations below the mean to two above."""
    reading = Reading(network, {}, faces=1, batch=1, seed=3)
    rows = []
    for number, quantity in enumerate(q for q in ASKED if q in network.places):
        place = network.places[quantity]
        regressor = network.regressor(place.attribute)
        codes = reading.draw("face", [number])
        for step in torch.linspace(-2, 2, COLUMNS):
            value = float(regressor.mean[place.number] + step * regressor.spread[place.number])
            rows.append(network(network.edit(codes, {quantity: value})).image[0].clamp(-1, 1))
    grid = make_grid(torch.stack(rows), nrow=COLUMNS, normalize=True, value_range=(-1, 1), padding=1)
    save_image(torch.nn.functional.interpolate(grid[None], scale_factor=6, mode="nearest"), path)


def draw(lines: list[dict[str, Any]], path: Path) -> None:
    """The table: R² of each code for each thing that the probe reads, the mean over the seeds, a panel for each variant."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, (len(lines) + 1) // 2, figsize=(2.2 * ((len(lines) + 1) // 2), 5), squeeze=False, layout="constrained")
    for panel in panels.flat:
        panel.set_axis_off()
    for panel, line in zip(panels.flat, lines, strict=False):
        codes = [*MEANT, "local"]
        table = [[max(line["explained"][code][read], 0) for read in MEANT.values()] for code in codes]
        panel.set_axis_on()
        panel.imshow(table, vmin=0, vmax=1, cmap="Greys")
        for y, row in enumerate(table):
            for x, value in enumerate(row):
                panel.text(x, y, f"{value:.2f}", ha="center", va="center", fontsize=7, color="white" if value > 0.5 else "black")
        panel.set_xticks(range(3), list(MEANT.values()), fontsize=7)
        panel.set_yticks(range(4), codes, fontsize=7)
        switches = [line["loss"], "mirroring" if line["mirroring"] else "no mirroring", "head" if line["projection"] else "no head"]
        panel.set_title("\n".join(switches), fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Train, judge, draw."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path, required=True, help="of the runs; trained first if it does not exist")
    arguments.add_argument("overrides", nargs="*", help="for all runs, for example stage.start.generator=BUNDLE images=4000")
    chosen = arguments.parse_args()
    torch.set_num_threads(1)
    for seed in SEEDS:
        if not (chosen.folder / f"seed{seed}").exists():
            train(chosen.folder / f"seed{seed}", seed, chosen.overrides)
    runs = sorted(path.parent for path in chosen.folder.glob("seed*/*/last.ckpt") if complete(path.parent))
    config: Any = OmegaConf.load(runs[0] / "config.yaml")
    probe = ProceduralProbe(size=int(config.data.dataset.size))
    reads = probe.learn(faces=4000, epochs=16, seed=77)
    lines = [judge(run, probe) | {"probe": reads} for run in runs]
    for run, line in zip(runs, lines, strict=True):
        if line["seed"] == SEEDS[0] and line["mirroring"] and line["projection"] and line["loss"] == "ntxent":
            edits(finished(run)[1], HERE / "edits.png")
    table = over_seeds(lines)
    results = HERE / "results.jsonl"
    others = [
        line for line in results.read_text(encoding="utf-8").splitlines() if not json.loads(line)["experiment"].startswith("ablation")
    ]
    written = [*others, *(json.dumps(line) for line in [*lines, *table])]
    results.write_text("".join(f"{line}\n" for line in written), encoding="utf-8")
    draw(table, HERE / "ablation.png")


if __name__ == "__main__":
    main()
