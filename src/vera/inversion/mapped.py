"""A generator without an encoder: photographs are inverted by optimisation alone, identities are drawn from its mapping."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from vera.generator.network import Generator
from vera.inversion.banked import BankedGenerator
from vera.types import LatentCodes

IDENTITIES, TRUNCATION, SEED = 512, 0.7, 0
"""DECISION: as many identities as a bank usually has, at the truncation of SemanticStyleGAN's samples."""


class MappedGenerator(BankedGenerator):
    """A generator of stage 1, of stage 2 or converted, as it comes; its bank is a function of its weights.

    Args:
        generator: one with a trained mapping, loaded from its bundle; it stays frozen.

    Attributes:
        info: record of the generator's bundle.

    Raises:
        VeraError: the generator has no mapping.

    """

    def __init__(self, generator: Generator) -> None:
        super().__init__(generator, truncation=TRUNCATION)
        self.info = getattr(generator, "info", None)
        self.to(generator.local.embed.device)
        self.draw_bank(count=IDENTITIES, truncation=TRUNCATION, seed=SEED)

    def encode(self, images: Float[Tensor, "b 3 h w"], segmentations: Float[Tensor, "b k h w"]) -> LatentCodes:
        """The mean codes: where optimisation starts (W+, as in SemanticStyleGAN's own inversion)."""
        return self.usual_codes(len(images))
