"""Optimisation as SemanticStyleGAN's authors publish it (their invert.py, read for its figures): the reference that needs no encoder.

Adam at 0.1 on the codes from their mean, up over the first 5 % of the steps and down (cosine) over the last 25 %; perceptual distance 1,
mean squared difference 0.1, mean squared distance of the codes from their mean 1; no segmentation. The last codes are the result. Theirs
is LPIPS on VGG, whose weights are a download: the distance on EfficientNet-Lite0 features that refinement uses stands in for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vera.types import LatentCodes

RATE, UP, DOWN = 0.1, 0.05, 0.25
PERCEPTUAL, SQUARED, MEAN = 1.0, 0.1, 1.0


def optimise(
    network: Any, images: Tensor, start: LatentCodes, *, perceptual: Callable[[Tensor, Tensor], Tensor], steps: int
) -> LatentCodes:
    """Codes of each image.

    Args:
        network: its generator is frozen.
        images: ``(B, 3, S, S)`` in [-1, 1].
        start: the mean code, ``(B, R, D)``.
        perceptual: ``(B,)`` of two batches.
        steps: 400 in theirs.

    """
    local = start.local.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([local], lr=RATE)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * ramp(step / steps)
        made = network.generator(start.with_local(local)).image
        squared = (made - images).square().mean(dim=(1, 2, 3))
        away = (local - start.local).square().mean(dim=(1, 2))
        loss = PERCEPTUAL * perceptual(made, images) + SQUARED * squared + MEAN * away
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    return start.with_local(local.detach())


def ramp(done: float) -> float:
    """Learning-rate factor at the share ``done`` of the steps."""
    down = min(1.0, (1 - done) / DOWN)
    return min(1.0, done / UP) * (0.5 - 0.5 * math.cos(math.pi * down))
