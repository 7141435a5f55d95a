"""An optional discriminator on frozen ImageNet features, for little data or little time (projected GAN: Sauer et al. 2021).

The image is seen through EfficientNet-Lite0: four feature maps are mixed by fixed random convolutions, across channels (1×1) and
from coarse to fine across scales (3×3), so that a discriminator can't settle on a part of them; one small discriminator looks at
each mixed map. The segmentation can't go through an ImageNet network. It enters through a branch of one trained 1×1 convolution
a scale: averaged down to the map, which keeps thin classes as fractions, and added to the features, so that every layer of the
small discriminators judges the pair.

Differences from the paper, DECISION: equalized convolutions with R1 stand where it has batch normalisation and spectral norm.
Both of these keep state over batches, and a sample's logits would depend on how a batch is dealt to processes; for the same
reason the features are normalised within each map.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.features.efficientnet import EfficientNetLite0
from vera.ops.layers import EqualizedConv
from vera.types import VeraError

STAGES = {1: 24, 2: 40, 3: 112, 4: 320}
"""Stages of EfficientNet-Lite0 and their channels; strides 4, 8, 16, 32."""


class RandomMixing(nn.Module):
    """Frozen random projections of a feature pyramid (section 3.2: CCM and CSM).

    Args:
        inputs: channels of the feature maps, fine to coarse.
        outputs: channels of the mixed maps.

    """

    def __init__(self, *, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        super().__init__()
        self.channels = nn.ModuleList(nn.Conv2d(i, o, 1, bias=False) for i, o in zip(inputs, outputs, strict=True))
        self.scales = nn.ModuleList(nn.Conv2d(coarse, fine, 3, padding=1, bias=False) for fine, coarse in itertools.pairwise(outputs))
        for convolution in [*self.channels, *self.scales]:
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="linear")
        self.requires_grad_(False)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Mix maps ``(B, C, h, w)`` of sides that halve; results have about unit variance."""
        normalised = [f * torch.rsqrt(f.square().mean(dim=(1, 2, 3), keepdim=True) + 1e-8) for f in features]
        projected = [convolution(f) for convolution, f in zip(self.channels, normalised, strict=True)]
        mixed = [projected[-1]]
        for convolution, fine in zip(reversed(self.scales), reversed(projected[:-1]), strict=True):
            coarse = F.interpolate(mixed[0], scale_factor=2.0, mode="bilinear", align_corners=False)
            mixed.insert(0, (fine + convolution(coarse)) / math.sqrt(2))
        return mixed


class ScaleDiscriminator(nn.Module):
    """Judges one mixed map together with the segmentation: 4×4 logits.

    Args:
        inputs: channels of the map.
        side: its side, a power of two, at least 4.
        classes: number of semantic classes K.
        width: channels of the hidden layers.

    """

    def __init__(self, inputs: int, *, side: int, classes: int, width: int) -> None:
        super().__init__()
        self.labels = EqualizedConv(classes, inputs, kernel=1, activation=False)
        widths = [inputs] + [width] * int(math.log2(side // 4))
        self.blocks = nn.Sequential(*(EqualizedConv(a, b, kernel=4, stride=2, padding=1) for a, b in itertools.pairwise(widths)))
        self.final = EqualizedConv(widths[-1], 1, activation=False)

    def forward(self, features: Float[Tensor, "b c h h"], segmentations: Float[Tensor, "b k s s"]) -> Float[Tensor, "b 16"]:
        """Logits of the cells."""
        logits: Tensor = self.final(self.blocks(features + self.labels(_resized(segmentations, features.shape[-1]))))
        return logits.flatten(1)


class ProjectedDiscriminator(nn.Module):
    """Image and segmentation to 64 logits, 4×4 at each of four scales; the loss is their mean.

    Args:
        classes: number of semantic classes K.
        resolution: side to which images are resized: a power of two, at least 128; the features were trained at 224.
        channels: channels of the four mixed maps, fine to coarse (64, 128, 256, 512 as published).
        width: channels of the small discriminators.
        pretrained: load the packaged ImageNet weights; False for architecture tests.

    Raises:
        VeraError: for another resolution or number of maps.

    """

    def __init__(self, *, classes: int, resolution: int, channels: Sequence[int], width: int, pretrained: bool) -> None:
        super().__init__()
        if resolution < 128 or resolution & (resolution - 1) or len(channels) != len(STAGES):
            raise VeraError(
                f"projected discriminator: the resolution must be a power of two from 128 up with {len(STAGES)} numbers of channels, "
                f"not {resolution} and {list(channels)}"
            )
        self.config: dict[str, Any] = {
            "classes": classes,
            "resolution": resolution,
            "channels": list(channels),
            "width": width,
            "pretrained": pretrained,
        }
        self.resolution = resolution
        self.features = EfficientNetLite0(stages=tuple(STAGES), pretrained=pretrained)
        self.mixing = RandomMixing(inputs=tuple(STAGES.values()), outputs=channels)
        sides = [resolution // 2 ** (stage + 1) for stage in STAGES]
        self.scales = nn.ModuleList(
            ScaleDiscriminator(inputs, side=side, classes=classes, width=width) for inputs, side in zip(channels, sides, strict=True)
        )

    def forward(self, images: Float[Tensor, "b 3 s s"], segmentations: Float[Tensor, "b k s s"]) -> Float[Tensor, "b n"]:
        """Judge pairs; samples don't influence each other.

        Args:
            images: images, values in [-1, 1].
            segmentations: segmentations in 2p - 1, values nominally in [-1, 1].

        """
        mixed = self.mixing(self.features(_resized(images, self.resolution)))
        return torch.cat([scale(features, segmentations) for scale, features in zip(self.scales, mixed, strict=True)], dim=1)


def _resized(x: Tensor, side: int) -> Tensor:
    """Bilinear, averaging where it makes smaller."""
    return x if x.shape[-1] == side else F.interpolate(x, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
