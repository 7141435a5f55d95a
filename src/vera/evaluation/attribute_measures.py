"""How well a generator's attributes are separate controls: control, disentanglement and separability of one generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vera.attributes.control import ControlledGenerator
from vera.attributes.encoder import AttributeEncoder
from vera.evaluation.metrics.control import AttributeControl
from vera.evaluation.metrics.disentanglement import Disentanglement
from vera.evaluation.metrics.separability import Separability
from vera.generator.mapping import PrincipalMapping
from vera.generator.network import Generator
from vera.generator.sampling import middle, truncate
from vera.rng import key
from vera.types import LatentCodes, to_probabilities

Identity = Callable[[Tensor, Tensor], Tensor]
"""Two batches of images to a distance for each pair, ``(B,)``."""
EVERYTHING, LOCAL = "everything", "local"


class Reading:
    """A generator's random faces, and what some readers see in them.

    Args:
        generator: with a mapping.
        readers: by name; best those that took no part in the training.
        faces: how many.
        batch: faces at once.
        seed: which faces.
        truncation: of the local codes, see :func:`vera.generator.sampling.truncate`.

    """

    def __init__(
        self, generator: Generator, readers: Mapping[str, AttributeEncoder], *, faces: int, batch: int, seed: int, truncation: float = 1.0
    ) -> None:
        self.generator, self.readers = generator.eval(), dict(readers)
        self.faces, self.batch, self.seed = faces, batch, seed
        self.names = [q.name for reader in self.readers.values() for q in reader.quantities]
        self.device = next(generator.parameters()).device
        self.centre, self.truncation = None if truncation == 1 else middle(generator), truncation

    def batches(self) -> Iterator[range]:
        """Numbers of the faces."""
        for start in range(0, self.faces, self.batch):
            yield range(start, min(start + self.batch, self.faces))

    def draw(self, stream: str, numbers: Sequence[int]) -> LatentCodes:
        """Codes of these faces; another stream draws others."""
        z = {name: self._normal(f"{stream}/{name}", numbers, width) for name, width in self.generator.attributes.items()}
        codes = self.generator.map(self._behind(stream, numbers), z)
        return codes if self.centre is None else truncate(codes, self.centre(codes), self.truncation)

    def regressed(self, codes: LatentCodes, stream: str, numbers: Sequence[int]) -> dict[str, Tensor]:
        """Each attribute's code, and for the local ones the code that all classes share, or the noise behind theirs."""
        of_its_own = isinstance(self.generator.mapping, PrincipalMapping)
        return parts(self.generator, codes) | ({LOCAL: self._behind(stream, numbers)} if of_its_own else {})

    def see(self, codes: LatentCodes, numbers: Sequence[int]) -> tuple[Tensor, Float[Tensor, "b v"]]:
        """Images, and the readers' numbers. The injected noise belongs to the face's number: it stays when codes change."""
        sides = self.generator.noise_sides
        flat = torch.split(self._normal("noise", numbers, sum(side**2 for side in sides)), [side**2 for side in sides], dim=1)
        made = self.generator(codes, [part.view(-1, 1, side, side) for part, side in zip(flat, sides, strict=True)])
        image, segmentation = made.image.clamp(-1, 1), to_probabilities(made.segmentation)
        return image, torch.cat([reader(image, segmentation) for reader in self.readers.values()], dim=1)

    def _behind(self, stream: str, numbers: Sequence[int]) -> Tensor:
        return self._normal(f"{stream}/{LOCAL}", numbers, self.generator.latent)

    def _normal(self, stream: str, numbers: Sequence[int], width: int) -> Tensor:
        source = torch.Generator()
        rows = [torch.randn(width, generator=source.manual_seed(key(self.seed, f"measure/{stream}", number))) for number in numbers]
        return torch.stack(rows).to(self.device)


def parts(generator: Generator, codes: LatentCodes) -> dict[str, Tensor]:
    """Each attribute's code, and the local one (the same for every class without mixing)."""
    widths = list(generator.attributes.values())
    return {**dict(zip(generator.attributes, torch.split(codes.attributes, widths, dim=1), strict=True)), LOCAL: codes.local[:, 0]}


def joined(codes: Mapping[str, Tensor], local: Tensor) -> LatentCodes:
    """The inverse of :func:`parts`."""
    return LatentCodes(local, torch.cat([code for name, code in codes.items() if name != LOCAL], dim=1))


@torch.no_grad()
def separability(reading: Reading) -> dict[str, dict[str, float]]:
    """See :class:`Separability`: codes (attributes, then local) by what was read."""
    metric = Separability([*reading.generator.attributes, LOCAL], reading.names)
    for numbers in reading.batches():
        codes = reading.draw("face", numbers)
        metric.update(numbers, reading.regressed(codes, "face", numbers), reading.see(codes, numbers)[1])
    return metric.compute()


@torch.no_grad()
def disentanglement(reading: Reading, *, identity: Identity | None = None) -> dict[str, dict[str, float | None]]:
    """See :class:`Disentanglement`: what changes when one code is redrawn; ``identity`` adds a column.

    Everything redrawn includes the local codes and the injected noise.
    """
    moved = [*reading.generator.attributes, LOCAL, EVERYTHING]
    metric = Disentanglement(moved, [*reading.names, *(["identity"] if identity else [])])
    for numbers in reading.batches():
        codes, other = reading.draw("face", numbers), reading.draw("other", numbers)
        image, values = reading.see(codes, numbers)
        for name in moved:
            if name == EVERYTHING:
                seen = reading.see(other, [number + reading.faces for number in numbers])
            elif name == LOCAL:
                seen = reading.see(LatentCodes(other.local, codes.attributes), numbers)
            else:
                changed = {**parts(reading.generator, codes), name: parts(reading.generator, other)[name]}
                seen = reading.see(joined(changed, codes.local), numbers)
            change = (seen[1] - values).abs()
            metric.update(name, torch.cat([change, identity(image, seen[0])[:, None]], dim=1) if identity else change)
    return metric.compute()


@torch.no_grad()
def control(reading: Reading, generator: ControlledGenerator, *, asked: Mapping[str, str], spread: float = 1.5) -> dict[str, Any]:
    """See :class:`AttributeControl`: values are asked for one at a time.

    Args:
        reading: of the same generator.
        generator: with its regressors.
        asked: the generator's quantity to the reader's.
        spread: values are drawn evenly within so many standard deviations of what this generator's faces have.

    """
    results = {}
    for quantity, read in asked.items():
        metric, place = AttributeControl(), generator.places[quantity]
        regressor = generator.regressor(place.attribute)
        middle, half = float(regressor.mean[place.number]), spread * float(regressor.spread[place.number])
        for numbers in reading.batches():
            codes = reading.draw("face", numbers)
            source = torch.Generator().manual_seed(key(reading.seed, f"ask/{quantity}", numbers[0]))
            values = (middle + half * (2 * torch.rand(len(numbers), generator=source) - 1)).to(reading.device)
            _, seen = reading.see(generator.edit(codes, {quantity: values}), numbers)
            metric.update(values, seen[:, reading.names.index(read)])
        results[quantity] = metric.compute()
    return results
