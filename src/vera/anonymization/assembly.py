"""Which codes a photograph keeps and which come from the identity."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vera.types import LatentCodes, Semantic

SURROUNDINGS = (Semantic.BACKGROUND, Semantic.NECK, Semantic.CLOTHES, Semantic.HAT)
"""Classes that are never replaced: generated as the photograph has them, so that borders fit."""


def kept_rows(preserved: Sequence[Semantic], *, hair: bool, rows: int) -> Tensor:
    """Rows of the local codes that stay the photograph's.

    The two base codes stay: they carry the pose as long as the generator has no attribute codes.

    Args:
        preserved: classes preserved in this photograph.
        hair: hair is replaced too.
        rows: number of rows, 2 + 2K.

    Returns:
        ``(rows,)`` bool.

    """
    kept = torch.zeros(rows, dtype=torch.bool)
    classes = [*SURROUNDINGS, *preserved, *(() if hair else (Semantic.HAIR,))]
    kept[[0, 1, *LatentCodes.rows(classes)]] = True
    return kept


def assemble(codes: LatentCodes, identity: Tensor, kept: Tensor) -> LatentCodes:
    """Each photograph's codes with the identity's in all rows that are not kept.

    Args:
        codes: of B photographs; their attribute codes stay.
        identity: ``(2 + 2K, D)``.
        kept: ``(B, 2 + 2K)`` bool.

    """
    return codes.with_local(torch.where(kept[:, :, None], codes.local, identity[None]))
