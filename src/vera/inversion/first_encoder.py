"""The encoder: image and segmentation to latent codes, pooled inside each semantic class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.ops.layers import EqualizedConv, EqualizedLinear, leaky
from vera.types import NUM_CLASSES, LatentCodes


class ClassLinear(nn.Module):
    """One equalized linear layer for each class, as one batched product."""

    def __init__(self, inputs: int, outputs: int, *, activation: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(NUM_CLASSES, inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(NUM_CLASSES, outputs))
        self.scale, self.activation = 1 / math.sqrt(inputs), activation

    def forward(self, x: Float[Tensor, "b k i"]) -> Float[Tensor, "b k o"]:
        """Map the vector of each class with that class's weights."""
        y = torch.einsum("bki,kio->bko", x, self.weight * self.scale) + self.bias
        return leaky(y) if self.activation else y


def geometry(segmentation: Float[Tensor, "b k h w"]) -> Float[Tensor, "b k 6"]:
    """Where each class lies: area, centroid (x, y), spread (x, y) and covariance, in units of the half image; 0 if absent."""
    area, moments = _moments(segmentation)
    mean = moments[..., 1:3]
    second = moments[..., 3:5] - mean.square()
    cross = moments[..., 5:6] - mean[..., :1] * mean[..., 1:]
    present = (area > 1e-4).float()[..., None]
    return torch.cat([area[..., None].sqrt(), present * mean, present * (second.clamp(min=0) + 1e-6).sqrt(), present * cross], dim=-1)


def _positions(like: Tensor) -> Tensor:
    """``(6, H·W)``: 1, x, y, x², y², xy over the image, coordinates in [-1, 1]."""
    height, width = like.shape[-2:]
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height, device=like.device), torch.linspace(-1, 1, width, device=like.device), indexing="ij"
    )
    return torch.stack([torch.ones_like(x), x, y, x * x, y * y, x * y]).flatten(1)


def _moments(segmentation: Tensor) -> tuple[Tensor, Tensor]:
    """Share of the image and mean of the six position terms, for each class: ``(B, K)`` and ``(B, K, 6)``."""
    flat = segmentation.flatten(2)
    total = flat.sum(dim=2, keepdim=True)
    return total[..., 0] / flat.shape[2], torch.einsum("bkn,pn->bkp", flat, _positions(segmentation)) / (total + 1e-6)


class Encoder(nn.Module):
    """Convolutions, then for each class the moments of the features inside it.

    Base codes see only *where* the classes lie, through a narrow bottleneck: they are kept from the photograph when it is
    anonymized, so they must carry pose and framing and no more. DECISION: ``layout`` numbers are enough for that.

    Args:
        size: side of image and segmentation.
        latent: dimension D of a code.
        channels: channels after each stride-2 convolution; the last is what is pooled.
        hidden: width of each class's head.
        layout: width of the base codes' bottleneck.
        attributes: total dimension of the attribute codes (0: none).

    """

    def __init__(self, *, size: int, latent: int, channels: Sequence[int], hidden: int, layout: int, attributes: int) -> None:
        super().__init__()
        self.size, self.latent, self.attributes = size, latent, attributes
        widths = [3 + NUM_CLASSES, *channels]
        self.trunk = nn.Sequential(
            *(EqualizedConv(i, o, stride=2) for i, o in pairwise(widths)),
            EqualizedConv(widths[-1], widths[-1]),
        )
        # Features pooled with 1, x, y as weights (relative to the class's centre), and the class's geometry.
        pooled = 3 * widths[-1] + 6
        # What tells faces apart is a tenth of what they share: without this, codes hardly learn to differ.
        self.standardise = nn.BatchNorm1d(NUM_CLASSES * pooled, affine=False, momentum=0.02)
        self.hidden = ClassLinear(pooled, hidden, activation=True)
        self.to_codes = ClassLinear(hidden, 2 * latent, activation=False)
        self.absent = nn.Parameter(torch.zeros(NUM_CLASSES, 2 * latent))
        self.to_layout = EqualizedLinear(6 * NUM_CLASSES, layout)
        self.to_base = EqualizedLinear(layout, 2 * latent)
        self.to_attributes = EqualizedLinear(widths[-1], attributes) if attributes else None

    def forward(self, images: Float[Tensor, "b 3 h w"], segmentations: Float[Tensor, "b k h w"]) -> LatentCodes:
        """Encode.

        Args:
            images: in [-1, 1].
            segmentations: class probabilities.

        """
        features = self.trunk(torch.cat([images, 2 * segmentations - 1], dim=1))
        inside = F.adaptive_avg_pool2d(segmentations, features.shape[-1]).flatten(2)
        flat = features.flatten(2)
        where = geometry(segmentations)
        offsets = _positions(features)[1:3] - where[:, :, 1:3, None]  # (B, K, 2, N), relative to each class's centre
        weights = torch.cat([torch.ones_like(offsets[:, :, :1]), 4 * offsets], dim=2) * inside[:, :, None]
        pooled = torch.einsum("bkpn,bcn->bkpc", weights, flat) / (inside.sum(dim=2) + 1e-3)[..., None, None]
        described = torch.cat([pooled.flatten(2), 4 * where], dim=2)
        own = self.to_codes(self.hidden(self.standardise(described.flatten(1)).view_as(described)))
        present = (inside.sum(dim=2, keepdim=True) / 0.5).clamp(0, 1)  # half a cell of the feature map counts as seen
        own = present * own + (1 - present) * self.absent
        base = self.to_base(torch.tanh(self.to_layout(where.flatten(1))))
        local = torch.cat([base, own.flatten(1)], dim=1).view(len(images), -1, self.latent)
        attributes = self.to_attributes(flat.mean(dim=2)) if self.to_attributes else images.new_zeros(len(images), 0)
        return LatentCodes(local, attributes)
