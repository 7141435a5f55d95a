"""Networks that describe each image by one vector, for distances between sets of images (Fréchet, kernel)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.features.efficientnet import EfficientNetLite0

CHANNELS = 320
"""Of the last stage."""


class PooledFeatures(nn.Module):
    """A frozen network that describes each image by one vector.

    Attributes:
        name: network and resize, as statistics files state them: vectors under two names are not comparable.
        short: short name of the features in the names of distances.
        dimension: length D of a vector.

    """

    name: str
    short: str
    dimension: int

    def train(self, mode: bool = True) -> PooledFeatures:
        """Stay in eval mode."""
        return super().train(False)


class Lite0Features(PooledFeatures):
    """Mean of the last stage over the image: 320 numbers.

    DECISION: the last stage, not the 1280 channels behind it: a covariance of 320 channels has full rank from a few hundred images on.

    Args:
        side: images are brought to this side first (bilinear, antialiased); 224 is what the network was trained at.
        pretrained: False for architecture tests only.

    """

    short = "lite0"
    dimension = CHANNELS

    def __init__(self, *, side: int = 224, pretrained: bool = True) -> None:
        super().__init__()
        self.side = side
        self.name = f"efficientnet-lite0 stage 4 mean, bilinear antialiased to {side}, 8 bit"
        self.network = EfficientNetLite0(stages=(4,), pretrained=pretrained)

    @torch.no_grad()
    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """One vector an image; images in [-1, 1], rounded to 8 bits as a file would be."""
        rounded = as_bytes(images).float() / 127.5 - 1
        resized = F.interpolate(rounded, (self.side, self.side), mode="bilinear", align_corners=False, antialias=True)
        pooled: Tensor = self.network(resized)[0].mean(dim=(2, 3))
        return pooled


def as_bytes(images: Float[Tensor, "b 3 h w"]) -> Tensor:
    """``(B, 3, H, W)`` uint8: what a lossless file of images in [-1, 1] (clamped) holds."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
