"""Keyed seeds: each is a function of its purpose, so no draw depends on other draws, their order or the process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

GROUP = 2
"""DECISION: seeds of new faces in a group (0 and 1, 2 and 3, ...): the second one's face is unlike the first one's, and takes twice as long
to find."""


def key(seed: int, stream: str, index: int) -> int:
    """Derive a 64-bit seed for one image of a random stream.

    Args:
        seed: seed of the run; whole number from 0.
        stream: purpose of the numbers, for example ``"order"``; another stream gives independent numbers.
        index: global image index, or any whole number.

    """
    return int.from_bytes(hashlib.blake2b(f"{seed}/{stream}/{index}".encode(), digest_size=8).digest(), "little")


def derived_seed(*parts: object) -> int:
    """Derive a 63-bit seed from named parts by SHA-256; lists of parts of different lengths do not collide.

    Examples:
        >>> from vera.rng import derived_seed
        >>> derived_seed(7, "p1") == derived_seed(7, "p1"), derived_seed(7, "p1") == derived_seed(7, "p2")
        (True, False)

    """
    text = "".join(f"{len(str(part))}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seeds_up_to(seed: int) -> range:
    """The seeds of a seed's group, from the group's first one up to this one.

    Examples:
        >>> from vera.rng import seeds_up_to
        >>> list(seeds_up_to(6)), list(seeds_up_to(7))
        ([6], [6, 7])

    """
    return range(seed - seed % GROUP, seed + 1)


class Draws:
    """Source of normal and uniform numbers that depend on image indices, not on the order of calls.

    Two processes of four images draw the same numbers as one process of eight (docs/architecture.md#contract-6), and a checkpoint
    needs no generator's state. The numbers also depend on the kind of device, as all of torch's do.

    Args:
        seed: seed of the run; whole number from 0.
        device: device that the numbers are drawn on.
        dtype: type of the numbers; None for torch's default when they are drawn. Other types give other numbers.

    Examples:
        >>> import torch
        >>> from vera.rng import Draws
        >>> draws = Draws(seed=0, device=torch.device("cpu"))
        >>> pair, single = draws.normal("noise", [4, 5], 3), draws.normal("noise", [5], 3)
        >>> torch.equal(pair[1], single[0])  # keyed by the image's index, not by the order of calls
        True

    """

    def __init__(self, seed: int, device: torch.device, dtype: torch.dtype | None = None) -> None:
        self.seed, self.generator, self.dtype = seed, torch.Generator(device), dtype

    def normal(self, stream: str, indices: Sequence[int], *shape: int) -> Tensor:
        """``(B, *shape)`` standard normal numbers, one row for each global image index.

        Args:
            stream: purpose of the numbers; another stream gives independent numbers.
            indices: global image indices, one for each row.
            *shape: shape of one row.

        """
        device, dtype = self.generator.device, self.dtype
        return torch.stack([torch.randn(shape, generator=self._at(stream, i), device=device, dtype=dtype) for i in indices])

    def uniform(self, stream: str, indices: Sequence[int], *shape: int) -> Tensor:
        """``(B, *shape)`` uniform numbers in [0, 1); see :meth:`normal`."""
        device, dtype = self.generator.device, self.dtype
        return torch.stack([torch.rand(shape, generator=self._at(stream, i), device=device, dtype=dtype) for i in indices])

    def maps(self, stream: str, indices: Sequence[int], sides: Sequence[int]) -> list[Tensor]:
        """Injected noise: ``(B, 1, h, h)`` standard normal for each side h."""
        flat = self.normal(stream, indices, sum(side**2 for side in sides))
        parts = torch.split(flat, [side**2 for side in sides], dim=1)
        return [part.view(len(indices), 1, side, side) for part, side in zip(parts, sides, strict=True)]

    def _at(self, stream: str, index: int) -> torch.Generator:
        return self.generator.manual_seed(key(self.seed, stream, index))
