"""The bank of identities that a bundle carries: mixtures of several faces' codes, no person's own."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

PEOPLE = 5
"""DECISION: faces in a mixture. Three is the least that the design allows; five leaves no weight above about a half."""


def mix(
    codes: Float[Tensor, "n r d"], *, count: int, people: int, spread: float, generator: torch.Generator
) -> Float[Tensor, "m r d"]:
    """Mixtures of local codes.

    Weights are uniform on the simplex, flattened towards equality so that none dominates; the deviation from the mean is
    divided by the weights' Euclidean norm. Averaging would pull every mixture to the same mean face: so scaled, mixtures
    have the covariance of the codes themselves, times ``spread``².

    Args:
        codes: local codes of ``n`` faces.
        count: number of mixtures.
        people: faces in each, at least 3.
        spread: standard deviation of the mixtures relative to the faces'.
        generator: source of randomness.

    Raises:
        ValueError: for fewer than three people, or fewer faces than people.

    """
    if people < 3 or len(codes) < people:
        raise ValueError(f"a mixture takes at least 3 faces and no more than there are: people={people}, faces={len(codes)}")
    mean = codes.mean(dim=0)
    chosen = torch.stack([torch.randperm(len(codes), generator=generator)[:people] for _ in range(count)])
    exponential = torch.empty(count, people).exponential_(generator=generator)
    weights = 0.5 / people + 0.5 * exponential / exponential.sum(dim=1, keepdim=True)
    weights = spread * weights / weights.norm(dim=1, keepdim=True)
    return mean + torch.einsum("mp,mprd->mrd", weights, codes[chosen] - mean)
