"""Training loss of the parser: class-balanced cross entropy and soft Dice."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from vera.types import VeraError


@dataclass(frozen=True)
class ParsingWeights:
    """Weights of the two terms.

    Attributes:
        entropy: weight of the balanced cross entropy.
        overlap: weight of the soft Dice loss.

    """

    entropy: float
    overlap: float


class ParsingObjective:
    """Loss of a batch of parsed faces; images don't influence each other.

    Args:
        weights: weights of the two terms.
        balance: weighting of an image's classes in the cross entropy: 0 by their numbers of pixels, 1 all classes alike.

    Raises:
        VeraError: for a balance outside [0, 1].

    """

    def __init__(self, *, weights: ParsingWeights, balance: float) -> None:
        if not 0 <= balance <= 1:
            raise VeraError(f"objective.balance={balance}: choose a value from 0 to 1")
        self.weights, self.balance = weights, balance

    def __call__(
        self, logits: Float[Tensor, "b k h w"], labels: Int64[Tensor, "b h w"]
    ) -> tuple[Float[Tensor, " b"], dict[str, Float[Tensor, " b"]]]:
        """Losses, one an image, and their terms, not weighted.

        Args:
            logits: unnormalised scores of the classes.
            labels: true class numbers, 0 to 12.

        """
        logits = logits.float()
        truth = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2).to(logits.dtype)
        entropy = balanced_entropy(logits, truth, self.balance)
        overlap = soft_dice(logits.softmax(dim=1), truth)
        losses = self.weights.entropy * entropy + self.weights.overlap * overlap
        return losses, {"entropy": entropy, "overlap": overlap}


def balanced_entropy(logits: Float[Tensor, "b k h w"], truth: Float[Tensor, "b k h w"], balance: float) -> Float[Tensor, " b"]:
    """Mean cross entropy over an image's pixels, each weighted by its class's share of the image to the power ``-balance``.

    Args:
        logits: unnormalised scores of the classes.
        truth: true classes, one-hot: 0 or 1.
        balance: exponent on a class's share of the image, in [0, 1], as in :class:`ParsingObjective`.

    """
    share = truth.mean(dim=(2, 3), keepdim=True)
    weight = (truth * share.clamp(min=1e-6) ** -balance).sum(dim=1)
    entropy = -(truth * logits.log_softmax(dim=1)).sum(dim=1)
    return (weight * entropy).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))


def soft_dice(probabilities: Float[Tensor, "b k h w"], truth: Float[Tensor, "b k h w"]) -> Float[Tensor, " b"]:
    """One minus the mean of ``2 Σ p t / (Σ p + Σ t)`` over the classes that an image has (Milletari et al., 2016, without squares).

    Args:
        probabilities: sum 1 over the classes.
        truth: true classes, one-hot: 0 or 1.

    """
    common = (probabilities * truth).sum(dim=(2, 3))
    sizes = (probabilities + truth).sum(dim=(2, 3))
    present = (truth.amax(dim=(2, 3)) > 0).to(common.dtype)
    dice = 2 * common / sizes.clamp(min=torch.finfo(common.dtype).tiny)
    return 1 - (dice * present).sum(dim=1) / present.sum(dim=1)
