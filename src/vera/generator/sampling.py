"""Truncation: variety of random codes against their quality."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from vera.generator.mapping import PrincipalMapping
from vera.generator.network import Generator
from vera.types import LatentCodes


def middle(generator: Generator) -> Callable[[LatentCodes], Float[Tensor, "*b d"]]:
    """What the codes of a generator's random faces are pulled to: the mean code; behind a principal mapping the mean of each face's kind.

    Between two kinds lies no kind: a woman's face pulled to the mean of all people grows a shadow of a beard.
    """
    if not isinstance(generator.mapping, PrincipalMapping):
        mean = generator.mean_code()
        return lambda codes: mean
    means = generator.mapping.means
    return lambda codes: means[torch.cdist(codes.local.flatten(1), means.flatten(1)).argmin(dim=1)]


def truncate(codes: LatentCodes, mean: Float[Tensor, "*b d"], truncation: float) -> LatentCodes:
    """Local codes pulled to the mean code: ``w = mean + ψ (w - mean)`` (Karras et al. 2019, appendix B).

    Attribute codes stay as drawn: they say how a face is held and lit, not how usual it is.

    Args:
        codes: mapped codes.
        mean: of w, see :func:`middle`.
        truncation: ψ: 1 leaves the codes exactly as they are, 0 makes all of them the mean.

    """
    return codes.with_local(torch.lerp(mean.expand_as(codes.local), codes.local, truncation))
