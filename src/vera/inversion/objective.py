"""The objective of stage 3 in its plainest form: reconstruct image and segmentation, keep codes near their mean."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.features.perceptual import PerceptualDistance
from vera.generator.network import Synthesis
from vera.types import FACE, LatentCodes


@dataclass(frozen=True)
class Weights:
    """Weights of :class:`InversionObjective`.

    Attributes:
        face: how much more than others pixels of the face (:data:`vera.types.FACE`) count in the first two terms.

    """

    face: float
    pixel: float
    perceptual: float
    segmentation: float
    prior: float


class InversionObjective(nn.Module):
    """Weighted sum of the reconstruction terms; every term is returned for the log.

    Args:
        weights: one number a term; a term of weight 0 is not computed.
        perceptual: distance network; required when its weight is not 0.

    """

    def __init__(self, *, weights: Weights, perceptual: PerceptualDistance | None) -> None:
        super().__init__()
        if weights.perceptual and perceptual is None:
            raise ValueError("the perceptual term has a weight but no network: pass `perceptual`")
        self.weights, self.perceptual = weights, perceptual

    def forward(
        self,
        synthesis: Synthesis,
        codes: LatentCodes,
        images: Float[Tensor, "b 3 h w"],
        segmentations: Float[Tensor, "b k h w"],
    ) -> tuple[Float[Tensor, "b"], dict[str, Float[Tensor, "b"]]]:
        """Loss of each image and its terms, unweighted: images share a batch, not their result.

        Args:
            synthesis: what the generator made of ``codes``.
            codes: the encoder's codes.
            images: targets in [-1, 1].
            segmentations: targets, class probabilities.

        """
        # Hair and background are mostly kept when a photograph is anonymized: the face is what has to be good.
        focus = 1 + self.weights.face * segmentations[:, list(FACE)].sum(dim=1, keepdim=True)
        difference = (synthesis.image - images).abs() * focus
        terms = {
            "pixel": difference.mean(dim=(1, 2, 3)) / focus.mean(dim=(1, 2, 3)),
            "segmentation": segmentation_distance(synthesis, segmentations),
            "prior": codes.local.square().mean(dim=(1, 2)),
        }
        if self.perceptual is not None and self.weights.perceptual:
            terms["perceptual"] = self.perceptual(synthesis.image, images, focus)
        loss = torch.stack([getattr(self.weights, name) * value for name, value in terms.items()]).sum(dim=0)
        return loss, terms


def segmentation_distance(synthesis: Synthesis, target: Float[Tensor, "b k h w"]) -> Float[Tensor, "b"]:
    """Cross entropy of the coarse map against the target at its size, plus squared error of the refined map (2p - 1).

    The refined output is unbounded and not a distribution, so that a cross entropy there has no gradient where it matters
    most (outside [-1, 1]); the coarse one is a softmax.
    """
    small = F.adaptive_avg_pool2d(target, synthesis.coarse.shape[-1])
    coarse = -(small * (synthesis.coarse + 1e-6).log()).sum(dim=1).mean(dim=(1, 2))
    return coarse + (synthesis.segmentation - (2 * target - 1)).square().sum(dim=1).mean(dim=(1, 2))
