"""The terms of stage 1: adversarial losses, their two regularisations, mask consistency and style mixing; pure functions.

StyleGAN2 (Karras et al. 2020, appendix B) as SemanticStyleGAN uses it (Shi et al. 2022): two inputs to the
discriminator, image and segmentation, each with its own R1 weight. Whatever is random is passed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from vera.types import LatentCodes


@dataclass(frozen=True)
class GeneratorWeights:
    """Weights of the loss terms of stage 1.

    Attributes:
        r1_image: γ of R1 on the image; the term is ``γ/2 E |∇|²``.
        r1_segmentation: γ of R1 on the segmentation.
        path: weight of the path-length penalty.
        mask: weight of mask consistency.

    """

    r1_image: float
    r1_segmentation: float
    path: float
    mask: float


def discriminator_loss(real: Float[Tensor, "b *n"], fake: Float[Tensor, "b *n"]) -> Float[Tensor, ""]:
    """Logistic loss of the discriminator on its logits, mean over the batch (and over several logits of one image)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Float[Tensor, "b *n"]) -> Float[Tensor, ""]:
    """Non-saturating logistic loss of the generator."""
    return F.softplus(-fake).mean()


def gradient_penalty(
    logits: Float[Tensor, "b *n"], images: Float[Tensor, "b 3 h w"], segmentations: Float[Tensor, "b k h w"]
) -> tuple[Float[Tensor, "b"], Float[Tensor, "b"]]:
    """R1 (Mescheder et al. 2018) on both inputs: squared norms of the logits' gradients, still differentiable.

    Args:
        logits: discriminator outputs on real samples; several logits of one image count by their mean, as in the losses.
        images: the *unaugmented* images that ``logits`` were computed from, requiring gradients.
        segmentations: unaugmented segmentations of the same samples, in 2p - 1, requiring gradients.

    Returns:
        One number an image for the image, and one for the segmentation.

    """
    total = logits.mean(dim=tuple(range(1, logits.dim()))).sum() if logits.dim() > 1 else logits.sum()
    gradients = torch.autograd.grad(total, [images, segmentations], create_graph=True)
    by_image, by_segmentation = (g.square().sum(dim=(1, 2, 3)) for g in gradients)
    return by_image, by_segmentation


def path_lengths(image: Float[Tensor, "b 3 h w"], layers: Float[Tensor, "b k l d"], noise: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b"]:
    """Length of each image's gradient along a random direction, with respect to the codes of every class and layer.

    ``|J^T y|`` of Karras et al. 2020, section 3.2: the root of the mean over classes and layers of the sum over D of squares.

    Args:
        image: images synthesised from ``layers``.
        layers: expanded codes, requiring gradients.
        noise: standard normal; scaled here by 1/√(HW), so that lengths do not depend on the size.

    """
    height, width = image.shape[-2:]
    direction = noise / math.sqrt(height * width)
    (gradient,) = torch.autograd.grad((image * direction).sum(), layers, create_graph=True)
    return gradient.square().sum(dim=3).mean(dim=(1, 2)).sqrt()


def path_penalty(lengths: Float[Tensor, "b"], mean: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Mean squared deviation from the running mean length.

    DECISION: the mean *before* this batch (:func:`advance_path_mean` comes after). The published code takes the mean after it,
    which differs by a hundredth of one batch but would tie together micro-batches and processes that run apart.
    """
    return (lengths - mean).square().mean()


def advance_path_mean(mean: Float[Tensor, ""], lengths: Float[Tensor, ""], *, decay: float = 0.01) -> Float[Tensor, ""]:
    """The running mean after a batch.

    Args:
        mean: running mean length before this batch.
        lengths: the batch's mean length.
        decay: weight of the batch.

    """
    return mean + decay * (lengths.detach() - mean)


def mask_consistency(coarse: Float[Tensor, "b k s s"], segmentation: Float[Tensor, "b k h h"]) -> Float[Tensor, ""]:
    """Squared difference of coarse and refined segmentation, at the coarse size (Shi et al. 2022).

    Args:
        coarse: coarse segmentation as class probabilities.
        segmentation: refined, in 2p - 1.

    """
    return (2 * coarse - 1 - F.adaptive_avg_pool2d(segmentation, coarse.shape[-1])).square().mean()


def mix_styles(first: LatentCodes, second: LatentCodes, draws: Float[Tensor, "b k1"], *, probability: float) -> LatentCodes:
    """Style mixing, class by class.

    A class takes both codes from the first, or its shape from the first and its texture from the second, or both from the
    second. Base codes and attributes are always the first's.

    DECISION: each *sample* is mixed with this probability; the published code decides once for the whole batch of a process, which
    depends on how images are dealt to processes.

    Args:
        first: latent codes from the mapping.
        second: latent codes of other draws from the mapping.
        draws: ``(B, 1 + K)`` uniform in [0, 1): whether a sample is mixed, then the choice for each class.
        probability: probability that a sample is mixed, in [0, 1].

    """
    mixed, choice = draws[:, :1] < probability, (draws[:, 1:] * 3).long()
    replaced = torch.zeros(first.local.shape[:2], dtype=torch.bool, device=first.local.device)
    replaced[:, 2::2] = mixed & (choice >= 2)  # rows of shape codes
    replaced[:, 3::2] = mixed & (choice >= 1)  # rows of texture codes
    return first.with_local(torch.where(replaced[..., None], second.local, first.local))
