"""Refinement: optimise latent codes at test time, within a budget of steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vera.inversion.banked import BankedGenerator
from vera.inversion.objective import InversionObjective, InversionWeights
from vera.types import LatentCodes, VeraError

BETAS = (0.8, 0.95)
"""DECISION: a short memory, for some dozens of steps: 50 on two photographs ended at a loss of 0.374, with Adam's own at 0.377."""
RATE, RATE_ALONG_AXES = 0.1, 0.2
"""DECISION: peak learning rates: the best of 0.03, 0.1, 0.2 and 0.3 for the numbers of the codes, of 0.1, 0.2 and 0.4 along axes (50 steps
from the encoder on two or three photographs)."""
REFINEMENT = InversionWeights(face=3.0, pixel=1.0, perceptual=0.5, segmentation=0.2, prior=0.02)
"""DECISION: loss weights for the refinement of latent codes on one photograph."""
FROM_MEAN = InversionWeights(face=3.0, pixel=1.0, perceptual=1.0, segmentation=0.2, prior=1.0)
"""DECISION: loss weights where the codes are the mapping's. Perceptual distance and prior, the mean squared distance from the mean codes,
are those of SemanticStyleGAN's inversion."""


@dataclass(frozen=True)
class Plateau:
    """Stopping rule: a photograph is done when its loss no longer improves.

    Attributes:
        patience: steps in which the lowest loss must fall ...
        improvement: ... by this share.

    """

    patience: int
    improvement: float


class Moving:
    """Latent codes as parameters of an optimizer, along axes or coordinate by coordinate.

    Args:
        start: latent codes to start from.
        rate: peak learning rate; None for the usual one.
        axes: axes of each local code to move along (:func:`vera.inversion.axes.learn_axes`); None for the codes' own
            coordinates.

    """

    betas = BETAS

    def __init__(self, start: LatentCodes, *, rate: float | None, axes: Float[Tensor, "r d d"] | None) -> None:
        self.start, self.axes = start.map(Tensor.detach), axes
        self.rate = rate if rate is not None else RATE if axes is None else RATE_ALONG_AXES
        self.parameters = [torch.zeros_like(part).requires_grad_(True) for part in (self.start.local, self.start.attributes)]

    def codes(self) -> LatentCodes:
        """The latent codes at their present position."""
        way, attributes = self.parameters
        local = way if self.axes is None else torch.einsum("bre,red->brd", way, self.axes)
        return LatentCodes(self.start.local + local, self.start.attributes + attributes)


def refine(
    network: BankedGenerator,
    images: Float[Tensor, "b 3 s s"],
    segmentations: Float[Tensor, "b k s s"],
    codes: LatentCodes,
    *,
    objective: InversionObjective,
    steps: int,
    rate: float | None = None,
    axes: Float[Tensor, "r d d"] | None = None,
    plateau: Plateau | None = None,
    progress: Callable[[int], None] | None = None,
) -> LatentCodes:
    """Refine latent codes with Adam, starting from the encoder's; the network stays frozen.

    The learning rate ramps up over the first tenth and down (cosine) over the last half (StyleGAN2's projection). The codes
    of the lowest loss of each photograph are returned, so that refinement never makes a photograph worse. Photographs share a
    batch, not their result: each has its own loss, its own moments and its own plateau.

    Args:
        network: its generator is frozen.
        images: aligned faces, values in [-1, 1].
        segmentations: class probabilities of these faces, sum 1 over the classes.
        codes: latent codes to start from, usually the encoder's.
        objective: reconstruction loss that is minimised.
        steps: budget of steps; 0 returns the codes as they are, without a pass of the networks.
        rate: peak learning rate; None for the usual one.
        axes: axes of each local code to move along, see :class:`Moving`; None for the codes' own coordinates.
        plateau: rule to stop early; None spends the budget.
        progress: a function that is called with the number of each finished step; None for no reports.

    Raises:
        ValueError: for a network that is not frozen: its weights' gradients would be computed and kept.
        VeraError: when the loss stops being finite.

    """
    if any(parameter.requires_grad for parameter in network.generator.parameters()):
        raise ValueError("refinement moves codes alone: freeze the network (requires_grad_(False))")
    if not steps:
        return codes.map(Tensor.detach)
    moving = Moving(codes, rate=rate, axes=axes)
    best, best_loss = moving.start.map(Tensor.clone), images.new_full((len(images),), torch.inf)
    optimizer = torch.optim.Adam(moving.parameters, betas=moving.betas)
    watch = _Watch(plateau, best_loss)
    for step in range(steps + 1):
        current = moving.codes()
        losses, _ = objective(network.generator(current), current, images, segmentations)
        if not bool(torch.isfinite(losses).all()):
            raise VeraError("refinement diverged: lower its learning rate or use fewer steps")
        better = watch.running & (losses.detach() < best_loss)
        best_loss = torch.where(better, losses.detach(), best_loss)
        best = LatentCodes(
            torch.where(better[:, None, None], current.local.detach(), best.local),
            torch.where(better[:, None], current.attributes.detach(), best.attributes),
        )
        watch.look(best_loss)
        if step == steps or not watch.running.any():
            break
        for group in optimizer.param_groups:
            group["lr"] = moving.rate * ramp(step / steps)
        optimizer.zero_grad()
        losses.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if progress is not None:
            progress(step + 1)
    return best


def ramp(done: float) -> float:
    """Learning-rate factor at the share ``done`` in [0, 1] of the budget."""
    up = min(1.0, done / 0.1 + 0.1)
    down = min(1.0, (1 - done) / 0.5)
    return float(up * (0.5 - 0.5 * torch.cos(torch.tensor(torch.pi * down))))


class _Watch:
    """Track the photographs that are still being refined."""

    def __init__(self, plateau: Plateau | None, losses: Tensor) -> None:
        self.plateau = plateau
        self.running = torch.ones_like(losses, dtype=torch.bool)
        self.mark, self.since = losses.clone(), torch.zeros_like(losses)

    def look(self, lowest: Tensor) -> None:
        """After a step: a photograph whose lowest loss has not fallen enough for too long is done."""
        if self.plateau is None:
            return
        fell = lowest < self.mark * (1 - self.plateau.improvement)
        self.mark = torch.where(fell, lowest, self.mark)
        self.since = torch.where(fell, torch.zeros_like(self.since), self.since + 1)
        self.running &= self.since < self.plateau.patience
