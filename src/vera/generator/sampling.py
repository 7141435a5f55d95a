"""Latent codes of random faces, and the truncation trick, which trades their variety against their quality."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vera.generator.mapping import PrincipalMapping
from vera.generator.network import Generator
from vera.rng import Draws
from vera.types import LatentCodes, VeraError


@runtime_checkable
class Mapped(Protocol):
    """The part of a generator that makes latent codes from noise; a reference implementation in a benchmark has it, too."""

    @property
    def latent(self) -> int:
        """Width of the noise z behind the local codes."""

    @property
    def attributes(self) -> Mapping[str, int]:
        """Width of the noise behind each attribute's code, by the attribute's name."""

    def map(self, z: Tensor, z_attributes: Mapping[str, Tensor]) -> LatentCodes:
        """Noise to latent codes."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Parameters, whose device and type the noise takes."""


def sample_codes(generator: Mapped, draws: Draws, stream: str, indices: Sequence[int], *, attributes: str | None = None) -> LatentCodes:
    """Draw latent codes of random faces through the generator's mappings; each is a function of seed, stream and index.

    Args:
        generator: generator with a mapping.
        draws: source of the keyed random numbers.
        stream: name of the stream of z behind the local codes; another stream draws other faces.
        indices: global image indices, one for each face.
        attributes: beginning of the names of the attributes' streams, which the attribute's name ends; None for ``stream/``.

    Raises:
        ValueError: the generator has no mapping.

    Examples:
        >>> import torch
        >>> from vera.generator.network import Generator
        >>> from vera.generator.sampling import sample_codes
        >>> from vera.rng import Draws
        >>> generator = Generator(
        ...     size=16, coarse_size=8, start_size=4, classes=3, transparent=[], latent=8, local_channels=8, coarse_channels=8,
        ...     layers=[2, 2, 2], channels={8: 8, 16: 8}, attributes={"pose": 4}, mapping_layers=2,
        ... )
        >>> codes = sample_codes(generator, Draws(0, torch.device("cpu")), "faces", range(5))
        >>> codes.local.shape, codes.attributes.shape  # two base codes, a shape and a texture code of each class
        (torch.Size([5, 8, 8]), torch.Size([5, 4]))

    """
    like, prefix = next(generator.parameters()), f"{stream}/" if attributes is None else attributes
    z = {name: draws.normal(f"{prefix}{name}", indices, width).to(like) for name, width in generator.attributes.items()}
    return generator.map(draws.normal(stream, indices, generator.latent).to(like), z)


def code_sampler(generator: Generator, *, seed: int, truncation: float) -> Callable[[int], LatentCodes]:
    """Make a function from a number to the codes of one random face, a batch of one, that depends on (seed, number) alone.

    ``vera sample`` and ``vera edit`` draw by it, so that a seed means the same faces in both. Faces are drawn one by one: the last
    bits of a matrix product depend on how many samples it is made for.

    Args:
        generator: generator with a mapping.
        seed: seed of the faces; whole number from 0.
        truncation: scale of the deviation from the mean code, see :func:`truncate`.

    Raises:
        VeraError: the generator has no mapping.

    """
    if generator.mapping is None:
        raise VeraError("this generator has no mapping: draw from its bundle's bank of identities, or give another bundle")
    draws, centre = Draws(seed, torch.device("cpu")), middle(generator)

    @torch.no_grad()
    def draw(number: int) -> LatentCodes:
        codes = sample_codes(generator, draws, "sample", [number], attributes="sample ")
        return truncate(codes, centre(codes), truncation)

    return draw


def middle(generator: Generator) -> Callable[[LatentCodes], Float[Tensor, "*b d"]]:
    """Centre of truncation for random faces: the mean code, or with a principal mapping the mean of each face's identity group.

    One mean for all groups would be wrong: a woman's face pulled to the mean of all people gets a shadow of a beard.
    """
    if not isinstance(generator.mapping, PrincipalMapping):
        mean = generator.mean_code()
        return lambda codes: mean
    means = generator.mapping.means
    return lambda codes: means[torch.cdist(codes.local.flatten(1), means.flatten(1)).argmin(dim=1)]


def truncate(codes: LatentCodes, mean: Float[Tensor, "*b d"], truncation: float) -> LatentCodes:
    """Truncate local codes towards the mean code: ``w = mean + ψ (w - mean)`` (Karras et al. 2019, appendix B).

    Attribute codes are not truncated: pose and light have nothing to do with how typical a face is.

    Args:
        codes: latent codes from the mapping.
        mean: mean of w, from :func:`middle`.
        truncation: ψ: 1 leaves the codes exactly as they are, 0 makes all of them the mean.

    """
    return codes.with_local(torch.lerp(mean.expand_as(codes.local), codes.local, truncation))
