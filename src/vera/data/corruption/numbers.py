"""Random numbers of the corruption, handed out in a fixed order: each change takes its share, applied or not."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from vera.types import VeraError

SIDES = {"wide": 3, "middle": 8, "fine": 24, "grain": 64}
"""Grids of the noise fields, cells a side."""
COUNTS = {"wide": 3 + 1 + 2, "middle": 3 + 2, "fine": 3 + 1 + 1, "grain": 3 + 1}
"""Channels of all fields of one grid."""
FIELDS = sum(COUNTS[kind] * side**2 for kind, side in SIDES.items())
"""Normal numbers of all fields together."""


class Numbers:
    """Random numbers of a batch, one row for each image, handed out in a fixed order.

    Args:
        uniform: ``(B, N)`` in [0, 1).
        normal: ``(B, FIELDS + 3 S²)`` standard normal.
        side: S, of the images.

    """

    def __init__(self, uniform: Tensor, normal: Tensor, side: int) -> None:
        self._columns: Iterator[Tensor] = iter(uniform.float().unbind(1))
        self.side = side
        parts = torch.split(normal.float(), [*(COUNTS[kind] * n**2 for kind, n in SIDES.items()), 3 * side**2], dim=1)
        grids = zip(SIDES.items(), parts[:-1], strict=True)
        self._fields = {kind: iter(part.view(len(part), -1, 1, n, n).unbind(1)) for (kind, n), part in grids}
        self.pixels = parts[-1].view(-1, 3, side, side)
        """``(B, 3, S, S)`` independent normal numbers, for the sensor's noise."""
        centres = (torch.arange(side, device=uniform.device) + 0.5) / side * 2 - 1
        self.y, self.x = (axis[None, None] for axis in torch.meshgrid(centres, centres, indexing="ij"))
        """``(1, 1, S, S)``: where pixels are, the frame being [-1, 1]."""

    def when(self, probability: float) -> Tensor:
        """``(B, 1, 1, 1)`` bool: for which images a change is made."""
        return self._next() < probability

    def between(self, low: float, high: float) -> Tensor:
        """``(B, 1, 1, 1)`` uniform."""
        return low + (high - low) * self._next()

    def colour(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """``(B, 3, 1, 1)``: any lightness in the range, mostly little saturation."""
        level, tint = self.between(low, high), self.between(0, 1) ** 2 * 0.5
        return (level + tint * torch.cat([self.between(-1, 1) for _ in range(3)], dim=1)).clamp(0, 1)

    def field(self, kind: str, channels: int = 1) -> Tensor:
        """``(B, channels, S, S)`` smooth noise of about unit deviation at the nodes of a grid."""
        coarse = torch.cat([next(self._fields[kind]) for _ in range(channels)], dim=1)
        return F.interpolate(coarse, (self.side, self.side), mode="bilinear", align_corners=False)

    def require_used(self) -> None:
        """Every number was handed out: the counts above, and the order they stand for, are right.

        Raises:
            VeraError: some are left.

        """
        if next(self._columns, None) is not None or any(next(fields, None) is not None for fields in self._fields.values()):
            raise VeraError("a corruption left random numbers over: its counts of numbers are wrong")

    def _next(self) -> Tensor:
        return next(self._columns).view(-1, 1, 1, 1)


def soft(mask: Tensor, radius: int) -> Tensor:
    """A mask ``(B, 1, S, S)`` as numbers with smooth borders: a mean over ``2·radius + 1`` pixels a side."""
    kernel = 2 * radius + 1
    return F.avg_pool2d(mask.float(), kernel, stride=1, padding=radius, count_include_pad=False)


def of_class(labels: Tensor, *classes: int) -> Tensor:
    """``(B, 1, S, S)`` bool: where the labels are one of these."""
    found = labels == classes[0]
    for other in classes[1:]:
        found = found | (labels == other)
    return found[:, None]


def mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """``(B, C, 1, 1)`` means of ``(B or 1, C, S, S)`` over a mask ``(B, 1, S, S)``; 0 where it is empty."""
    weight = mask.float()
    return (values * weight).sum(dim=(2, 3), keepdim=True) / weight.sum(dim=(2, 3), keepdim=True).clamp(min=1)


def anywhere(mask: Tensor) -> Tensor:
    """``(B, 1, 1, 1)``: whether a mask has any pixel."""
    return mask.flatten(1).any(dim=1).view(-1, 1, 1, 1)
