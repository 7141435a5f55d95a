"""Combine latent codes: rows that a photograph keeps, and rows that come from the identity."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vera.types import LatentCodes, Semantic

SURROUNDINGS = (Semantic.BACKGROUND, Semantic.NECK, Semantic.CLOTHES, Semantic.HAT)
"""Classes whose latent codes always stay the photograph's, so that what is generated fits at the borders."""


def kept_rows(preserved: Sequence[Semantic], *, hair: bool, rows: int, attributes: bool = False) -> Tensor:
    """Choose the rows of the local codes that stay the photograph's.

    The two base codes stay where they carry the pose: as long as the generator has no attribute codes. With attribute codes (after stage
    2) these stay the photograph's and carry the pose, and the base codes are the identity's.

    Args:
        preserved: classes preserved in this photograph.
        hair: hair is replaced too.
        rows: number of rows, 2 + 2K.
        attributes: whether the generator has attribute codes.

    Returns:
        ``(rows,)`` bool.

    """
    kept = torch.zeros(rows, dtype=torch.bool)
    classes = [*SURROUNDINGS, *preserved, *(() if hair else (Semantic.HAIR,))]
    kept[[*(() if attributes else (0, 1)), *LatentCodes.rows(classes)]] = True
    return kept


def assemble(codes: LatentCodes, identity: Tensor, kept: Tensor) -> LatentCodes:
    """Replace, in each photograph's latent codes, all rows that are not kept by the identity's.

    Args:
        codes: latent codes of B photographs; their attribute codes are not changed.
        identity: ``(2 + 2K, D)``.
        kept: ``(B, 2 + 2K)`` bool.

    """
    return codes.with_local(torch.where(kept[:, :, None], codes.local, identity[None]))
