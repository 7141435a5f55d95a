"""The generator: mapping, local generators, composition and renderer in one module."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.generator.composition import Composition
from vera.generator.local import LocalGenerators
from vera.generator.mapping import Mapping
from vera.generator.renderer import Renderer
from vera.types import NUM_CLASSES, TRANSPARENT, LatentCodes


class Synthesis(NamedTuple):
    """What the generator yields, whatever the flags.

    Attributes:
        image: ``(B, 3, S, S)``, nominally in [-1, 1].
        segmentation: ``(B, K, S, S)``, refined, 2p - 1, unbounded (:func:`vera.types.to_probabilities` is the way out).
        coarse: ``(B, K, s, s)``, the coarse segmentation as probabilities.

    """

    image: Tensor
    segmentation: Tensor
    coarse: Tensor


class Generator(nn.Module):
    """Latent codes to image and segmentation.

    Args:
        size: side S of the image, a power of two.
        coarse_size: side s of the coarse map.
        start_size: side at which the renderer starts (the published ``min_feat_size``).
        latent: dimension D of a local code.
        local_channels: channels of a local generator.
        coarse_channels: channels of the coarse map.
        layers: numbers of base, shape and texture layers.
        channels: the renderer's channels by size; keys may be strings (they pass through JSON and YAML).
        attributes: dimension of each attribute code by name; empty for a generator without attributes.
        mapping_layers: layers of the mapping; 0 for a generator whose codes come from an encoder only.

    """

    def __init__(
        self,
        *,
        size: int,
        coarse_size: int,
        start_size: int,
        latent: int,
        local_channels: int,
        coarse_channels: int,
        layers: Sequence[int],
        channels: MappingType[int | str, int],
        attributes: MappingType[str, int],
        mapping_layers: int,
    ) -> None:
        super().__init__()
        self.size, self.coarse_size, self.latent = size, coarse_size, latent
        self.attributes = dict(attributes)
        width = sum(self.attributes.values())
        self.mapping = Mapping(width=latent, layers=mapping_layers, lr_multiplier=0.01) if mapping_layers else None
        self.attribute_mappings = nn.ModuleDict(
            {name: Mapping(width=dim, layers=4, lr_multiplier=0.01) for name, dim in self.attributes.items()}
        )
        self.local = LocalGenerators(
            size=coarse_size,
            classes=NUM_CLASSES,
            channels=local_channels,
            latent=latent,
            attributes=width,
            layers=layers,
        )
        self.composition = Composition(
            classes=NUM_CLASSES, channels=local_channels, coarse_channels=coarse_channels, transparent=TRANSPARENT
        )
        self.renderer = Renderer(
            size=size,
            coarse_size=coarse_size,
            start_size=start_size,
            coarse_channels=coarse_channels,
            channels={int(side): width for side, width in channels.items()},
            classes=NUM_CLASSES,
        )

    @property
    def rows(self) -> int:
        """Number of local codes, 2 + 2K."""
        return 2 + 2 * NUM_CLASSES

    def no_attributes(self, count: int, like: Tensor) -> Float[Tensor, "b a"]:
        """Attribute codes of zero: no conditioning."""
        return like.new_zeros(count, sum(self.attributes.values()))

    def map(self, z: Float[Tensor, "b d"], z_attributes: MappingType[str, Tensor]) -> LatentCodes:
        """Noise to latent codes; every local code is the same w, as in SemanticStyleGAN without mixing.

        Raises:
            ValueError: for a generator without a mapping.

        """
        if self.mapping is None:
            raise ValueError("this generator has no mapping (its codes come from an encoder): draw identities from its bundle's bank")
        local = self.mapping(z)[:, None].expand(-1, self.rows, -1)
        parts = [self.attribute_mappings[name](z_attributes[name]) for name in self.attributes]
        return LatentCodes(local, torch.cat(parts, dim=1) if parts else self.no_attributes(len(z), z))

    def forward(self, codes: LatentCodes) -> Synthesis:
        """Synthesise image and segmentation."""
        features, depth = self.local(codes.local, codes.attributes)
        coarse, probabilities = self.composition(features, depth)
        side = self.coarse_size
        probabilities = probabilities.unflatten(2, (side, side))
        image, segmentation = self.renderer(coarse.unflatten(2, (side, side)), 2 * probabilities - 1)
        return Synthesis(image, segmentation, probabilities)
