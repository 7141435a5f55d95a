"""The paper's Fig. 4: a face and its parsed edges, over inversions with and without the segmentation loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from cases import Cases
from judging import outlines
from matplotlib.figure import Figure
from methods import Made
from torch import Tensor

from vera.types import Pixels, tensor_to_image

SHOWN = ("optimisation 400", "optimisation 200", "encoder", "encoder + 50", "encoder + 50, renderer too")
FACES = 4


def figure(cases: Cases, made: Sequence[Made]) -> Figure:
    """A row a method: inversions, and the *input's* edges drawn over them; edges that lie beside what they outline were missed."""
    count = min(FACES, len(cases.names))
    rows = [("input", cases.images, None)]
    for name in SHOWN:
        rows += [(f"{name}\n{_loss(one)}", one.images, one.segmentations) for one in made if one.method == name]
    page = Figure(figsize=(3.2 * count + 1.2, 1.65 * len(rows)), layout="constrained")
    grid = page.subplots(len(rows), count, squeeze=False)
    for line, (name, images, maps) in zip(grid, rows, strict=True):
        for n, axes in enumerate(line):
            own = cases.segmentations[n] if maps is None else maps[n]
            axes.imshow(np.concatenate([tensor_to_image(images[n]), drawn(images[n], cases.segmentations[n], own)], axis=1))
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, fontsize="small")
    return page


def drawn(image: Tensor, wanted: Tensor, own: Tensor) -> Pixels:
    """An image with the input's edges in cyan, the inversion's own in red where they differ."""
    pixels = tensor_to_image(image).copy()
    pixels[outlines(own)] = (220, 40, 40)
    pixels[outlines(wanted)] = (0, 210, 255)
    return pixels


def _loss(one: Made) -> str:
    if one.method == "encoder":
        return ""
    return "with segmentation loss" if one.segmentation_loss else "without"
