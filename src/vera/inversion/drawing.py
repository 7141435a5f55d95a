"""Random codes of a generator's mapping, each class with codes of its own: faces whose codes are known, to train an encoder on."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vera.generator.network import Generator
from vera.generator.objective import mix_styles
from vera.generator.sampling import sample_codes
from vera.rng import Draws
from vera.types import LatentCodes

MIXING = 0.5
"""DECISION: probability that a face's classes come from two draws, as an identity's and a photograph's do when they are assembled."""


@torch.no_grad()
def drawn_codes(generator: Generator, draws: Draws, stream: str, indices: Sequence[int]) -> LatentCodes:
    """Draw latent codes of faces, a function of the run's seed and each face's index alone.

    Args:
        generator: one with a mapping.
        draws: source of the keyed random numbers.
        stream: name of the random stream of the codes.
        indices: global index of each face.

    """
    with torch.autocast(draws.generator.device.type, enabled=False):
        first, second = (sample_codes(generator, draws, f"{stream}/z{n}", indices, attributes=f"{stream}/") for n in range(2))
    return mix_styles(first, second, draws.uniform(f"{stream}/mixing", indices, 1 + generator.classes), probability=MIXING)
