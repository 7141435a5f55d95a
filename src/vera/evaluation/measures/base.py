"""The protocol of measures: they take photographs before and after, and give plain figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from vera.evaluation.judges import Observation
from vera.faces.alignment import align
from vera.types import Mask, Photograph, VeraError


@dataclass(frozen=True)
class Original:
    """One source photograph of the evaluation with its observations.

    Attributes:
        person: id of the person.
        group: known group of the person; None if nothing is known.
        photograph: its digest is its key.
        seen: the judges' observations of it.

    """

    person: str
    group: str | None
    photograph: Photograph
    seen: Observation

    def crop(self, photograph: Photograph, size: int) -> Tensor | None:
        """``(3, S, S)`` in [-1, 1]: the face in this photograph or in its anonymized one, at the original's place; None without a face."""
        return align(photograph, self.seen.landmarks, size).image if np.isfinite(self.seen.landmarks).all() else None


@dataclass(frozen=True)
class Written:
    """One anonymized photograph, read from the file that was written.

    Attributes:
        original: the photograph before anonymization.
        photograph: the output, decoded from its file.
        preserved: ``(H, W)``, what the anonymizer says that it kept.
        seen: the judges' observations of it.
        other_seeds: their observations of the same photograph under other seeds.
        seeded: whether the anonymizer draws anything from a seed; without one, whoever has the software can make the output again.

    """

    original: Original
    photograph: Photograph
    preserved: Mask
    seen: Observation
    other_seeds: tuple[Observation, ...] = field(default=())
    seeded: bool = True


class Measure(ABC):
    """A measure of one method's photographs; reused for the next method after :meth:`next_method`.

    Attributes:
        name: name of the figures in the results.
        metric: accumulates the figures; what :meth:`reset`, :meth:`next_method` and :meth:`result` use.

    """

    name: str
    metric: Any

    def reset(self) -> None:
        """Forget all photographs."""
        self.metric.reset()

    def next_method(self) -> bool:
        """Forget the photographs of one method before the next one; True if the originals are kept, and must not be given again."""
        self.reset()
        return False

    def original(self, original: Original) -> None:
        """Take a photograph of the set, whether it was anonymized or not; by default there is nothing to measure on it."""
        return

    @abstractmethod
    def written(self, written: Written) -> None:
        """Take an anonymized photograph; where no face was found in its original, the original's landmarks are NaN."""

    def result(self) -> dict[str, Any]:
        """Plain values, over all processes: each must call it."""
        return computed(self.metric)


def computed(metric: Any) -> dict[str, Any]:
    """A metric's figures as a dictionary; of too few photographs, ``value`` None and ``why``.

    A single number, or the figure called ``mean``, also becomes ``value``: the report shows it in a line of its own, with the direction
    ``better`` (``more`` or ``less``) of the metric's ``higher_is_better``; None where the metric does not say.

    Args:
        metric: metric of this package, or any ``torchmetrics.Metric`` of a number.

    """
    higher = getattr(metric, "higher_is_better", None)
    better = None if higher is None else "more" if higher else "less"
    try:
        found = metric.compute()
    except VeraError as error:
        return {"value": None, "better": better, "why": str(error)}
    if not isinstance(found, Mapping):
        return {"value": float(found), "better": better}
    return {"value": found["mean"], "better": better, **found} if "mean" in found else dict(found)
