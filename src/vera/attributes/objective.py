"""Contrastive losses of stage 2 (NT-Xent, margin), and the objective over all attributes of a mirrored batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from vera.attributes.encoder import AttributeEncoder
from vera.attributes.projection import NoProjection, Projection
from vera.ops.gathering import gather
from vera.types import VeraError

Loss = Callable[[Tensor, Tensor], Tensor]
"""``(M, M)`` cosines and which pairs are of one code, to a scalar."""


def same_code(shares: Int[Tensor, "m"]) -> Bool[Tensor, "m m"]:
    """Mask of the pairs of *different* faces that share a code."""
    return (shares[:, None] == shares[None]) & ~torch.eye(len(shares), dtype=torch.bool, device=shares.device)


class NTXent:
    """Multi-positive NT-Xent: positives of a face are all others of its code, everything else is a negative.

    ``-log( exp(s_ip / τ) / Σ_{j≠i} exp(s_ij / τ) )``, mean over the positives p of i, then over the faces that have any. Where all
    cosines are equal it is ``log(M - 1)``.

    Args:
        temperature: temperature τ that divides the cosines, above 0.

    """

    def __init__(self, *, temperature: float) -> None:
        self.temperature = temperature

    def __call__(self, cosines: Float[Tensor, "m m"], positive: Bool[Tensor, "m m"]) -> Float[Tensor, ""]:
        """The loss."""
        itself = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
        logits = (cosines / self.temperature).masked_fill(itself, -torch.inf)
        surprise = torch.logsumexp(logits, dim=1, keepdim=True) - logits.masked_fill(itself, 0)
        count = positive.sum(dim=1)
        each = (surprise * positive).sum(dim=1) / count.clamp(min=1)
        return each.sum() / (count > 0).sum()


class Margin:
    """GAN-Control's loss (Shoshan et al. 2021, section 3.1): pairs of one code nearer than a threshold, all others further than another.

    DECISION: distances are ``1 - cosine``, 0 to 2, whatever the encoder.

    Args:
        same: threshold under which pairs of one code cost nothing.
        different: threshold above which other pairs cost nothing.

    """

    def __init__(self, *, same: float, different: float) -> None:
        self.same, self.different = same, different

    def __call__(self, cosines: Float[Tensor, "m m"], positive: Bool[Tensor, "m m"]) -> Float[Tensor, ""]:
        """The loss: mean over the pairs of one code, plus mean over the others."""
        distances = 1 - cosines
        negative = ~positive & ~torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
        near = (distances - self.same).clamp(min=0)[positive]
        far = (self.different - distances).clamp(min=0)[negative]
        return near.sum() / max(near.numel(), 1) + far.sum() / max(far.numel(), 1)


FLOOR = 0.03
"""DECISION: in units of half the ordinary range. Readings that vary less than that are not magnified to unit spread."""


def standardised(values: Float[Tensor, "m v"]) -> Float[Tensor, "m v"]:
    """Standardise scaled readings by the batch's mean and standard deviation.

    Without it, the nearest way to a smaller loss is that all faces become alike: their unit vectors then coincide, and there the
    cosine has no gradient. What counts is how much of the spread comes from the attribute's own code, whatever the spread is; with a
    floor, so that nothing is gained by differences that nobody could see.
    """
    variance = values.var(dim=0, correction=0)
    return (values - values.mean(dim=0)) * torch.rsqrt(variance + FLOOR**2)


class ContrastiveObjective(nn.Module):
    """Contrastive loss of every attribute: encode, standardise, gather from all processes, project, compare.

    Args:
        encoders: frozen encoder of each attribute, by its name.
        weights: weight of each attribute's loss, by its name.
        loss: contrastive loss on cosines: :class:`NTXent` or :class:`Margin`.
        projection: ``hidden`` and ``outputs`` of the heads; None for the ablation without.

    Raises:
        VeraError: weights are not those of the encoders.

    """

    def __init__(
        self, *, encoders: Mapping[str, AttributeEncoder], weights: Mapping[str, float], loss: Loss, projection: Mapping[str, int] | None
    ) -> None:
        super().__init__()
        if set(encoders) != set(weights):
            raise VeraError(f"attributes: encoders for {sorted(encoders)} and weights for {sorted(weights)}; give each attribute both")
        self.encoders = nn.ModuleDict(encoders).requires_grad_(False)
        self.heads = nn.ModuleDict(
            {name: Projection(width=e.width, **projection) if projection else NoProjection() for name, e in encoders.items()}
        )
        self.weights, self.loss = dict(weights), loss

    def read(self, images: Float[Tensor, "b 3 s s"], segmentations: Float[Tensor, "b k s s"]) -> dict[str, Tensor]:
        """Scaled readings ``(B, V)`` of each encoder, by attribute; segmentations are class probabilities."""
        return {name: encoder.scaled(encoder(images, segmentations)) for name, encoder in self.encoders.items()}  # type: ignore[operator]

    def forward(self, values: Mapping[str, Tensor], shares: Mapping[str, Tensor]) -> dict[str, Float[Tensor, ""]]:
        """The unweighted loss of each attribute.

        Args:
            values: scaled readings of this process's faces, by attribute, from :meth:`read`.
            shares: number of the draw behind each face's code, by attribute (:class:`vera.attributes.mirrored.Mirrored`).

        """
        losses = {}
        for name, head in self.heads.items():
            features, codes = head(standardised(gather(values[name]))), gather(shares[name])
            losses[name] = self.loss(features @ features.T, same_code(codes))
        return losses

    def total(self, losses: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """The weighted sum."""
        return torch.stack([self.weights[name] * loss for name, loss in losses.items()]).sum()
