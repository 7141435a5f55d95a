"""A display colour for each semantic class, also the palette of the label files that VerA writes."""

from __future__ import annotations

import torch
from jaxtyping import Integer, UInt8
from torch import Tensor

from vera.types import Semantic

_COLOURS: dict[Semantic, tuple[int, int, int]] = {
    Semantic.BACKGROUND: (24, 24, 32),
    Semantic.SKIN: (236, 190, 156),
    Semantic.EYES: (30, 100, 230),
    Semantic.BROWS: (116, 68, 26),
    Semantic.MOUTH: (210, 36, 56),
    Semantic.NOSE: (246, 222, 50),
    Semantic.EARS: (244, 132, 28),
    Semantic.HAIR: (104, 50, 150),
    Semantic.NECK: (140, 148, 150),
    Semantic.CLOTHES: (20, 132, 92),
    Semantic.GLASSES: (90, 216, 240),
    Semantic.HAT: (240, 110, 196),
    Semantic.EARRINGS: (255, 255, 255),
}
"""DECISION: told apart at a glance; no two of them are close in CIELAB (a test holds them to it)."""
PALETTE: tuple[tuple[int, int, int], ...] = tuple(_COLOURS[known] for known in Semantic)
"""Red, green and blue of each class, in the order of the class numbers."""


def colourise(labels: Integer[Tensor, "b h w"]) -> UInt8[Tensor, "b 3 h w"]:
    """Class numbers to colours, on the labels' device.

    Args:
        labels: class numbers below 13.

    Examples:
        >>> import torch
        >>> from vera.ops.palette import colourise
        >>> colourise(torch.zeros(1, 4, 4, dtype=torch.uint8)).shape
        torch.Size([1, 3, 4, 4])

    """
    colours = torch.tensor(PALETTE, dtype=torch.uint8, device=labels.device)
    return colours[labels.long()].permute(0, 3, 1, 2)
