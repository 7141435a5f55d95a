"""Pictures of an evaluation: distances, ROC curves, groups, and a few faces beside each other."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vera.evaluation.metrics.verification import roc
from vera.evaluation.report.table import Record, named
from vera.files import write_into_run
from vera.types import Matrix, Pixels

BINS = 60
SIDES = (("originals_same", "one person"), ("originals_different", "two people"), ("source", "anonymized and its own person"))


def histograms(curves: Mapping[str, Mapping[str, Matrix]], threshold: float, recogniser: str) -> Figure:
    """Distances of one person, of two, and of each anonymized photograph to the nearest of its own person; one row an anonymizer.

    Args:
        curves: sorted distances of each anonymizer, by its name.
        threshold: threshold of the recogniser, at which a line is drawn.
        recogniser: name of the recogniser, for the title.

    """
    figure = Figure(figsize=(7, 1.3 * len(curves) + 0.9), layout="constrained")
    rows = figure.subplots(len(curves), 1, sharex=True, squeeze=False)[:, 0]
    highest = max((float(values.max()) for found in curves.values() for values in found.values() if len(values)), default=1.0)
    bins = np.linspace(0, max(1.05 * highest, 1e-6), BINS + 1)
    for axes, (name, found) in zip(rows, curves.items(), strict=True):
        for side, label in SIDES:
            if len(found[side]):
                axes.hist(found[side], bins=bins, density=True, alpha=0.55, label=f"{label} ({len(found[side])})")
        axes.axvline(threshold, color="black", linestyle="--", linewidth=1)
        axes.set(ylabel=name, yticks=[])
        if axes.patches:
            axes.legend(loc="upper right", frameon=False, fontsize="small")
    rows[-1].set_xlabel(f"distance, {recogniser}; dashed: its threshold {threshold:g}")
    return figure


def roc_curves(curves: Mapping[str, Mapping[str, Matrix]], recogniser: str) -> Figure:
    """ROC curves of same-person against different-person pairs, in the originals and after each anonymizer."""
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    first = next(iter(curves.values()))
    axes.plot(*roc(first["originals_same"], first["originals_different"]), color="black", label="originals")
    for name, found in curves.items():
        axes.plot(*roc(found["anonymized_same"], found["anonymized_different"]), label=name)
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    axes.set(xlabel="two people taken for one", ylabel="one person recognised", title=f"pairs, {recogniser}", aspect="equal")
    axes.legend(loc="lower right", frameon=False, fontsize="small")
    return figure


def group_bars(records: Sequence[Record], names: Sequence[str], recogniser: str) -> Figure | None:
    """Share recognised at the recogniser's own threshold, for each group and anonymizer, with 95 % intervals; None without groups."""
    found = [record["measures"].get(f"recognition/{recogniser}", {}).get("nearest", {}).get("groups", {}) for record in records]
    groups = list(dict.fromkeys(group for one in found for group in one))
    if not groups:
        return None
    figure = Figure(figsize=(2.4 + 0.35 * len(groups) * (len(names) + 1), 3.2), layout="constrained")
    axes = figure.subplots()
    for number, (name, one) in enumerate(zip(names, found, strict=True)):
        shares = [one.get(group, {}).get("recognised", {}).get("own") or {} for group in groups]
        values = np.array([[share.get(key) or 0.0 for key in ("share", "low", "high")] for share in shares])
        places = np.arange(len(groups)) * (len(names) + 1) + number
        errors = [np.maximum(values[:, 0] - values[:, 1], 0), np.maximum(values[:, 2] - values[:, 0], 0)]
        axes.bar(places, values[:, 0], yerr=errors, width=0.9, capsize=2, label=name)
    axes.set(ylim=(0, 1), ylabel=f"recognised, {recogniser}")
    axes.set_xticks(np.arange(len(groups)) * (len(names) + 1) + (len(names) - 1) / 2, groups)
    figure.legend(loc="outside right upper", frameon=False, fontsize="small")
    return figure


def panels(rows: Sequence[Sequence[Pixels | None]], names: Sequence[str]) -> Figure:
    """Faces beside each other: one row a photograph, one column an anonymizer; None is shown as refused.

    Args:
        rows: square images, ``(H, W, 3)`` uint8, by row and column; None for a refused one.
        names: titles of the columns.

    """
    figure = Figure(figsize=(1.5 * len(names), 1.5 * len(rows) + 0.3), layout="constrained")
    grid = figure.subplots(len(rows), len(names), squeeze=False)
    for axes_of_row, images in zip(grid, rows, strict=True):
        for axes, image in zip(axes_of_row, images, strict=True):
            axes.set_axis_off()
            if image is None:
                axes.text(0.5, 0.5, "not written", ha="center", va="center", fontsize="small")
            else:
                axes.imshow(image)
    for axes, name in zip(grid[0], names, strict=True):
        axes.set_title(name, fontsize="small")
    return figure


def draw(
    folder: Path, records: Sequence[Record], names: Sequence[str], curves: Mapping[str, Mapping[str, Mapping[str, Matrix]]]
) -> list[Path]:
    """Write every figure that the records have something for.

    Args:
        folder: folder for ``distances-RECOGNISER.png``, ``roc-RECOGNISER.png`` and ``groups-RECOGNISER.png``.
        records: results of the anonymizers, lines of ``results.jsonl``.
        names: titles of the anonymizers, in the order of the records.
        curves: sorted distances of each recogniser, by anonymizer and recogniser.

    """
    written = []
    for recogniser in named(records, "recognition/"):
        having = {name: curves[name][recogniser] for name in names if recogniser in curves.get(name, {})}
        stated: Any = next(r["measures"][f"recognition/{recogniser}"] for r in records if f"recognition/{recogniser}" in r["measures"])
        drawn = {"groups": group_bars(records, names, recogniser)}
        if having:
            threshold = stated["calibration"]["threshold"]
            drawn |= {"distances": histograms(having, threshold, recogniser), "roc": roc_curves(having, recogniser)}
        written += [save(figure, folder / f"{kind}-{recogniser}.png") for kind, figure in drawn.items() if figure is not None]
    return written


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, without the metadata that would make equal figures differ."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110, metadata={"Software": None})
    write_into_run(path, content.getvalue())
    return path
