"""The truncation trick: trade variety of random faces against their quality."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from vera.generator.mapping import PrincipalMapping
from vera.generator.network import Generator
from vera.types import LatentCodes


def middle(generator: Generator) -> Callable[[LatentCodes], Float[Tensor, "*b d"]]:
    """Centre of truncation for random faces: the mean code, or with a principal mapping the mean of each face's identity group.

    One mean for all groups would be wrong: a woman's face pulled to the mean of all people gets a shadow of a beard.
    """
    if not isinstance(generator.mapping, PrincipalMapping):
        mean = generator.mean_code()
        return lambda codes: mean
    means = generator.mapping.means
    return lambda codes: means[torch.cdist(codes.local.flatten(1), means.flatten(1)).argmin(dim=1)]


def truncate(codes: LatentCodes, mean: Float[Tensor, "*b d"], truncation: float) -> LatentCodes:
    """Truncate local codes towards the mean code: ``w = mean + ψ (w - mean)`` (Karras et al. 2019, appendix B).

    Attribute codes are not truncated: pose and light have nothing to do with how typical a face is.

    Args:
        codes: latent codes from the mapping.
        mean: mean of w, from :func:`middle`.
        truncation: ψ: 1 leaves the codes exactly as they are, 0 makes all of them the mean.

    """
    return codes.with_local(torch.lerp(mean.expand_as(codes.local), codes.local, truncation))
