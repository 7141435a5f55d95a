"""Truncation: variety of random codes against their quality."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vera.types import LatentCodes


def truncate(codes: LatentCodes, mean: Float[Tensor, "*r d"], truncation: float) -> LatentCodes:
    """Local codes pulled to the mean code: ``w = mean + ψ (w - mean)`` (Karras et al. 2019, appendix B).

    Attribute codes stay as drawn: they say how a face is held and lit, not how usual it is.

    Args:
        codes: mapped codes.
        mean: of w, see :meth:`vera.generator.network.Generator.mean_code`.
        truncation: ψ: 1 leaves the codes exactly as they are, 0 makes all of them the mean.

    """
    return codes.with_local(torch.lerp(mean.expand_as(codes.local), codes.local, truncation))
