"""Perceptual distance on frozen EfficientNet-Lite0 features. It is not LPIPS and does not carry its name."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.features.efficientnet import EfficientNetLite0


class PerceptualDistance(nn.Module):
    """Mean squared difference of channel-normalised features, averaged over stages (the form of Zhang et al. 2018, unweighted).

    Args:
        stages: EfficientNet-Lite0 stages; the default keeps the ones with spatial detail.
        pretrained: False for architecture tests only.

    """

    def __init__(self, *, stages: Sequence[int] = (0, 1, 2, 3), pretrained: bool = True) -> None:
        super().__init__()
        self.features = EfficientNetLite0(stages=stages, pretrained=pretrained)

    def describe(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Normalised features of images in [-1, 1], each ``(B, C, h, w)`` of unit length over C."""
        return [f * torch.rsqrt(f.square().sum(dim=1, keepdim=True) + 1e-8) for f in self.features(images)]

    def vectors(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b p"]:
        """Images as vectors whose *squared* Euclidean distance is :meth:`forward` without a weight: all pairs, one look at each image."""
        described = self.describe(images)
        return torch.cat([f.flatten(1) / math.sqrt(len(described) * f.shape[2] * f.shape[3]) for f in described], dim=1)

    def forward(
        self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"], weight: Float[Tensor, "b 1 h w"] | None = None
    ) -> Float[Tensor, "b"]:
        """Distance of each pair, in [0, 4]; no gradient flows into ``b``, the target.

        Args:
            a: images in [-1, 1].
            b: targets in [-1, 1].
            weight: weight of each pixel; None counts all alike.

        """
        with torch.no_grad():
            targets = self.describe(b)
        stages = []
        for x, y in zip(self.describe(a), targets, strict=True):
            difference = (x - y).square().sum(dim=1)
            stages.append(difference.mean(dim=(1, 2)) if weight is None else _weighted_mean(difference, weight))
        return torch.stack(stages).mean(dim=0)


def _weighted_mean(values: Float[Tensor, "b h w"], weight: Float[Tensor, "b 1 y x"]) -> Float[Tensor, "b"]:
    """Mean over the map, the weight averaged down to its size."""
    scaled = F.adaptive_avg_pool2d(weight, (values.shape[-2], values.shape[-1]))[:, 0]
    return (values * scaled).sum(dim=(1, 2)) / scaled.sum(dim=(1, 2))
