"""What an identity looks like by itself, in no photograph."""

from __future__ import annotations

import torch
from torch import Tensor

from vera.anonymization.identity import Identity
from vera.anonymization.proportions import reshape
from vera.inversion.autoencoder import Autoencoder
from vera.types import LatentCodes, to_probabilities

BASE = 2
"""Base codes of a person: they carry the layout, pose above all, which an anonymized face takes from its photograph."""


@torch.no_grad()
def portrait(network: Autoencoder, identity: Identity) -> tuple[Tensor, Tensor]:
    """An identity on the mean layout, with its proportions.

    Args:
        network: the bundle that the identity was drawn with.
        identity: its local codes; the base codes are the mean's.

    Returns:
        Image ``(3, S, S)`` in [-1, 1] (nominally) and class probabilities ``(K, S, S)``.

    """
    local = torch.cat([network.mean[:BASE], identity.local[BASE:].to(network.mean)])[None]
    synthesis = network.generator(LatentCodes(local, network.generator.no_attributes(1, local)))
    everywhere = torch.ones(1, network.size, network.size, device=local.device)
    return reshape(synthesis.image[0], to_probabilities(synthesis.segmentation)[0], identity.proportions, everywhere)
