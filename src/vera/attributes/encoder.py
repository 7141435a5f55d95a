"""The base class of attribute encoders: frozen networks that read numbers from a face and can be differentiated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.types import VeraError


@dataclass(frozen=True)
class Quantity:
    """One number that an encoder reads, and that can be asked for by name.

    Attributes:
        name: name of the quantity, such as ``yaw``.
        unit: its unit, such as ``degrees``.
        low: smallest value of an ordinary face.
        high: largest; what is outside is allowed, ``low`` and ``high`` only set the scale.

    """

    name: str
    unit: str
    low: float
    high: float


SETTINGS = ("code", "weight")
"""Entries of an attribute's configuration beside its encoder: width of the attribute's code, and weight of its loss."""


def encoder_config(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Select from an attribute's configuration what describes its encoder: ``_target_`` and the constructor's arguments.

    Args:
        entry: entry of the group ``attributes``, with :data:`SETTINGS` beside the encoder's arguments.

    """
    return {str(name): value for name, value in entry.items() if name not in SETTINGS}


class AttributeEncoder(nn.Module):
    """Base class of encoders from image and segmentation to the numbers of one attribute; frozen, differentiable in both inputs.

    Attributes:
        quantities: names of the numbers; empty for an embedding whose numbers mean nothing by themselves.
        width: number of values in a reading.
        size: side that faces are brought to; None for an encoder that takes any size.

    Examples:
        >>> import torch
        >>> from vera.attributes.encoder import AttributeEncoder
        >>> from vera.types import Semantic
        >>> class HairShare(AttributeEncoder):
        ...     size = None
        ...
        ...     def __init__(self, *, ranges):
        ...         super().__init__()
        ...         self.describe({"hair": "share of the image"}, ranges)
        ...
        ...     def forward(self, images, segmentations):
        ...         return segmentations[:, Semantic.HAIR].mean(dim=(1, 2))[:, None]
        >>> HairShare(ranges={"hair": [0.1, 0.4]})(torch.zeros(2, 3, 8, 8), torch.full((2, 13, 8, 8), 1 / 13)).shape
        torch.Size([2, 1])

    """

    quantities: tuple[Quantity, ...]
    width: int
    size: int | None

    def forward(self, images: Float[Tensor, "b 3 s s"], segmentations: Float[Tensor, "b k s s"]) -> Float[Tensor, "b v"]:
        """Read the attribute's numbers from aligned faces.

        Args:
            images: aligned faces, values in [-1, 1].
            segmentations: class probabilities of these faces, sum 1 over the classes.

        """
        raise NotImplementedError

    def scaled(self, values: Float[Tensor, "b v"]) -> Float[Tensor, "b v"]:
        """The numbers, those of ordinary faces brought to [-1, 1] and then through tanh; an embedding stays as it is.

        DECISION: bounded, so that nothing is gained by faces beyond the ordinary, which only the discriminator would hold back.
        """
        if not self.quantities:
            return values
        low, high = (values.new_tensor([getattr(q, end) for q in self.quantities]) for end in ("low", "high"))
        return torch.tanh((2 * values - low - high) / (high - low))

    def train(self, mode: bool = True) -> AttributeEncoder:
        """Stay in eval mode."""
        return super().train(False)

    def describe(self, units: Mapping[str, str], ranges: Mapping[str, Sequence[float]]) -> None:
        """Set :attr:`quantities` and :attr:`width`.

        Args:
            units: unit of each number that this encoder knows, by the number's name.
            ranges: ``[low, high]`` of those that it is to read.

        Raises:
            VeraError: an unknown name, none at all, or a range that is no interval.

        """
        wrong = [name for name, pair in ranges.items() if name not in units or len(pair) != 2 or pair[0] >= pair[1]]
        if wrong or not ranges:
            given = f"wrong: {', '.join(wrong)}" if wrong else "none is given"
            raise VeraError(f"ranges of an attribute encoder: give [low, high] for some of {', '.join(units)}; {given}")
        self.quantities = tuple(Quantity(n, units[n], float(ranges[n][0]), float(ranges[n][1])) for n in units if n in ranges)
        self.width = len(self.quantities)
        self._read = [number for number, name in enumerate(units) if name in ranges]

    def chosen(self, values: Float[Tensor, "b _"]) -> Float[Tensor, "b v"]:
        """Select, from all numbers, those that this encoder was asked to read."""
        return values[:, self._read]
