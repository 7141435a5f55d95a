"""The figure of the expectation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes

from vera.evaluation.report.figures import save

COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red")


def draw(networks: list[dict[str, Any]], loading: dict[str, dict[str, float]], inputs: dict[str, Any], path: Path) -> None:
    """Faces a second, what each GPU keeps of its speed, cost; loader processes by format. Shaded: from nothing hidden to the overlap."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, ((speed, kept), (cost, workers)) = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    one = inputs["step_images_per_second"]
    for colour, network in zip(COLOURS, networks, strict=False):
        name = f"{network['between']:g} GB/s between machines"
        rows, shared = network["rows"], [row for row in network["rows"] if row["images_per_second_same_batch"]]
        _band(speed, rows, lambda row: row["images_per_second"], colour, "-", name)
        _band(kept, rows, lambda row: [value / row["gpus"] / one for value in row["images_per_second"]], colour, "-", name)
        _band(kept, shared, lambda row: [v / row["gpus"] / one for v in row["images_per_second_same_batch"]], colour, "--", None)
        _band(cost, rows, lambda row: row["cost"], colour, "-", name)
    gpus = [row["gpus"] for row in networks[0]["rows"]]
    for panel, title in (
        (speed, f"faces a second, {inputs['step_images']} a GPU"),
        (kept, f"share of n times as fast (dashed: {inputs['step_images']} in all)"),
        (cost, f"cost of {inputs['images']:,} faces, {inputs['price']:g} for a GPU and hour"),
    ):
        panel.set(xscale="log", xlabel="GPUs", title=title)
        panel.set_xticks(gpus, gpus)
        panel.minorticks_off()
    speed.set(yscale="log")
    speed.legend()
    kept.set(ylim=(0, 1.05))
    cost.set(ylim=(0, None))
    names = list(loading)[::-1]
    bars = workers.barh(names, [loading[name]["workers_a_gpu"] for name in names], color="grey")
    workers.bar_label(bars, fmt="%.2f", padding=3)
    workers.margins(x=0.15)
    workers.set(title=f"loader processes for a GPU's {one:g} faces a second")
    save(figure, path)


def _band(panel: Axes, rows: list[dict[str, Any]], of: Any, colour: str, style: str, label: str | None) -> None:
    gpus, values = [row["gpus"] for row in rows], [of(row) for row in rows]
    panel.fill_between(gpus, [low for low, _ in values], [high for _, high in values], color=colour, alpha=0.2)
    panel.plot(gpus, [low for low, _ in values], style, color=colour, label=label, marker="o", markersize=3)
