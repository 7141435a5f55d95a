"""What an attribute encoder is: a frozen, differentiable reading of a face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.types import VeraError


@dataclass(frozen=True)
class Quantity:
    """One number that an encoder reads, and that can be asked for by name.

    Attributes:
        name: for example ``yaw``.
        unit: for example ``degrees``.
        low: smallest value of an ordinary face.
        high: largest; what is outside is allowed, ``low`` and ``high`` only set the scale.

    """

    name: str
    unit: str
    low: float
    high: float


class AttributeEncoder(nn.Module):
    """Image and segmentation to the numbers of one attribute; frozen, and differentiable with respect to both.

    Attributes:
        quantities: what the numbers are called; empty for an embedding whose numbers mean nothing by themselves.
        width: how many numbers.
        size: side that faces are brought to; None for an encoder that takes any size.

    """

    quantities: tuple[Quantity, ...]
    width: int
    size: int | None

    def forward(self, images: Float[Tensor, "b 3 s s"], segmentations: Float[Tensor, "b k s s"]) -> Float[Tensor, "b v"]:
        """Read aligned faces.

        Args:
            images: in [-1, 1].
            segmentations: class probabilities.

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
            units: of all numbers that this encoder knows, by name.
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
        """Of all numbers, those that this encoder is to read."""
        return values[:, self._read]
