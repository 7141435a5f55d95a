"""Composition of the local generators' features by their pseudo-depths (SemanticStyleGAN, section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Composition(nn.Module):
    """Softmax over depths, transparency, and the deferred projection to the coarse map.

    The projection of each class's features to the coarse map is linear, so it is applied *after* weighting, as one
    ``(C_coarse, K·C)`` product: no tensor of K projected feature maps exists.

    Args:
        classes: number of semantic classes K.
        channels: channels of a local generator.
        coarse_channels: channels of the coarse map.
        transparent: classes that do not hide what is under them.

    """

    opaque: Tensor

    def __init__(self, *, classes: int, channels: int, coarse_channels: int, transparent: Sequence[int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, coarse_channels, channels))
        self.modulation = nn.Parameter(torch.ones(classes, channels))
        self.bias = nn.Parameter(torch.zeros(classes, coarse_channels))
        self.scale = 1 / math.sqrt(channels)
        opaque = torch.ones(classes, 1)
        opaque[[int(k) for k in transparent]] = 0.0
        self.register_buffer("opaque", opaque, persistent=False)

    def forward(
        self, features: Float[Tensor, "b k c n"], depth: Float[Tensor, "b k n"]
    ) -> tuple[Float[Tensor, "b n f"], Float[Tensor, "b k n"]]:
        """Coarse feature map, channels last, and coarse segmentation (probabilities).

        Opaque classes share the weight of 1 among themselves as if nothing transparent were there; a transparent class adds
        its own probability on top, so the weights sum to more than 1 where there is one.
        """
        probabilities = depth.softmax(dim=1)
        hidden = probabilities * self.opaque
        weights = hidden / (hidden.sum(dim=1, keepdim=True) + 1e-8) + probabilities * (1 - self.opaque)
        weighted = (features * weights[:, :, None]).flatten(1, 2)
        projection = (self.weight * (self.modulation[:, None] * self.scale)).transpose(1, 2).flatten(0, 1)
        coarse = torch.baddbmm(torch.matmul(weights.mT, self.bias), weighted.mT, projection.expand(len(weighted), -1, -1))
        return coarse, probabilities
