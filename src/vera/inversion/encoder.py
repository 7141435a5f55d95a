"""The encoder: image and segmentation to latent codes, pooled inside each semantic class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.features.backbone import Lite0Trunk
from vera.ops.gathering import Standardise
from vera.ops.layers import EqualizedConv, EqualizedLinear, leaky
from vera.ops.precision import at_least_single
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
    """Geometry of each class: area, centroid (x, y), spread (x, y) and covariance, in units of the half image; 0 if absent."""
    area, moments = _moments(segmentation)
    mean = moments[..., 1:3]
    second = moments[..., 3:5] - mean.square()
    cross = moments[..., 5:6] - mean[..., :1] * mean[..., 1:]
    present = (area > 1e-4).to(area.dtype)[..., None]
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
    """EfficientNet-Lite0 features in a small pyramid, then for each class the moments of the features inside it.

    Base codes see only *where* the classes lie, through a narrow bottleneck: they are kept from the photograph when it is
    anonymized, so they must carry pose and framing and no more. DECISION: ``layout`` numbers are enough for that.

    A second pass sees what the generator made of the first one's codes and moves them (ReStyle: Alaluf et al. 2021). Its heads start
    at zero: until they are trained, a further pass changes nothing.

    Args:
        size: side of image and segmentation, a multiple of 16.
        latent: dimension D of a code.
        width: channels of the pyramid, whose finest map (stride 4) is pooled.
        hidden: width of each class's head.
        layout: width of the base codes' bottleneck.
        attributes: total dimension of the attribute codes (0: none).
        pretrained: start from ImageNet weights.

    """

    def __init__(self, *, size: int, latent: int, width: int, hidden: int, layout: int, attributes: int, pretrained: bool) -> None:
        super().__init__()
        self.size, self.latent, self.attributes = size, latent, attributes
        seen = 3 + NUM_CLASSES  # the photograph and its segmentation, then the reconstruction and its segmentation
        self.trunk = Lite0Trunk(inputs=2 * seen, stages=(1, 2, 3), pretrained=pretrained)
        self.lateral = nn.ModuleList(EqualizedConv(c, width, kernel=1, activation=False) for c in self.trunk.channels)
        self.merge = nn.ModuleList(EqualizedConv(width, width) for _ in self.trunk.channels)
        # Features pooled with 1, x, y as weights (relative to the class's centre), and the class's geometry.
        pooled = 3 * width + 6
        # Features differ between faces ten times less than they have in common: without this, codes hardly learn to differ.
        self.standardise = Standardise(NUM_CLASSES * pooled, affine=False, momentum=0.02)
        self.hidden = ClassLinear(pooled, hidden, activation=True)
        self.to_codes = ClassLinear(hidden, 2 * latent, activation=False)
        self.to_steps = ClassLinear(hidden, 2 * latent, activation=False)
        nn.init.zeros_(self.to_steps.weight)
        self.absent = nn.Parameter(torch.zeros(NUM_CLASSES, 2 * latent))
        self.to_layout = EqualizedLinear(6 * NUM_CLASSES, layout)
        self.to_base = EqualizedLinear(layout, 2 * latent)
        # From what the local codes are made of: a mean over the image neither says from which side the light comes nor how wide a mouth is.
        self.to_attributes = EqualizedLinear(NUM_CLASSES * hidden, attributes) if attributes else None
        self.to_attribute_steps = EqualizedLinear(NUM_CLASSES * hidden, attributes) if attributes else None
        if self.to_attribute_steps is not None:
            nn.init.zeros_(self.to_attribute_steps.weight)

    def forward(
        self,
        images: Float[Tensor, "b 3 h w"],
        segmentations: Float[Tensor, "b k h w"],
        before: tuple[LatentCodes, Float[Tensor, "b 3 h w"], Float[Tensor, "b k h w"]] | None = None,
    ) -> LatentCodes:
        """Encode.

        Args:
            images: aligned faces, values in [-1, 1].
            segmentations: class probabilities of these faces, sum 1 over the classes.
            before: a further pass: the codes so far, and the image and the class probabilities that the generator makes of them.

        """
        segmentations = segmentations * self._shown()[:, None, None]
        photograph = torch.cat([images, 2 * segmentations - 1], dim=1)
        made = torch.zeros_like(photograph) if before is None else torch.cat([before[1], 2 * before[2] - 1], dim=1)
        features = self._features(torch.cat([photograph, made], dim=1))
        with torch.autocast(images.device.type, enabled=False):  # moments are small differences of large sums
            return self._codes(at_least_single(features), at_least_single(segmentations), before)

    @torch.no_grad()
    def begin(self, codes: LatentCodes, batches: Sequence[tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b k h w"]]]) -> None:
        """Prepare an untrained encoder for codes that are known: it starts near their mean, in their units, and knows usual features.

        Args:
            codes: latent codes of the faces below, in their order.
            batches: images in [-1, 1] and segmentations (class probabilities) of faces with these codes.

        """
        own, base = codes.local[:, 2:].flatten(1), codes.local[:, :2].flatten(1)
        own, mean = own.std(dim=0).view_as(self.absent), own.mean(dim=0).view_as(self.absent)
        self.to_codes.weight.mul_(own[:, None])
        self.to_codes.bias.copy_(mean)
        self.absent.copy_(mean)
        for layer, known in ((self.to_base, base), (self.to_attributes, codes.attributes)):
            if layer is not None:
                layer.weight.mul_(known.std(dim=0)[:, None])
                layer.bias.copy_(known.mean(dim=0))
        momentum, training = self.standardise.momentum, self.standardise.training
        self.standardise.momentum = None  # the mean over all batches
        self.standardise.reset_running_stats()
        self.standardise.train()
        for images, segmentations in batches:
            self(images, segmentations)
        self.standardise.momentum = momentum
        self.standardise.train(training)

    def _shown(self) -> Float[Tensor, "k"]:
        """Mask of the classes that occurred in training; others (glasses, a hat) are encoded as if they were absent.

        What never varied in training would be standardised to hundreds, and one such class would make a ruin of the whole face.
        """
        if self.standardise.training:
            return self.absent.new_ones(NUM_CLASSES)
        spread: Any = self.standardise.running_var
        shown: Tensor = spread.view(NUM_CLASSES, -1).amax(dim=1) > self.standardise.eps
        return shown.to(self.absent.dtype)

    def _codes(self, features: Tensor, segmentations: Tensor, before: tuple[LatentCodes, Tensor, Tensor] | None) -> LatentCodes:
        inside = F.adaptive_avg_pool2d(segmentations, features.shape[-1]).flatten(2)
        flat = features.flatten(2)
        where = geometry(segmentations)
        described = torch.cat([_pooled(flat, inside, where, features), 4 * where], dim=2)
        hidden = self.hidden(self.standardise(described.flatten(1)).view_as(described))
        present = inside.sum(dim=2, keepdim=True).clamp(0, 1)  # a cell of the feature map counts as seen
        whole = (present * hidden).flatten(1)
        if before is not None:
            step = present * self.to_steps(hidden)
            stepped = before[0].local[:, 2:] + step.flatten(1).view(len(features), -1, self.latent)
            moved = self.to_attribute_steps(whole) if self.to_attribute_steps else 0
            return LatentCodes(torch.cat([before[0].local[:, :2], stepped], dim=1), before[0].attributes + moved)
        own = present * self.to_codes(hidden) + (1 - present) * self.absent
        base = self.to_base(torch.tanh(self.to_layout(where.flatten(1))))
        local = torch.cat([base, own.flatten(1)], dim=1).view(len(features), -1, self.latent)
        attributes = self.to_attributes(whole) if self.to_attributes else features.new_zeros(len(features), 0)
        return LatentCodes(local, attributes)

    def _features(self, x: Tensor) -> Tensor:
        """The pyramid's finest map, coarse maps added from the top down."""
        maps = self.trunk(x)
        # Sizes differ by orders of magnitude between the stages: each map is brought to unit mean square.
        scaled = [m * torch.rsqrt(m.square().mean(dim=(1, 2, 3), keepdim=True) + 1e-8) for m in maps]
        level = [lateral(m) for lateral, m in zip(self.lateral, scaled, strict=True)]
        y: Tensor = self.merge[-1](level[-1])
        for lateral, merge in zip(level[-2::-1], self.merge[-2::-1], strict=True):
            y = merge((F.interpolate(y, scale_factor=2.0, mode="nearest") + lateral) / math.sqrt(2))
        return y


def _pooled(flat: Tensor, inside: Tensor, where: Tensor, like: Tensor) -> Tensor:
    """``(B, K, 3 C)``: means over each class of the features, times 1, x and y relative to the class's centre."""
    offsets = _positions(like)[1:3] - where[:, :, 1:3, None]  # (B, K, 2, N)
    weights = torch.cat([torch.ones_like(offsets[:, :, :1]), 4 * offsets], dim=2) * inside[:, :, None]
    pooled = torch.einsum("bkpn,bcn->bkpc", weights, flat) / (inside.sum(dim=2) + 1e-3)[..., None, None]
    return pooled.flatten(2)
