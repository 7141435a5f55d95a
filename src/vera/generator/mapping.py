"""Mapping networks: noise to latent codes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.ops.layers import EqualizedLinear


class Mapping(nn.Module):
    """MLP from a normalised Gaussian z to a code (StyleGAN2, section 2; learning rate ×0.01).

    Args:
        width: dimension of z and of the code.
        layers: number of layers.
        lr_multiplier: see :class:`EqualizedLinear`.

    """

    def __init__(self, *, width: int, layers: int, lr_multiplier: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(EqualizedLinear(width, width, lr_multiplier=lr_multiplier, activation=True) for _ in range(layers))
        )

    def forward(self, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Map z ~ N(0, 1)."""
        normalised = z * torch.rsqrt(z.square().mean(dim=-1, keepdim=True) + 1e-8)
        mapped: Tensor = self.layers(normalised)
        return mapped
