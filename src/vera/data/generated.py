"""Labelled pairs of faces from a generator, one identity with two sets of attributes, for tests without photographs.

The two faces share their local codes. What differs are the attribute codes; for a generator without attributes (before stage
2) the two base codes, which carry the pose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from vera.data.people import Person, PhotographFile
from vera.faces.photograph import write_png
from vera.generator.network import Generator
from vera.types import LatentCodes, VeraError, tensor_to_image

Draw = Callable[[int], LatentCodes]
"""Codes of one face, a batch of one, for any number from 0; a function of the number alone."""
ROLES = ("first", "second")


class GeneratedPair(NamedTuple):
    """Two faces of one identity.

    Attributes:
        images: ``(2, 3, S, S)`` in [-1, 1].
        labels: ``(2, S, S)`` class numbers.
        codes: latent codes of the two images, a batch of two.

    """

    images: Tensor
    labels: Tensor
    codes: LatentCodes


class GeneratedPairs:
    """Pair number i is a function of the generator and ``draw`` alone: draws 2i (the identity) and 2i + 1 (what differs).

    No command uses it: it is for scripts that need labelled pairs without photographs of people.

    Args:
        generator: generator in eval mode; its stored noise is used.
        draw: function from a number to the codes of one face, such as
            :func:`vera.generator.sampling.code_sampler` makes.

    """

    def __init__(self, generator: Generator, draw: Draw) -> None:
        self.generator, self.draw = generator, draw

    def __iter__(self) -> Iterator[GeneratedPair]:
        """All pairs from number 0 on, without end."""
        number = 0
        while True:
            yield self[number]
            number += 1

    @torch.no_grad()
    def __getitem__(self, number: int) -> GeneratedPair:
        """Pair with any number from 0; no two calls influence each other."""
        first, other = self.draw(2 * number), self.draw(2 * number + 1)
        if self.generator.attributes:
            second = LatentCodes(first.local, other.attributes)
        else:
            second = first.with_local(torch.cat([other.local[:, :2], first.local[:, 2:]], dim=1))
        faces = [self._synthesise(codes) for codes in (first, second)]  # one by one: the last bits depend on a batch's size
        images, labels = (torch.cat(parts) for parts in zip(*faces, strict=True))
        both = LatentCodes(torch.cat([first.local, second.local]), torch.cat([first.attributes, second.attributes]))
        return GeneratedPair(images, labels, both)

    def write(self, folder: str | Path, count: int) -> list[Person]:
        """Write the first ``count`` pairs as photographs, for an evaluation: ``000000/first.png`` and ``000000/second.png``.

        Raises:
            VeraError: the folder can't be written.

        """
        return [self._write(Path(folder) / f"{number:06d}", number) for number in range(count)]

    def _synthesise(self, codes: LatentCodes) -> tuple[Float[Tensor, "1 3 s s"], UInt8[Tensor, "1 s s"]]:
        synthesis = self.generator(codes)
        return synthesis.image, synthesis.segmentation.argmax(dim=1).to(torch.uint8)

    def _write(self, home: Path, number: int) -> Person:
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VeraError(f"'{home}' can't be written ({error.strerror}): choose another folder") from error
        files = [home / f"{role}.png" for role in ROLES]
        for file, image in zip(files, self[number].images, strict=True):
            write_png(file, tensor_to_image(image))
        return Person(home.name, tuple(PhotographFile(role, file) for role, file in zip(ROLES, files, strict=True)))
