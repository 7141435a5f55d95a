"""Seeds that are functions of what they are for: no draw depends on another one, on the order of calls or on the process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def key(seed: int, stream: str, index: int) -> int:
    """A 64-bit seed for one image of a stream.

    Args:
        seed: the run's seed.
        stream: what the numbers are for, for example ``"order"``; another stream gives independent numbers.
        index: global image index, or any whole number.

    """
    return int.from_bytes(hashlib.blake2b(f"{seed}/{stream}/{index}".encode(), digest_size=8).digest(), "little")


def derived_seed(*parts: object) -> int:
    """A 63-bit seed from SHA-256 over the parts; no two lists of parts collide by their lengths."""
    text = "".join(f"{len(str(part))}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class Draws:
    """Normal and uniform numbers that belong to images, not to the order in which they are asked for.

    Two processes of four images draw what one process of eight draws (docs/architecture.md#contract-6), and a run needs no
    generator's state in its checkpoint. The numbers also depend on the kind of device, as all of torch's do.

    Args:
        seed: the run's seed.
        device: where the numbers are drawn.
        dtype: of the numbers; None for torch's default when they are drawn. Other types give other numbers.

    """

    def __init__(self, seed: int, device: torch.device, dtype: torch.dtype | None = None) -> None:
        self.seed, self.generator, self.dtype = seed, torch.Generator(device), dtype

    def normal(self, stream: str, indices: Sequence[int], *shape: int) -> Tensor:
        """``(B, *shape)`` standard normal numbers, one row for each global image index.

        Args:
            stream: what they are for; another stream gives independent numbers.
            indices: global image indices.
            *shape: of one row.

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
