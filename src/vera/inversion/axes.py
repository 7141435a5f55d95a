"""Axes of the latent space along which refinement converges fast: learnt once, from the bundle's own identities."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from vera.inversion.autoencoder import one_hot
from vera.inversion.banked import BankedGenerator
from vera.inversion.objective import InversionObjective
from vera.types import LatentCodes, VeraError

NEAR = 0.7
"""DECISION: gradients are taken where refinement is under way: from a random place on the first seven tenths of the way to the target."""


def learn_axes(
    network: BankedGenerator, objective: InversionObjective, *, count: int, seed: int, progress: Callable[[int], None] | None = None
) -> Float[Tensor, "r d d"]:
    """Learn, for each local code, the eigenvectors (rows) of the second moments of the objective's gradient.

    Adam scales each number of a code by itself. Numbers that always move together, as those of these codes do, it scales as if they were
    apart, and zigzags. Along the axes in which gradients are uncorrelated its scale fits: a Kronecker factor of the Fisher matrix, as in
    SOAP (Vyas et al. 2024), but fixed, since it is the same for all faces. No photograph is needed: one identity is refined to another one.

    Args:
        network: frozen generator with a bank; each pair comes from one identity group.
        objective: objective whose gradients are measured: the one that refinement uses.
        count: number of gradients; at least D (the numbers of a code), or some axes are arbitrary.
        seed: seed of the pairs of identities.
        progress: a function that is called with the number of each gradient; None for no reports.

    Raises:
        VeraError: a group has fewer than two identities.

    """
    source = torch.Generator().manual_seed(seed)
    kinds = network.kinds or (None,)
    second = network.mean.new_zeros(*network.mean.shape, network.mean.shape[1])
    for number in range(count):
        rows, _ = network.identities(kinds[number % len(kinds)])
        if len(rows) < 2:
            raise VeraError("axes are learnt on the way from one identity to another: the bank needs two of each kind")
        pair = rows[torch.randperm(len(rows), generator=source)[:2].to(rows.device)]
        way = NEAR * torch.rand((), generator=source).to(rows)
        gradient = _gradient(network, objective, torch.lerp(pair[:1], pair[1:], way), pair[1:])
        second += torch.einsum("rd,re->rde", gradient, gradient)
        if progress is not None:
            progress(number + 1)
    vectors: Tensor = torch.linalg.eigh(second)[1]
    return vectors.mT.contiguous()


def _gradient(network: BankedGenerator, objective: InversionObjective, local: Tensor, end: Tensor) -> Float[Tensor, "r d"]:
    attributes = network.usual_codes(1).attributes
    with torch.no_grad():
        wanted = network.generator(LatentCodes(end, attributes))
    codes = LatentCodes(local.requires_grad_(True), attributes)
    losses, _ = objective(network.generator(codes), codes, wanted.image.clamp(-1, 1), one_hot(wanted.segmentation))
    return torch.autograd.grad(losses.sum(), codes.local)[0][0]
