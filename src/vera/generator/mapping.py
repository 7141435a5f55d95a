"""Mappings: noise to latent codes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vera.ops.layers import EqualizedLinear


class Mapping(nn.Module):
    """MLP from a normalised Gaussian z to a code (StyleGAN2, section 2; learning rate ×0.01).

    Args:
        width: dimension of z and of the code.
        layers: number of layers of the MLP.
        lr_multiplier: factor of the learning rate, see :class:`EqualizedLinear`.

    """

    def __init__(self, *, width: int, layers: int, lr_multiplier: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(EqualizedLinear(width, width, lr_multiplier=lr_multiplier, activation=True) for _ in range(layers)))

    def forward(self, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Map z ~ N(0, 1)."""
        normalised = z * torch.rsqrt(z.square().mean(dim=-1, keepdim=True) + 1e-8)
        mapped: Tensor = self.layers(normalised)
        return mapped


class PrincipalMapping(nn.Module):
    """Gaussian z to all local codes at once, with the means and the covariance of a bank of identities.

    What a generator that was trained together with an encoder has for a mapping: every class has a code of its own there. It is data
    and is not trained. A bank may hold several identity groups, which differ in their mean; the last number of z chooses the
    group.

    Args:
        width: dimension of z and of a code.
        rows: number of local codes R.
        kinds: number of identity groups, at least 1.

    """

    means: Tensor
    directions: Tensor

    def __init__(self, *, width: int, rows: int, kinds: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(kinds, rows, width))
        self.register_buffer("directions", torch.zeros(width, rows, width))

    def fill(self, banks: Sequence[Float[Tensor, "_ r d"]]) -> None:
        """Compute means and principal directions from banks, each direction as long as the identities vary along it.

        Args:
            banks: identities of each group; more directions than there are identities are of length 0.

        """
        self.means = torch.stack([bank.mean(dim=0) for bank in banks])
        off = torch.cat([bank - mean for bank, mean in zip(banks, self.means, strict=True)]).flatten(1)
        _, lengths, found = torch.linalg.svd(off, full_matrices=False)
        count = min(len(lengths), len(self.directions))
        self.directions = torch.zeros_like(self.directions)
        self.directions[:count] = (found[:count] * lengths[:count, None] / len(off) ** 0.5).view(count, *self.directions.shape[1:])

    def kinds(self, z: Float[Tensor, "b d"]) -> Int[Tensor, "b"]:
        """Number of the identity group of each z, from 0."""
        share: Tensor = torch.special.ndtr(z[:, -1])
        return (share * len(self.means)).long().clamp(max=len(self.means) - 1)

    def forward(self, z: Float[Tensor, "b d"]) -> Float[Tensor, "b r d"]:
        """Map z ~ N(0, 1)."""
        mapped: Tensor = self.means[self.kinds(z)] + torch.einsum("bz,zrd->brd", z, self.directions)
        return mapped
