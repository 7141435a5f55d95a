"""Exponential moving average of a network, with its half-life in images."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class EMA:
    """Average of a network's parameters; buffers are copied.

    Args:
        network: network whose parameters are averaged.
        half_life: images after which an old value weighs half.
        ramp_up: the half-life is at most this share of the images seen so far (StyleGAN2-ADA), so that the start is forgotten.

    """

    def __init__(self, network: nn.Module, *, half_life: float, ramp_up: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.half_life, self.ramp_up = half_life, ramp_up

    def decay(self, images: int, images_seen: int) -> float:
        """Weight of the old value for a step of ``images``, at ``images_seen``: ``0.5 ** (images / half-life)``."""
        half_life = min(self.half_life, self.ramp_up * images_seen)
        return float(0.5 ** (images / max(half_life, 1e-8)))

    @torch.no_grad()
    def update(self, network: nn.Module, *, images: int, images_seen: int) -> None:
        """One step: parameters lerp, buffers copy."""
        weight = 1 - self.decay(images, images_seen)
        averages: list[Tensor] = list(self.network.parameters())
        new: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(averages, new, weight)  # on a GPU a few kernels for all of them
        for copied, buffer in zip(self.network.buffers(), network.buffers(), strict=True):
            copied.copy_(buffer)
