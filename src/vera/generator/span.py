"""Low-rank dual space: attribute codes move the local codes along given directions only."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.generator.local import BACKGROUND_TAKES
from vera.types import LatentCodes, Semantic

START = 0.5
"""DECISION: how far attribute codes move the local codes at first, in units of their spread: whole, added to an identity's own codes,
mouths tear."""


class Span(nn.Module):
    """Low-rank conditioning ``A_g = A_s P``: attribute codes change styles only in ways that local codes can.

    For a generator whose local codes are trained and whose dual space has little to learn from: what it reaches are faces that the
    generator knows. ``P`` holds ``count`` directions, which are data, behind a matrix, which is trained.

    Args:
        count: number of directions, at least 1.
        rows: number of local codes R.
        latent: dimension D of a local code.
        attributes: dimension of each attribute code, by name.

    """

    directions: Tensor
    centre: Tensor
    everywhere: Tensor

    def __init__(self, *, count: int, rows: int, latent: int, attributes: Mapping[str, int]) -> None:
        super().__init__()
        total = sum(attributes.values())
        self.register_buffer("directions", torch.zeros(count, rows, latent))
        self.register_buffer("centre", torch.zeros(total))
        self.mixing = nn.Parameter(torch.zeros(total, count))
        named = [float(name in BACKGROUND_TAKES) for name, width in attributes.items() for _ in range(width)]
        self.register_buffer("everywhere", torch.tensor(named), persistent=False)

    @torch.no_grad()
    def fill(self, directions: Float[Tensor, "n r d"], codes: Float[Tensor, "m a"], widths: Mapping[str, int]) -> None:
        """Initialise the span: all attributes together move :data:`START` times the directions' length, each in a mixture.

        Args:
            directions: directions in the space of local codes, each as long as the codes vary along it.
            codes: attribute codes of random faces; those of their mean move nothing.
            widths: dimension of each attribute's code, by name.

        """
        self.directions.copy_(directions)
        self.centre.copy_(codes.mean(dim=0))
        shares = [torch.full((width, 1), START / math.sqrt(width * len(widths))) for width in widths.values()]
        self.mixing.copy_(torch.cat(shares) * torch.randn_like(self.mixing) / codes.std(dim=0)[:, None])

    def forward(self, attributes: Float[Tensor, "b a"]) -> Float[Tensor, "b r d"]:
        """Offsets of the local codes for these attribute codes; the background takes only the attributes that condition it."""
        off = attributes - self.centre
        moved = torch.einsum("bn,nrd->brd", off @ self.mixing, self.directions)
        ground = LatentCodes.rows([Semantic.BACKGROUND])
        behind = torch.einsum("bn,nrd->brd", (off * self.everywhere) @ self.mixing, self.directions[:, ground])
        moved[:, ground] = behind
        return moved
