"""The objective of stage 3 in its plainest form: reconstruct image and segmentation, keep codes near their mean."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.features.perceptual import PerceptualDistance
from vera.generator.network import Synthesis
from vera.types import LatentCodes


@dataclass(frozen=True)
class Weights:
    """Weight of each term of :class:`InversionObjective`."""

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
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss (scalar) and its terms, unweighted.

        Args:
            synthesis: what the generator made of ``codes``.
            codes: the encoder's codes.
            images: targets in [-1, 1].
            segmentations: targets, class probabilities.

        """
        terms = {
            "pixel": (synthesis.image - images).abs().mean(),
            "segmentation": segmentation_distance(synthesis, segmentations),
            "prior": codes.local.square().mean(),
        }
        if self.perceptual is not None and self.weights.perceptual:
            terms["perceptual"] = self.perceptual(synthesis.image, images).mean()
        loss = torch.stack([getattr(self.weights, name) * value for name, value in terms.items()]).sum()
        return loss, terms


def segmentation_distance(synthesis: Synthesis, target: Float[Tensor, "b k h w"]) -> Tensor:
    """Cross entropy of the coarse map against the target at its size, plus squared error of the refined map (2p - 1).

    The refined output is unbounded and not a distribution, so that a cross entropy there has no gradient where it matters
    most (outside [-1, 1]); the coarse one is a softmax.
    """
    small = F.adaptive_avg_pool2d(target, synthesis.coarse.shape[-2:])
    coarse = -(small * (synthesis.coarse + 1e-6).log()).sum(dim=1).mean()
    return coarse + (synthesis.segmentation - (2 * target - 1)).square().sum(dim=1).mean()
