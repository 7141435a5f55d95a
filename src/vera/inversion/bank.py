"""Make the bank of identities of a bundle: mixtures of several faces' codes, never one person's own."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

PEOPLE = 5
"""DECISION: faces in a mixture. Three is the least that the design allows; five leaves no weight above about a half."""


def mix(codes: Float[Tensor, "n r d"], *, count: int, people: int, spread: float, generator: torch.Generator) -> Float[Tensor, "m r d"]:
    """Mix the local codes of several faces, with the covariance of the faces themselves.

    Weights are uniform on the simplex, flattened towards equality so that none dominates; the deviation from the mean is
    divided by the weights' Euclidean norm. Averaging would pull every mixture to the same mean face: so scaled, mixtures
    have the covariance of the codes themselves, times ``spread``².

    Args:
        codes: local codes of ``n`` faces.
        count: number of mixtures to make.
        people: faces in each, at least 3.
        spread: standard deviation of the mixtures relative to the faces'.
        generator: torch generator, the source of randomness.

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


def mix_within(codes: Float[Tensor, "b r d"], draws: Float[Tensor, "b g"]) -> Float[Tensor, "b r d"]:
    """Replace each face's codes by a mixture within its group, which keeps the mean and covariance of the faces.

    Weights that sum to one keep the mean, and weights of unit norm the covariance (of independent faces): so they are a
    random direction in the space of those that sum to zero, scaled, around equal ones.

    Args:
        codes: local codes. Group n of N holds the faces n, n + N, n + 2N, ...: the same ones however a batch is dealt to processes.
        draws: standard normal numbers; ``g`` is the number of faces in a group.

    Raises:
        ValueError: for groups of fewer than three faces, or a batch that cannot be dealt into groups.

    """
    members = draws.shape[1]
    if members < 3 or len(codes) % members:
        raise ValueError(f"a mixture takes at least 3 faces, and a batch whole groups: {members} in a group, {len(codes)} faces")
    direction = draws - draws.mean(dim=1, keepdim=True)
    weights = 1 / members + math.sqrt(1 - 1 / members) * direction / direction.norm(dim=1, keepdim=True)
    grouped = codes.view(members, -1, *codes.shape[1:])  # (g, N, R, D)
    return torch.einsum("mng,gnrd->mnrd", weights.view(members, -1, members), grouped).flatten(0, 1)
