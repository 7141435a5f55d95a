"""What an attribute encoder is: a frozen, differentiable reading of a face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
        """The numbers, those of ordinary faces brought to [-1, 1]; an embedding stays as it is."""
        if not self.quantities:
            return values
        low, high = (values.new_tensor([getattr(q, end) for q in self.quantities]) for end in ("low", "high"))
        return (2 * values - low - high) / (high - low)

    def train(self, mode: bool = True) -> AttributeEncoder:
        """Stay in eval mode."""
        return super().train(False)

    def describe(self, names: Sequence[tuple[str, str]], ranges: Sequence[Sequence[float]]) -> None:
        """Set :attr:`quantities` and :attr:`width` from names with units, and one range for each.

        Raises:
            VeraError: another number of ranges, or one that is no interval.

        """
        if len(names) != len(ranges) or any(len(pair) != 2 or pair[0] >= pair[1] for pair in ranges):
            what = ", ".join(name for name, _ in names)
            raise VeraError(f"ranges of an attribute encoder: give [low, high] for each of {what}; got {list(map(list, ranges))}")
        self.quantities = tuple(Quantity(n, unit, float(r[0]), float(r[1])) for (n, unit), r in zip(names, ranges, strict=True))
        self.width = len(self.quantities)
