"""The trained parser's network: EfficientNet-Lite0's first stages, a context block, and a light pyramid back to the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.features.backbone import Lite0Trunk
from vera.types import NUM_CLASSES, VeraError

STRIDE = 16
GROUPS = 8


class Segmenter(nn.Module):
    """Segmentation network of the trained parser: an aligned face to logits of 13 classes.

    Nothing depends on a batch: the trunk's batch normalisation keeps ImageNet's statistics (its scales and biases are trained),
    and the decoder normalises within each image.

    Args:
        size: side S at which it is trained and, unless asked otherwise, used.
        context: channels of the context block, a multiple of 8.
        depth: number of residual layers in the context block.
        channels: channels of the pyramid at strides 8, 4 and 2, multiples of 8.
        pretrained: start the trunk from the packaged ImageNet weights; a bundle brings its own and says False.

    Attributes:
        config: the constructor's arguments, for the bundle.

    """

    def __init__(self, *, size: int, context: int, depth: int, channels: Sequence[int], pretrained: bool) -> None:
        super().__init__()
        if len(channels) != 3 or any(width % GROUPS for width in (context, *channels)):
            raise VeraError(f"segmenter: context={context} and the three channels={list(channels)} must be multiples of {GROUPS}")
        self.config: dict[str, Any] = {
            "size": size, "context": context, "depth": depth, "channels": list(channels), "pretrained": False,
        }  # fmt: skip
        self.size = size
        self.trunk = Lite0Trunk(inputs=3, stages=(0, 1, 2, 3), pretrained=pretrained)
        *sides, deepest = self.trunk.channels
        self.context = _Context(deepest, context, depth)
        widths = (context, *channels)
        self.merges = nn.ModuleList(
            _Merge(coarse, lateral, width) for coarse, lateral, width in zip(widths[:-1], reversed(sides), widths[1:], strict=True)
        )
        self.to_logits = nn.Conv2d(channels[-1], NUM_CLASSES, 1)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k h w"]:
        """Logits at the images' size.

        Args:
            images: aligned faces in [-1, 1], RGB; sides are multiples of 16.

        Raises:
            VeraError: for other sides.

        """
        if images.shape[-1] % STRIDE or images.shape[-2] % STRIDE:
            raise VeraError(f"the segmenter takes sides that are multiples of {STRIDE}, not {tuple(images.shape[-2:])}: resize the image")
        *laterals, deepest = self.trunk(images)
        x = self.context(deepest)
        for merge, lateral in zip(self.merges, reversed(laterals), strict=True):
            x = merge(x, lateral)
        return _twice(self.to_logits(x).float())


class _Context(nn.Module):
    """Context block: wide depthwise convolutions and the image mean, for classes that look alike locally."""

    def __init__(self, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(inputs, width, 1), nn.GroupNorm(GROUPS, width))
        self.whole = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.layers = nn.ModuleList(_Separable(width, kernel=7) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        x = x + self.whole(x.mean(dim=(2, 3)))[:, :, None, None]
        for layer in self.layers:
            x = layer(x)
        return x


class _Merge(nn.Module):
    """Merge a coarser map, enlarged, with the trunk's map at the finer stride."""

    def __init__(self, coarse: int, lateral: int, width: int) -> None:
        super().__init__()
        self.coarse, self.lateral = nn.Conv2d(coarse, width, 1), nn.Conv2d(lateral, width, 1)
        self.layer = _Separable(width, kernel=3)

    def forward(self, coarse: Tensor, lateral: Tensor) -> Tensor:
        merged: Tensor = self.layer(_twice(self.coarse(coarse)) + self.lateral(lateral))
        return merged


class _Separable(nn.Module):
    """Residual: depthwise over space, normalised, then two pointwise layers."""

    def __init__(self, width: int, *, kernel: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width),
            nn.GroupNorm(GROUPS, width),
            nn.Conv2d(width, 2 * width, 1),
            nn.ReLU(),
            nn.Conv2d(2 * width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        changed: Tensor = x + self.layers(x)
        return changed


def _twice(x: Tensor) -> Tensor:
    """Enlarge a map to the next finer stride."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
