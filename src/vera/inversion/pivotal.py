"""Pivotal tuning (Roich et al. 2021): fit a copy of the renderer to photographs, after their latent codes or with them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from vera.generator.network import Generator
from vera.inversion.banked import BankedGenerator
from vera.inversion.objective import InversionObjective
from vera.inversion.refinement import Moving, ramp
from vera.types import LatentCodes, VeraError


def tune(
    network: BankedGenerator,
    images: Float[Tensor, "b 3 s s"],
    segmentations: Float[Tensor, "b k s s"],
    codes: LatentCodes | Moving,
    *,
    objective: InversionObjective,
    steps: int,
    rate: float,
    limit: float,
    progress: Callable[[int], None] | None = None,
) -> tuple[LatentCodes, Generator]:
    """Fit a copy of the renderer's weights to photographs with Adam, within a limit and without injected noise.

    The copy is for these photographs alone. The network it is made from does not change, and nothing of it may go into a bundle: it
    remembers the person. Photographs that are given together share it.

    Args:
        network: network whose generator is copied; it does not change.
        images: aligned faces, values in [-1, 1].
        segmentations: class probabilities of these faces, sum 1 over the classes.
        codes: refined latent codes (the pivots), or codes that are optimised in the same steps, which is better if steps are few.
        objective: reconstruction loss that is minimised.
        steps: number of steps of the optimiser; 0 gives the copy without noise.
        rate: peak learning rate; it ramps as in :func:`vera.inversion.refinement.refine`.
        limit: largest change of each tensor, as a share of its own norm.
        progress: a function that is called with the number of each finished step; None for no reports.

    Returns:
        The codes, and the frozen copy, of the lowest mean loss.

    Raises:
        VeraError: when the loss stops being finite.

    """
    tuned = copy.deepcopy(network.generator).eval().requires_grad_(False)
    for name, parameter in tuned.renderer.named_parameters():
        if name.endswith("noise_strength"):
            parameter.zero_()
    weights = [parameter for name, parameter in tuned.renderer.named_parameters() if not name.endswith("noise_strength")]
    start = [parameter.clone() for parameter in weights]
    best, best_loss = start, torch.inf
    optimizer = torch.optim.Adam([{"params": [parameter.requires_grad_() for parameter in weights], "peak": rate}])
    if isinstance(codes, Moving):
        optimizer.add_param_group({"params": codes.parameters, "peak": codes.rate, "betas": codes.betas})
    for step in range(steps + 1):
        current = codes.codes() if isinstance(codes, Moving) else codes.map(Tensor.detach)
        losses, _ = objective(tuned(current), current, images, segmentations)
        loss = losses.mean()
        if not bool(torch.isfinite(loss)):
            raise VeraError("pivotal tuning diverged: lower its learning rate or use fewer steps")
        if float(loss.detach()) < best_loss:
            best, best_loss = [parameter.detach().clone() for parameter in weights], float(loss.detach())
            best_codes = current.map(lambda part: part.detach().clone())  # at the first step at the latest: losses are finite
        if step == steps:
            break
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * ramp(step / steps)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        _hold(weights, start, limit)
        if progress is not None:
            progress(step + 1)
    with torch.no_grad():
        for parameter, value in zip(weights, best, strict=True):
            parameter.copy_(value)
    return best_codes, tuned.requires_grad_(False)


@torch.no_grad()
def _hold(weights: list[torch.nn.Parameter], start: list[Tensor], limit: float) -> None:
    """Project weights back into the ball around their start, of radius ``limit`` times the start's norm."""
    for parameter, origin in zip(weights, start, strict=True):
        change = parameter - origin
        factor = (limit * origin.norm() / (change.norm() + 1e-12)).clamp(max=1)
        parameter.copy_(origin + factor * change)
