"""Projection heads on top of the frozen encoders: trained with the generator, dropped at export."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Projection(nn.Module):
    """Two-layer MLP to a unit vector (the projection head of SimCLR).

    Args:
        width: numbers of the encoder, scaled.
        hidden: width of the hidden layer.
        outputs: dimension of the result.

    """

    def __init__(self, *, width: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, outputs))

    def forward(self, values: Float[Tensor, "b v"]) -> Float[Tensor, "b o"]:
        """Unit vectors."""
        return F.normalize(self.layers(values), dim=1)


class NoProjection(nn.Module):
    """The ablation without a head: the encoder's own numbers, as a unit vector.

    DECISION: a constant 1 is put beside them first. A single number (an age) would otherwise be reduced to its sign, and any
    encoder's would lose their size.
    """

    def forward(self, values: Float[Tensor, "b v"]) -> Float[Tensor, "b o"]:
        """Unit vectors, of one dimension more."""
        return F.normalize(torch.cat([values, torch.ones_like(values[:, :1])], dim=1), dim=1)
