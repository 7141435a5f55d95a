"""What a start by the encoder is worth: quality over seconds, from the encoder's codes and from the mean code."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

LINES = {"from the mean": r"optimisation (\d+)", "from the encoder": r"encoder(?: \+ (\d+))?"}
"""Names of methods, and in a group their steps; from the encoder they go along the axes, from the mean as is usual."""
MEASURES = {"MS-SSIM": ("ms_ssim",), "IoU of eight, parsed": ("segmentation_parsed", "mean_iou")}
Row = Mapping[str, Any]


def line(rows: Sequence[Row], start: str) -> dict[int, Row]:
    """Rows of a start by their steps, with the segmentation loss."""
    matches = ((re.fullmatch(LINES[start], row["method"]), row) for row in rows if row["segmentation_loss"])
    return dict(sorted((int(match.group(1) or 0), row) for match, row in matches if match))


def sentence(rows: Sequence[Row]) -> str:
    """How long optimisation from the mean takes to what the encoder reaches alone; empty where one of them was not run."""
    plain, alone = line(rows, "from the mean"), line(rows, "from the encoder").get(0)
    if alone is None or not plain:
        return ""
    said = []
    for name, path in MEASURES.items():
        steps = next((steps for steps, row in plain.items() if _value(row, path) >= _value(alone, path)), None)
        times = None if steps is None else plain[steps]["seconds"] / alone["seconds"]
        said.append(f"{name} in none of {list(plain)} steps" if steps is None else f"{name} in {steps} steps, {times:.0f} times as long")
    return "What the encoder alone reaches, optimisation from the mean reaches (of the budgets that were run): " + "; ".join(said) + "."


def figure(rows: Sequence[Row]) -> Figure:
    """A panel a measure, a line a start, a point a budget."""
    page = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, (name, path) in zip(page.subplots(1, len(MEASURES)), MEASURES.items(), strict=True):
        for start in LINES:
            points = line(rows, start)
            axes.plot([row["seconds"] for row in points.values()], [_value(row, path) for row in points.values()], "o-", label=start)
            for steps, row in points.items():
                axes.annotate(str(steps), (row["seconds"], _value(row, path)), fontsize=7, xytext=(3, -9), textcoords="offset points")
        axes.set(xscale="log", xlabel=f"seconds a face ({rows[0]['device']}), steps beside the points", ylabel=name)
        axes.grid(alpha=0.3)
        axes.legend()
    return page


def _value(row: Row, path: Sequence[str]) -> float:
    value: Any = row
    for key in path:
        value = value[key]
    return float(value)
