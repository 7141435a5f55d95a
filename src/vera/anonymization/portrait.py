"""Render an identity by itself, without a photograph."""

from __future__ import annotations

import torch
from torch import Tensor

from vera.anonymization.identity import Identity
from vera.anonymization.proportions import reshape
from vera.inversion.banked import BankedGenerator
from vera.types import LatentCodes, to_probabilities

BASE = 2
"""Base codes of a person: they carry the layout, pose above all, which an anonymized face takes from its photograph."""


def on_mean_layout(network: BankedGenerator, local: Tensor) -> LatentCodes:
    """Codes of identities ``(N, 2 + 2K, D)`` with the mean's base codes: in its pose."""
    usual = network.usual_codes(len(local))
    return usual.with_local(torch.cat([usual.local[:, :BASE], local[:, BASE:].to(usual.local)], dim=1))


@torch.no_grad()
def portrait(network: BankedGenerator, identity: Identity) -> tuple[Tensor, Tensor]:
    """An identity on the mean layout, with its proportions.

    Args:
        network: the bundle that the identity was drawn with.
        identity: its local codes; the base codes are the mean's.

    Returns:
        Image ``(3, S, S)`` in [-1, 1] (nominally) and class probabilities ``(K, S, S)``.

    """
    synthesis = network.generator(on_mean_layout(network, identity.local[None]))
    everywhere = torch.ones(1, network.size, network.size, device=network.mean.device)
    return reshape(synthesis.image[0], to_probabilities(synthesis.segmentation)[0], identity.proportions, everywhere)
