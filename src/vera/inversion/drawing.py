"""Random codes of a generator's mapping, each class with codes of its own: faces whose codes are known, to train an encoder on."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vera.generator.network import Generator
from vera.generator.objective import mix_styles
from vera.rng import Draws
from vera.types import LatentCodes

MIXING = 0.5
"""DECISION: probability that a face's classes come from two draws, as an identity's and a photograph's do when they are assembled."""


@torch.no_grad()
def drawn_codes(generator: Generator, draws: Draws, stream: str, indices: Sequence[int]) -> LatentCodes:
    """Draw latent codes of faces, a function of the run's seed and each face's index alone.

    Args:
        generator: one with a mapping.
        draws: keyed random numbers.
        stream: what the codes are for.
        indices: global index of each face.

    """
    z = {name: draws.normal(f"{stream}/z/{name}", indices, width) for name, width in generator.attributes.items()}
    with torch.autocast(draws.generator.device.type, enabled=False):
        first, second = (generator.map(draws.normal(f"{stream}/z{n}", indices, generator.latent), z) for n in range(2))
    return mix_styles(first, second, draws.uniform(f"{stream}/mixing", indices, 1 + generator.classes), probability=MIXING)
