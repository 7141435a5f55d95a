"""The objective of inversion: reconstruct image, identity and segmentation, keep codes near their mean or near the true codes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.generator.network import Synthesis
from vera.types import FACE, NUM_CLASSES, LatentCodes


@runtime_checkable
class WeightedDistance(Protocol):
    """A perceptual distance: :class:`vera.features.perceptual.PerceptualDistance`, or LPIPS with a weight for each pixel."""

    def __call__(
        self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"], weight: Float[Tensor, "b 1 h w"] | None = None
    ) -> Float[Tensor, "b"]:
        """Distance of each image to its target."""
        ...


@runtime_checkable
class Distance(Protocol):
    """Protocol of identity distances between faces, such as :class:`vera.features.identity.OnnxIdentity`."""

    def __call__(self, a: Float[Tensor, "b 3 h w"], b: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b"]:
        """Distance of each image to its target."""
        ...


@dataclass(frozen=True)
class InversionWeights:
    """Weights of :class:`InversionObjective`.

    Attributes:
        face: factor for pixels of the face (:data:`vera.types.FACE`) in the pixel and the perceptual term.
        pixel: weight of the mean absolute difference.
        perceptual: weight of the distance of frozen features.
        segmentation: weight of :func:`segmentation_distance` (the paper's Fig. 4).
        prior: weight of the codes' mean squared distance from their centre, see :meth:`InversionObjective.take_centre`.
        identity: weight of a face recogniser's distance.
        codes: weight of :func:`code_distance`, on generated images.

    """

    face: float
    pixel: float
    perceptual: float
    segmentation: float
    prior: float
    identity: float = 0.0
    codes: float = 0.0


class InversionObjective(nn.Module):
    """Weighted sum of the reconstruction terms; every term is returned for the log.

    Args:
        weights: one number a term; a network's term of weight 0 is not computed.
        perceptual: distance network; required when its weight is not 0.
        identity: a face recogniser's distance; required when its weight is not 0.
        centre: codes that the prior pulls towards, see :meth:`take_centre`.

    """

    centre_local: Tensor | None
    centre_attributes: Tensor | None

    def __init__(
        self,
        *,
        weights: InversionWeights,
        perceptual: WeightedDistance | None,
        identity: Distance | None = None,
        centre: LatentCodes | None = None,
    ) -> None:
        super().__init__()
        self.take_centre(centre)
        for name, network in (("perceptual", perceptual), ("identity", identity)):
            if getattr(weights, name) and network is None:
                raise ValueError(f"the {name} term has a weight but no network: pass `{name}`")
        self.weights, self.perceptual, self.identity = weights, perceptual, identity

    def take_centre(self, centre: LatentCodes | None) -> None:
        """Set the codes, a batch of one, that the prior pulls towards; None for local codes of zero."""
        self.register_buffer("centre_local", None if centre is None else centre.local, persistent=False)
        self.register_buffer("centre_attributes", None if centre is None else centre.attributes, persistent=False)

    def forward(
        self,
        synthesis: Synthesis,
        codes: LatentCodes,
        images: Float[Tensor, "b 3 h w"],
        segmentations: Float[Tensor, "b k h w"],
        true: LatentCodes | None = None,
    ) -> tuple[Float[Tensor, "b"], dict[str, Float[Tensor, "b"]]]:
        """Loss of each image and its terms, unweighted: images share a batch, not their result.

        Args:
            synthesis: the generator's output for ``codes``.
            codes: latent codes from the encoder.
            images: targets in [-1, 1].
            segmentations: target segmentations: class probabilities, sum 1 over the classes.
            true: the codes that the targets were made of, where these are known.

        """
        # Hair and background are mostly kept when a photograph is anonymized: the face is what has to be good.
        focus = 1 + self.weights.face * segmentations[:, list(FACE)].sum(dim=1, keepdim=True)
        difference = (synthesis.image - images).abs() * focus
        terms = {
            "pixel": difference.mean(dim=(1, 2, 3)) / focus.mean(dim=(1, 2, 3)),
            "segmentation": segmentation_distance(synthesis, segmentations),
            "prior": self._prior(codes),
        }
        if self.perceptual is not None and self.weights.perceptual:
            terms["perceptual"] = self.perceptual(synthesis.image, images, focus)
        if self.identity is not None and self.weights.identity:
            terms["identity"] = self.identity(synthesis.image, images)
        if true is not None:
            terms["codes"] = code_distance(codes, true, segmentations)
        loss = torch.stack([getattr(self.weights, name) * value for name, value in terms.items()]).sum(dim=0)
        return loss, terms

    def _prior(self, codes: LatentCodes) -> Float[Tensor, "b"]:
        if self.centre_local is None or self.centre_attributes is None:
            return codes.local.square().mean(dim=(1, 2))
        away = (codes.local - self.centre_local).square().mean(dim=(1, 2))
        if not codes.attributes.shape[1]:
            return away
        return away + (codes.attributes - self.centre_attributes).square().mean(dim=1)


def segmentation_distance(synthesis: Synthesis, target: Float[Tensor, "b k h w"]) -> Float[Tensor, "b"]:
    """Cross entropy of the coarse map against the target at its size, plus squared error of the refined map (2p - 1).

    The refined output is unbounded and not a distribution, so that a cross entropy there has no gradient where it matters
    most (outside [-1, 1]); the coarse one is a softmax.
    """
    small = F.adaptive_avg_pool2d(target, synthesis.coarse.shape[-1])
    coarse = -(small * (synthesis.coarse + 1e-6).log()).sum(dim=1).mean(dim=(1, 2))
    return coarse + (synthesis.segmentation - (2 * target - 1)).square().sum(dim=1).mean(dim=(1, 2))


def code_distance(codes: LatentCodes, true: LatentCodes, segmentations: Float[Tensor, "b k h w"]) -> Float[Tensor, "b"]:
    """Mean squared difference over base codes, attribute codes and the codes of the visible classes.

    What made an absent class cannot be read off an image: its codes do not count. DECISION: a class of a thousandth of the image counts
    in full (an ear), a smaller one in part.

    Args:
        codes: latent codes from the encoder.
        true: latent codes that the images were generated from.
        segmentations: class probabilities of the images, sum 1 over the classes.

    """
    seen = (segmentations.mean(dim=(2, 3)) / 1e-3).clamp(max=1)
    counts = torch.cat([seen.new_ones(len(seen), codes.local.shape[1] - 2 * NUM_CLASSES), seen.repeat_interleave(2, dim=1)], dim=1)
    local = (counts * (codes.local - true.local).square().mean(dim=2)).sum(dim=1) / counts.sum(dim=1)
    if not codes.attributes.shape[1]:
        return local
    return local + (codes.attributes - true.attributes).square().mean(dim=1)
