"""Measure how separately a generator's attributes can be controlled: control, disentanglement and separability.

Used by experiments/contrastive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import spearmanr
from torch import Tensor

from vera.attributes.control import ControlledGenerator
from vera.attributes.encoder import AttributeEncoder
from vera.distributed import Collected
from vera.generator.mapping import PrincipalMapping
from vera.generator.network import Generator
from vera.generator.sampling import middle, sample_codes, truncate
from vera.rng import Draws, key
from vera.types import LatentCodes, Matrix, VeraError, to_probabilities


class AttributeControl(Collected):
    """Asked against measured values of one quantity: rank correlation and error."""

    higher_is_better = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_column("asked", torch.float64)
        self.add_column("measured", torch.float64)

    def update(self, asked: Tensor, measured: Tensor) -> None:
        """Add faces.

        Args:
            asked: values that were asked for, ``(B,)`` in any unit.
            measured: ``(B,)``; the error only means something in the same unit.

        """
        self.append("asked", asked)
        self.append("measured", measured)

    def compute(self) -> dict[str, Any]:
        """``faces``, ``rank_correlation`` (Spearman's, None where one of both does not vary), ``mean_error`` (absolute)."""
        asked, measured = self.column("asked"), self.column("measured")
        if not len(asked):
            return {"faces": 0, "rank_correlation": None, "mean_error": None}
        varies = len(asked) > 1 and min(np.ptp(asked), np.ptp(measured)) > 0
        correlation = float(spearmanr(asked, measured)[0]) if varies else None
        return {"faces": len(asked), "rank_correlation": correlation, "mean_error": float(np.abs(measured - asked).mean())}


class Disentanglement(Collected):
    """Matrix of changes: rows are the codes that were redrawn, columns what was read; a change of 1 is that of redrawing everything.

    Args:
        moved: names of the codes that are redrawn; the last one stands for all of them together, and is the unit.
        read: names of the numbers.

    """

    higher_is_better = False

    def __init__(self, moved: Sequence[str], read: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.moved, self.read = list(moved), list(read)
        self.add_column("row", torch.int64)
        self.add_column("change", torch.float64)

    def update(self, moved: str, change: Float[Tensor, "b v"]) -> None:
        """Add faces.

        Args:
            moved: name of the code that was redrawn.
            change: absolute change of each number.

        Raises:
            VeraError: an unknown name, or another number of columns.

        """
        if moved not in self.moved or change.shape[1] != len(self.read):
            raise VeraError(f"disentanglement of {self.moved} by {len(self.read)} numbers: got '{moved}' with {change.shape[1]}")
        self.append("row", [self.moved.index(moved)] * len(change))
        self.append("change", change.abs())

    def compute(self) -> dict[str, dict[str, float | None]]:
        """Mean change by row and column, over that of the last row; None without faces."""
        rows = self.column("row")
        table = self.matrix("change", len(rows)) if len(rows) else np.zeros((0, len(self.read)))
        means = [table[rows == number].mean(axis=0) if (rows == number).any() else None for number in range(len(self.moved))]
        unit = means[-1]
        return {
            name: {
                column: None if mean is None or unit is None or not unit[j] else float(mean[j] / unit[j])
                for j, column in enumerate(self.read)
            }
            for name, mean in zip(self.moved, means, strict=True)
        }


RIDGE = 1.0
"""Added to every standardised code's sum of squares, in units of one face."""


class Separability(Collected):
    """R² of ridge regressions from each code to each number, on codes held out from the fit.

    DECISION: two folds, each fitted on the other; faces are dealt to them by their number, so that the processes do not matter.

    Args:
        codes: names of the codes.
        read: names of the numbers.

    """

    higher_is_better = True

    def __init__(self, codes: Sequence[str], read: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.codes, self.read = list(codes), list(read)
        self.add_column("number", torch.int64)
        self.add_column("values", torch.float64)
        for name in self.codes:
            self.add_column(f"code_{name}", torch.float64)

    def update(self, numbers: Sequence[int], codes: Mapping[str, Float[Tensor, "b _"]], values: Float[Tensor, "b v"]) -> None:
        """Add faces.

        Args:
            numbers: numbers of the faces; no number is given twice.
            codes: latent codes of the faces, by the code's name.
            values: values that the readers saw in the faces.

        """
        self.append("number", list(numbers))
        self.append("values", values)
        for name in self.codes:
            self.append(f"code_{name}", codes[name])

    def compute(self) -> dict[str, dict[str, float]]:
        """R² by code and number; below zero where a code explains less than nothing."""
        order = np.argsort(self.column("number"))
        values = self.matrix("values", len(order))[order]
        table = {}
        for name in self.codes:
            scores = held_out(self.matrix(f"code_{name}", len(order))[order], values)
            table[name] = dict(zip(self.read, map(float, scores), strict=True))
        return table


def held_out(codes: Matrix, values: Matrix) -> Matrix:
    """R² of each column of ``values (N, V)``, predicted from ``codes (N, D)`` by a ridge fitted on the other half."""
    fold = np.arange(len(codes)) % 2 == 0
    off = np.empty_like(values)
    for fitted in (fold, ~fold):
        centre, mean = codes[fitted].mean(axis=0), values[fitted].mean(axis=0)
        x = (codes - centre) / (codes[fitted].std(axis=0) + 1e-12)
        inner = x[fitted].T @ x[fitted] + RIDGE * np.eye(x.shape[1])
        slope = np.linalg.solve(inner, x[fitted].T @ (values[fitted] - mean))
        off[~fitted] = (values - mean - x @ slope)[~fitted]
    return np.asarray(1 - np.square(off).sum(axis=0) / np.square(values - values.mean(axis=0)).sum(axis=0).clip(1e-12))


Identity = Callable[[Tensor, Tensor], Tensor]
"""Two batches of images to a distance for each pair, ``(B,)``."""
EVERYTHING, LOCAL = "everything", "local"


class Reading:
    """Random faces of a generator, and the attribute values that independent readers see in them.

    Args:
        generator: generator with attributes and a mapping.
        readers: readers of attributes by name, best those that took no part in the training.
        faces: number of random faces that are read.
        batch: number of faces that are made at once.
        seed: seed of the faces; another seed gives other faces.
        truncation: scale of the local codes' deviation from the mean, see :func:`vera.generator.sampling.truncate`.

    """

    def __init__(
        self, generator: Generator, readers: Mapping[str, AttributeEncoder], *, faces: int, batch: int, seed: int, truncation: float = 1.0
    ) -> None:
        self.generator, self.readers = generator.eval(), dict(readers)
        self.faces, self.batch, self.draws = faces, batch, Draws(seed, torch.device("cpu"))
        self.names = [q.name for reader in self.readers.values() for q in reader.quantities]
        self.device = next(generator.parameters()).device
        self.centre, self.truncation = None if truncation == 1 else middle(generator), truncation

    def batches(self) -> Iterator[range]:
        """Numbers of the faces."""
        for start in range(0, self.faces, self.batch):
            yield range(start, min(start + self.batch, self.faces))

    def draw(self, stream: str, numbers: Sequence[int]) -> LatentCodes:
        """Codes of these faces; another stream draws others."""
        codes = sample_codes(self.generator, self.draws, f"measure/{stream}/{LOCAL}", numbers, attributes=f"measure/{stream}/")
        return codes if self.centre is None else truncate(codes, self.centre(codes), self.truncation)

    def regressed(self, codes: LatentCodes, stream: str, numbers: Sequence[int]) -> dict[str, Tensor]:
        """Each attribute's code, and for the local ones the code that all classes share, or the noise behind theirs."""
        of_its_own = isinstance(self.generator.mapping, PrincipalMapping)
        return parts(self.generator, codes) | ({LOCAL: self._behind(stream, numbers)} if of_its_own else {})

    def see(self, codes: LatentCodes, numbers: Sequence[int]) -> tuple[Tensor, Float[Tensor, "b v"]]:
        """Images, and the readers' numbers. The injected noise belongs to the face's number: it stays when codes change."""
        noise = self.draws.maps("measure/noise", numbers, self.generator.noise_sides)
        made = self.generator(codes, [part.to(self.device) for part in noise])
        image, segmentation = made.image.clamp(-1, 1), to_probabilities(made.segmentation)
        return image, torch.cat([reader(image, segmentation) for reader in self.readers.values()], dim=1)

    def _behind(self, stream: str, numbers: Sequence[int]) -> Tensor:
        """Noise behind the local codes, as :func:`vera.generator.sampling.sample_codes` draws it."""
        return self.draws.normal(f"measure/{stream}/{LOCAL}", numbers, self.generator.latent).to(self.device)


def parts(generator: Generator, codes: LatentCodes) -> dict[str, Tensor]:
    """Each attribute's code, and the local one (the same for every class without mixing)."""
    widths = list(generator.attributes.values())
    return {**dict(zip(generator.attributes, torch.split(codes.attributes, widths, dim=1), strict=True)), LOCAL: codes.local[:, 0]}


def joined(codes: Mapping[str, Tensor], local: Tensor) -> LatentCodes:
    """The inverse of :func:`parts`."""
    return LatentCodes(local, torch.cat([code for name, code in codes.items() if name != LOCAL], dim=1))


@torch.no_grad()
def separability(reading: Reading) -> dict[str, dict[str, float]]:
    """Measure :class:`Separability`: R² of each reading from each code (attributes, then local)."""
    metric = Separability([*reading.generator.attributes, LOCAL], reading.names)
    for numbers in reading.batches():
        codes = reading.draw("face", numbers)
        metric.update(numbers, reading.regressed(codes, "face", numbers), reading.see(codes, numbers)[1])
    return metric.compute()


@torch.no_grad()
def disentanglement(reading: Reading, *, identity: Identity | None = None) -> dict[str, dict[str, float | None]]:
    """Measure :class:`Disentanglement`: change of each reading when one code is redrawn; ``identity`` adds a column.

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
    """Measure :class:`AttributeControl`: ask for values of one quantity at a time, and read them back.

    Args:
        reading: readings of random faces of the same generator.
        generator: the generator with its attribute regressors.
        asked: reader's quantity by the generator's quantity.
        spread: half width of the range that values are drawn from, in standard deviations of this generator's own faces.

    """
    results = {}
    for quantity, read in asked.items():
        metric, place = AttributeControl(), generator.places[quantity]
        regressor = generator.regressor(place.attribute)
        middle, half = float(regressor.mean[place.number]), spread * float(regressor.spread[place.number])
        for numbers in reading.batches():
            codes = reading.draw("face", numbers)
            source = torch.Generator().manual_seed(key(reading.draws.seed, f"ask/{quantity}", numbers[0]))
            values = (middle + half * (2 * torch.rand(len(numbers), generator=source) - 1)).to(reading.device)
            _, seen = reading.see(generator.edit(codes, {quantity: values}), numbers)
            metric.update(values, seen[:, reading.names.index(read)])
        results[quantity] = metric.compute()
    return results
