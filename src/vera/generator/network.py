"""The generator: mapping, local generators, composition and renderer in one module."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vera.generator.composition import Composition
from vera.generator.local import LocalGenerators
from vera.generator.mapping import Mapping, PrincipalMapping
from vera.generator.renderer import RenderNetwork
from vera.generator.span import Span
from vera.types import LatentCodes, Semantic, VeraError


class Synthesis(NamedTuple):
    """Output of the generator: image, refined and coarse segmentation.

    Attributes:
        image: ``(B, 3, S, S)``, nominally in [-1, 1].
        segmentation: ``(B, K, S, S)``, refined, 2p - 1, unbounded (:func:`vera.types.to_probabilities` is the way out).
        coarse: ``(B, K, s, s)``, the coarse segmentation as probabilities.

    """

    image: Tensor
    segmentation: Tensor
    coarse: Tensor


class Generator(nn.Module):
    """Generator from latent codes to image and segmentation (SemanticStyleGAN, Shi et al., CVPR 2022, with dual conditioning).

    Args:
        size: side S of the image, a power of two.
        coarse_size: side s of the coarse map.
        start_size: side at which the renderer starts (the published ``min_feat_size``).
        classes: number of semantic classes K.
        transparent: classes that do not hide what is under them.
        latent: dimension D of a local code.
        local_channels: channels of a local generator.
        coarse_channels: channels of the coarse map.
        layers: numbers of base, shape and texture layers.
        channels: the renderer's channels at each side above ``start_size``; keys may be strings (they pass through JSON and YAML).
        attributes: dimension of each attribute code by name, concatenated in the order of the alphabet; empty for a generator without.
        mapping_layers: layers of the mapping; 0 for a generator whose codes come from an encoder only.
        principal: number of identity groups behind a :class:`PrincipalMapping`, in the place of a mapping with layers; 0 for none. Bundles
            from before there was one do not say.
        span: directions of a :class:`Span`, in the place of conditioning of its own; 0 for none (older
            bundles do not say).
        detach_texture: option of :class:`LocalGenerators`, for converted checkpoints that were trained with it.

    Attributes:
        checkpointing: recompute activations in the backward pass instead of keeping them: slower, and much smaller.

    Examples:
        >>> import torch
        >>> from vera.generator.network import Generator
        >>> sizes = {"size": 32, "coarse_size": 16, "start_size": 8, "channels": {16: 8, 32: 8}}
        >>> widths = {"latent": 8, "local_channels": 4, "coarse_channels": 8, "layers": [2, 2, 2], "mapping_layers": 2}
        >>> generator = Generator(classes=13, transparent=[10, 12], attributes={}, **sizes, **widths)
        >>> codes = generator.map(torch.randn(2, 8), {})
        >>> generator(codes).image.shape, generator(codes).segmentation.shape
        (torch.Size([2, 3, 32, 32]), torch.Size([2, 13, 32, 32]))

    """

    def __init__(
        self,
        *,
        size: int,
        coarse_size: int,
        start_size: int,
        classes: int,
        transparent: Sequence[int],
        latent: int,
        local_channels: int,
        coarse_channels: int,
        layers: Sequence[int],
        channels: MappingType[int | str, int],
        attributes: MappingType[str, int],
        mapping_layers: int,
        principal: int = 0,
        span: int = 0,
        detach_texture: bool = False,
    ) -> None:
        super().__init__()
        attributes = dict(sorted(attributes.items()))  # as a bundle's record has them: concatenated codes keep their meaning
        self.config: dict[str, Any] = {
            "size": size,
            "coarse_size": coarse_size,
            "start_size": start_size,
            "classes": classes,
            "transparent": [int(k) for k in transparent],
            "latent": latent,
            "local_channels": local_channels,
            "coarse_channels": coarse_channels,
            "layers": [int(count) for count in layers],
            "channels": {str(side): int(width) for side, width in channels.items()},
            "attributes": dict(attributes),
            "mapping_layers": mapping_layers,
            **({"principal": principal} if principal else {}),
            **({"span": span} if span else {}),
            **({"detach_texture": True} if detach_texture else {}),
        }
        self.size, self.coarse_size, self.latent, self.classes = size, coarse_size, latent, classes
        self.layers, self.attributes = tuple(self.config["layers"]), dict(attributes)
        if mapping_layers and principal:
            raise ValueError("one mapping: with layers, or a principal one")
        self.mapping: Mapping | PrincipalMapping | None = None
        if mapping_layers:
            self.mapping = Mapping(width=latent, layers=mapping_layers, lr_multiplier=0.01)
        elif principal:
            self.mapping = PrincipalMapping(width=latent, rows=self.rows, kinds=principal)
        self.attribute_mappings = nn.ModuleDict(
            {name: Mapping(width=dim, layers=4, lr_multiplier=0.01) for name, dim in self.attributes.items()}
        )
        self.span = Span(count=span, rows=self.rows, latent=latent, attributes=self.attributes) if span else None
        self.local = LocalGenerators(
            size=size,
            coarse_size=coarse_size,
            classes=classes,
            channels=local_channels,
            latent=latent,
            attributes={} if span else self.attributes,
            layers=self.layers,
            detach_texture=detach_texture,
        )
        self.composition = Composition(classes=classes, channels=local_channels, coarse_channels=coarse_channels, transparent=transparent)
        self.renderer = RenderNetwork(
            size=size,
            coarse_size=coarse_size,
            start_size=start_size,
            coarse_channels=coarse_channels,
            channels={int(side): width for side, width in channels.items()},
            classes=classes,
        )

    @property
    def rows(self) -> int:
        """Number of local codes, 2 + 2K."""
        return 2 + 2 * self.classes

    @property
    def noise_sides(self) -> list[int]:
        """Side of each map of injected noise, in the order of the renderer's convolutions."""
        return [side for side in self.renderer.sides for _ in range(2)]

    @property
    def checkpointing(self) -> bool:
        """Whether activations are recomputed in the backward pass."""
        return self.renderer.checkpointing

    @checkpointing.setter
    def checkpointing(self, wanted: bool) -> None:
        self.renderer.checkpointing = wanted

    def no_attributes(self, count: int, like: Tensor) -> Float[Tensor, "b a"]:
        """Attribute codes that condition nothing: of zero, or those that a span starts from."""
        if self.span is not None:
            return self.span.centre.to(like).expand(count, -1)
        return like.new_zeros(count, sum(self.attributes.values()))

    def map(self, z: Float[Tensor, "b d"], z_attributes: MappingType[str, Tensor]) -> LatentCodes:
        """Noise to latent codes; from a mapping with layers every local code is the same w, as in SemanticStyleGAN without mixing.

        Raises:
            VeraError: for a generator without a mapping.

        """
        if self.mapping is None:
            raise VeraError("this generator has no mapping (its codes come from an encoder): draw identities from its bundle's bank")
        local: Tensor = self.mapping(z)
        if local.dim() == 2:
            local = local[:, None].expand(-1, self.rows, -1)
        parts = [self.attribute_mappings[name](z_attributes[name]) for name in self.attributes]
        return LatentCodes(local, torch.cat(parts, dim=1) if parts else self.no_attributes(len(z), z))

    @torch.no_grad()
    def mean_code(self, *, count: int = 10_000, seed: int = 0) -> Float[Tensor, "*r d"]:
        """Mean of w over ``count`` draws: the centre of truncation; of a principal mapping ``(R, D)``, one for each local code.

        The same arguments give the same mean.
        """
        drawn = torch.randn(count, self.latent, generator=torch.Generator().manual_seed(seed))
        local = self.map(drawn.to(self.local.embed), self._zero_attributes(drawn)).local
        return local.mean(dim=0) if isinstance(self.mapping, PrincipalMapping) else local[:, 0].mean(dim=0)

    @torch.no_grad()
    def mean_attributes(self, *, count: int = 10_000, seed: int = 0) -> Float[Tensor, "1 a"]:
        """Mean of the concatenated attribute codes over ``count`` draws; the same arguments give the same mean."""
        source, like = torch.Generator().manual_seed(seed), self.local.embed
        z = {name: torch.randn(count, width, generator=source).to(like) for name, width in self.attributes.items()}
        parts = [self.attribute_mappings[name](z[name]).mean(dim=0, keepdim=True) for name in self.attributes]
        return torch.cat(parts, dim=1) if parts else self.no_attributes(1, like)

    def expand(self, codes: LatentCodes) -> Float[Tensor, "b k l d"]:
        """One code for each class and layer: base codes, then shape, then texture.

        The background has no base codes: it takes its own shape code there, so that it does not follow the pose.
        """
        local = codes.local if self.span is None else codes.local + self.span(codes.attributes)
        base, shape, texture = local[:, :2], local[:, 2::2], local[:, 3::2]
        count, classes, _ = shape.shape
        order = torch.arange(self.layers[0], device=base.device) % 2
        first = base[:, order][:, None].expand(-1, classes - 1, -1, -1)
        ground = shape[:, Semantic.BACKGROUND, None, None].expand(-1, 1, self.layers[0], -1)
        return torch.cat(
            [
                torch.cat([ground, first], dim=1),
                shape[:, :, None].expand(count, classes, self.layers[1], -1),
                texture[:, :, None].expand(count, classes, self.layers[2], -1),
            ],
            dim=2,
        )

    def synthesise(
        self, layers: Float[Tensor, "b k l d"], attributes: Float[Tensor, "b a"], noise: Sequence[Tensor] | None = None
    ) -> Synthesis:
        """Synthesise from one code for each class and layer (the expanded latent space).

        Args:
            layers: one code for each class and layer, from :meth:`expand`.
            attributes: the attribute codes concatenated; those of a span are in the layers' codes already.
            noise: ``(B or 1, 1, h, h)`` for each of :attr:`noise_sides`, standard normal; None takes the stored noise.

        """
        if self.checkpointing and torch.is_grad_enabled():
            coarse, probabilities = checkpoint(self._compose, layers, attributes, use_reentrant=False)
        else:
            coarse, probabilities = self._compose(layers, attributes)
        image, segmentation = self.renderer(coarse, 2 * probabilities - 1, noise)
        return Synthesis(image, segmentation, probabilities)

    def forward(self, codes: LatentCodes, noise: Sequence[Tensor] | None = None) -> Synthesis:
        """Synthesise image and segmentation; for ``noise`` see :meth:`synthesise`."""
        return self.synthesise(self.expand(codes), codes.attributes, noise)

    def mix(
        self, codes: LatentCodes, other: LatentCodes, classes: Sequence[int | str] | str, *, shape: bool = True, texture: bool = True
    ) -> LatentCodes:
        """Replace the shape and texture codes of these classes by those of ``other``; base and attribute codes are never mixed.

        Args:
            codes: latent codes of all other classes.
            other: latent codes of the given classes; as many samples, or one for all.
            classes: semantic classes whose codes are exchanged, by name (``"nose"``, ``["nose", "hair"]``) or number.
            shape: take the shape codes.
            texture: take the texture codes.

        Raises:
            VeraError: there is no such class.

        """
        listed = [classes] if isinstance(classes, str) else classes
        numbers = [int(Semantic.named(one)) if isinstance(one, str) else int(one) for one in listed]
        for number in numbers:
            if not 0 <= number < self.classes:
                raise VeraError(f"there is no semantic class {number}: give names, or numbers from 0 to {self.classes - 1}")
        rows = LatentCodes.rows(numbers)
        taken = sorted((rows[0::2] if shape else []) + (rows[1::2] if texture else []))
        local = codes.local.clone()
        local[:, taken] = other.local[:, taken]
        return codes.with_local(local)

    def _compose(self, layers: Tensor, attributes: Tensor) -> tuple[Tensor, Tensor]:
        side = (self.coarse_size, self.coarse_size)
        own = attributes if self.span is None else attributes[:, :0]  # they are in the layers' codes already
        coarse, probabilities = self.composition(*self.local(layers, own))
        return coarse.unflatten(1, side).permute(0, 3, 1, 2), probabilities.unflatten(2, side)

    def _zero_attributes(self, like: Tensor) -> dict[str, Tensor]:
        return {name: like.new_zeros(len(like), dim) for name, dim in self.attributes.items()}
