"""Mappings: noise to latent codes."""

from __future__ import annotations

from collections.abc import Sequence

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


class PrincipalMapping(nn.Module):
    """Gaussian z to all local codes at once, with the mean and the covariance of a bank of identities (:func:`principal`).

    What a generator that was trained together with an encoder has for a mapping: every class has a code of its own there. It is data
    and is not trained. A bank may hold several kinds of identities; the last number of z says of which kind a face is.

    Args:
        width: dimension of z and of a code.
        rows: number of local codes R.
        kinds: number of kinds.

    """

    mean: Tensor
    directions: Tensor

    def __init__(self, *, width: int, rows: int, kinds: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(kinds, rows, width))
        self.register_buffer("directions", torch.zeros(kinds, width, rows, width))

    def fill(self, kinds: Sequence[tuple[Float[Tensor, "r d"], Float[Tensor, "d r d"]]]) -> None:
        """Set mean and principal directions of each kind, see :func:`principal`."""
        self.mean, self.directions = (torch.stack(parts) for parts in zip(*kinds, strict=True))

    def forward(self, z: Float[Tensor, "b d"]) -> Float[Tensor, "b r d"]:
        """Map z ~ N(0, 1)."""
        share = torch.special.ndtr(z[:, -1])
        kind = (share * len(self.mean)).long().clamp(max=len(self.mean) - 1)
        mapped: Tensor = self.mean[kind] + torch.einsum("bz,bzrd->brd", z, self.directions[kind])
        return mapped


def principal(identities: Float[Tensor, "n r d"]) -> tuple[Float[Tensor, "r d"], Float[Tensor, "d r d"]]:
    """Mean of a bank's identities and their first D principal directions, each as long as the identities vary along it.

    Args:
        identities: local codes; more directions than there are identities are of length 0.

    """
    mean = identities.mean(dim=0)
    _, lengths, directions = torch.linalg.svd((identities - mean).flatten(1), full_matrices=False)
    count = min(len(lengths), identities.shape[2])
    found = identities.new_zeros(identities.shape[2], identities[0].numel())
    found[:count] = directions[:count] * lengths[:count, None] / len(identities) ** 0.5
    return mean, found.view(-1, *identities.shape[1:])
