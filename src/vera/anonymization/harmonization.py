"""Harmonization: a few steps on the identity's codes, jointly over a person's photographs, so that borders fit.

The source is compared in a band just outside the replaced region only: what is to be replaced enters no loss, or the
identity would find its way back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from vera.anonymization.assembly import assemble
from vera.generator.network import Synthesis
from vera.types import LatentCodes

BAND = 0.06
"""DECISION: width of the band, as a share of the crop's side."""
RATE = 0.01
"""DECISION: peak step of Adam, in standard deviations of the bank."""
WEIGHT_PERCEPTUAL = 0.2
WEIGHT_SEGMENTATION = 0.2
WEIGHT_PRIOR = 0.5
"""DECISION: weights against 1 for the mean absolute colour difference. The prior is the squared distance to the drawn identity."""


@dataclass(frozen=True)
class Surroundings:
    """The pixels around the replaced region: all that harmonization may know of the photographs.

    Attributes:
        images: ``(B, 3, S, S)`` in [-1, 1].
        segmentations: ``(B, K, S, S)`` class probabilities.
        band: ``(B, 1, S, S)`` bool: where they are read.

    """

    images: Tensor
    segmentations: Tensor
    band: Tensor

    @classmethod
    def of(cls, images: Tensor, segmentations: Tensor, replaced: Tensor) -> Surroundings:
        """Keep the band around the replaced region, forget the rest.

        Args:
            images: ``(B, 3, S, S)``.
            segmentations: ``(B, K, S, S)``.
            replaced: ``(B, 1, S, S)`` share of each pixel that is replaced, 0 to 1.

        """
        inside = (replaced > 0).float()
        guarded = F.max_pool2d(inside, 3, 1, 1)  # pixels next to it may be mixed with it by resampling
        reach = max(1, round(BAND * images.shape[-1]))
        band = (F.max_pool2d(guarded, 2 * reach + 1, 1, reach) - guarded) > 0.5
        return cls(torch.where(band, images, 0), torch.where(band, segmentations, 0), band)


def harmonize(
    generator: Callable[[LatentCodes], Synthesis],
    codes: LatentCodes,
    identity: Tensor,
    kept: Tensor,
    surroundings: Surroundings,
    *,
    unit: Tensor,
    steps: int,
    perceptual: Callable[[Tensor, Tensor], Tensor] | None,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Fit one identity to the surroundings of all replaced regions.

    Args:
        generator: the frozen generator, from latent codes to image and segmentation.
        codes: latent codes of the person's B photographs.
        identity: ``(2 + 2K, D)``, as drawn.
        kept: ``(B, 2 + 2K)`` bool: rows that stay the photographs'.
        surroundings: pixels of the photographs around the replaced regions: the targets.
        unit: ``(2 + 2K, D)``, standard deviation of the bank: the scale of steps and prior.
        steps: 0 returns the identity as it is.
        perceptual: distance of two batches of images, ``(B,)``; no gradient into the second. None leaves the term out.
        progress: a function that is called with the number of each finished step; None for no reports.

    Returns:
        ``(2 + 2K, D)``: the person's identity.

    """
    scale = unit + 0.05 * unit.mean() + 1e-6  # directions the bank hardly uses move hardly
    offset = torch.zeros_like(identity, requires_grad=True)
    optimizer = torch.optim.Adam([offset], lr=RATE)
    for step in range(steps):
        synthesis = generator(assemble(codes, identity + offset * scale, kept))
        loss = border_loss(synthesis.image, synthesis.segmentation, surroundings, perceptual)
        loss = loss + WEIGHT_PRIOR * offset.square().mean()
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, 2 * (1 - step / steps))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if progress is not None:
            progress(step + 1)
    return (identity + offset * scale).detach()


def border_loss(
    image: Tensor, segmentation: Tensor, surroundings: Surroundings, perceptual: Callable[[Tensor, Tensor], Tensor] | None
) -> Tensor:
    """Difference of generated faces and photographs in the band around the replaced region, mean over all photographs.

    The segmentation (2p - 1) is compared by squared error: it is unbounded and no distribution.

    Args:
        image: ``(B, 3, S, S)`` generated.
        segmentation: ``(B, K, S, S)`` generated, 2p - 1.
        surroundings: pixels of the photographs around the replaced regions: the targets.
        perceptual: distance of two batches of images, ``(B,)``; None leaves the term out.

    """
    band = surroundings.band
    area = band.sum().clamp(min=1)
    colour = ((image - surroundings.images).abs() * band).sum() / (3 * area)
    classes = ((segmentation - (2 * surroundings.segmentations - 1)).square() * band).sum() / area
    loss: Tensor = colour + WEIGHT_SEGMENTATION * classes
    if perceptual is not None:
        # elsewhere the target is what was generated: it pulls nowhere
        target = torch.where(band, surroundings.images, image.detach())
        loss = loss + WEIGHT_PERCEPTUAL * perceptual(image, target).mean()
    return loss
