"""Encoder and generator together: the network of the default bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.generator.network import Generator
from vera.inversion.encoder import Encoder
from vera.inversion.first_encoder import Encoder as FirstEncoder
from vera.types import LatentCodes


class Autoencoder(nn.Module):
    """A generator, the encoder into its latent space, and a bank of identities.

    Args:
        generator: constructor arguments of :class:`Generator`.
        encoder: constructor arguments of :class:`Encoder`, less what the generator fixes (size, latent, attributes).
        bank: number of identities in the bank; 0 until :meth:`fill_bank`.

    """

    bank: Tensor
    mean: Tensor

    def __init__(self, *, generator: Mapping[str, Any], encoder: Mapping[str, Any], bank: int) -> None:
        super().__init__()
        # What is rebuilt from this gets its weights elsewhere.
        self.config: dict[str, Any] = {"generator": dict(generator), "encoder": {**encoder, "pretrained": False}, "bank": bank}
        self.generator = Generator(**generator)
        g = self.generator
        kind: Any = FirstEncoder if "channels" in encoder else Encoder
        self.encoder = kind(size=g.size, latent=g.latent, attributes=sum(g.attributes.values()), **encoder)
        self.register_buffer("bank", torch.zeros(bank, g.rows, g.latent))
        self.register_buffer("mean", torch.zeros(g.rows, g.latent))

    @property
    def size(self) -> int:
        """Side S of images and segmentations."""
        return self.generator.size

    def encode(self, images: Float[Tensor, "b 3 h w"], segmentations: Float[Tensor, "b k h w"]) -> LatentCodes:
        """Latent codes of images in [-1, 1] with class probabilities."""
        codes: LatentCodes = self.encoder(images, segmentations)
        return codes

    def fill_bank(self, identities: Float[Tensor, "n r d"], mean: Float[Tensor, "r d"]) -> None:
        """Set the identities that anonymization draws from; they must be mixtures, no person's own codes."""
        self.bank, self.mean = identities.clone(), mean.clone()
        self.config["bank"] = len(identities)

    def empty_bank(self) -> None:
        """Forget the identities: the network changes, and codes mean nothing to another one."""
        self.fill_bank(self.bank[:0], torch.zeros_like(self.mean))
