"""What is measured on the photographs themselves, behind one protocol: how they are fed to the metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from vera.evaluation import protocol_ranks as ranks
from vera.evaluation.metrics.attributes import AttributePreservation
from vera.evaluation.metrics.frechet import FrechetDistance
from vera.evaluation.metrics.kernel import KernelDistance
from vera.evaluation.metrics.lpips_distance import LpipsDistance
from vera.evaluation.metrics.observation import Observation
from vera.evaluation.metrics.preservation import Preservation
from vera.evaluation.metrics.replacement import Replacement
from vera.faces.alignment import align
from vera.types import Mask, Photograph, Pixels, Points, VeraError


@dataclass(frozen=True)
class Original:
    """One photograph as it was given.

    Attributes:
        person: whose.
        group: what the person is known to belong to; None if nothing is known.
        photograph: its digest is its key.
        seen: what the judges saw.

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
    """The same photograph anonymized, as it was written.

    Attributes:
        original: what it was made from.
        photograph: decoded from disk.
        preserved: ``(H, W)``, what the anonymizer says that it kept.
        seen: what the judges saw.
        other_seeds: what they saw in the same photograph under other seeds.

    """

    original: Original
    photograph: Photograph
    preserved: Mask
    seen: Observation
    other_seeds: tuple[Observation, ...] = field(default=())


class Measure(Protocol):
    """Takes the photographs of one contestant and gives figures; used again for the next one after :meth:`reset`."""

    @property
    def name(self) -> str:
        """Of the figures in the results."""
        ...

    def reset(self) -> None:
        """Forget all photographs."""
        ...

    def original(self, original: Original) -> None:
        """Take a photograph of the set, whether it was anonymized or not."""
        ...

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        ...

    def result(self) -> dict[str, Any]:
        """Plain values, over all processes: each must call it."""
        ...


class OfCrops:
    """A metric of aligned faces, given to its network in batches.

    Faces are cut out at the original's landmarks, so that a face that no detector finds any more is judged like any other.

    Args:
        metric: of sets of images (:class:`FrechetDistance`, :class:`KernelDistance`) or of pairs (:class:`LpipsDistance`).
        size: side of the crop in pixels.
        batch_size: images the network takes at once.
        device: where it runs.

    """

    def __init__(self, metric: FrechetDistance | KernelDistance | LpipsDistance, *, size: int, batch_size: int, device: str) -> None:
        self.metric: Any = metric.to(device)
        self.size, self.batch_size, self.device = size, batch_size, device
        self.of_pairs = isinstance(metric, LpipsDistance)
        self.reset()

    @property
    def name(self) -> str:
        """The metric's own."""
        return str(self.metric.name)

    def reset(self) -> None:
        """Forget all photographs."""
        self.metric.reset()
        self.waiting: dict[str, list[tuple[Tensor, ...]]] = {"original": [], "written": []}
        self.count = self.without_face = 0

    def original(self, original: Original) -> None:
        """Take a photograph of the set."""
        crop = None if self.of_pairs else original.crop(original.photograph, self.size)
        if crop is not None and getattr(self.metric, "reference", None) is None:
            self._wait("original", (crop,))

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        crops = [written.original.crop(photograph, self.size) for photograph in (written.photograph, written.original.photograph)]
        faces = tuple(crop for crop in crops if crop is not None)
        if len(faces) < 2:
            self.without_face += 1
            return
        self.count += 1
        self._wait("written", faces if self.of_pairs else faces[:1])

    def result(self) -> dict[str, Any]:
        """``value``, what else the metric says, and how many images it rests on."""
        for side in self.waiting:
            self._flush(side)
        counts = {"images": ranks.total(self.count, self.device), "without_face": ranks.total(self.without_face, self.device)}
        return {**computed(self.metric.compute), **counts, "crop": self.size}

    def _wait(self, side: str, images: tuple[Tensor, ...]) -> None:
        self.waiting[side].append(images)
        if len(self.waiting[side]) >= self.batch_size:
            self._flush(side)

    def _flush(self, side: str) -> None:
        if not self.waiting[side]:
            return
        batch = [torch.stack(images).to(self.device) for images in zip(*self.waiting[side], strict=True)]
        self.waiting[side] = []
        if self.of_pairs:
            self.metric.update(*batch)
        else:
            self.metric.update(*batch, real=side == "original")


class Preserved:
    """Whether what the anonymizer says that it kept is what it was given.

    Args:
        metric: see there; with a network it also measures LPIPS.
        device: where the network runs.

    """

    name = "preservation"

    def __init__(self, metric: Preservation, *, device: str) -> None:
        self.metric: Any = metric.to(device)

    def reset(self) -> None:
        """Forget all photographs."""
        self.metric.reset()

    def original(self, original: Original) -> None:
        """Take a photograph of the set: nothing to measure."""

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        self.metric.update(written.original.photograph.pixels, written.photograph.pixels, written.preserved)

    def result(self) -> dict[str, Any]:
        """See :meth:`Preservation.compute`."""
        return computed(self.metric.compute)


class Replaced:
    """Whether the face is no longer the photograph's, where one is found in the original.

    Args:
        metric: see there.

    """

    name = "replacement"

    def __init__(self, metric: Replacement) -> None:
        self.metric: Any = metric

    def reset(self) -> None:
        """Forget all photographs."""
        self.metric.reset()

    def original(self, original: Original) -> None:
        """Take a photograph of the set: nothing to measure."""

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        source = written.original
        if np.isfinite(source.seen.landmarks).all():
            self.metric.update(source.photograph.pixels, written.photograph.pixels, written.preserved, source.seen.landmarks)

    def result(self) -> dict[str, Any]:
        """See :meth:`Replacement.compute`."""
        return computed(self.metric.compute)


class Attributes:
    """Whether pose, expression and age stay, where a face is found before and after; where no pose follows from it, it is counted.

    Args:
        metric: see there.
        age: estimates years from pixels and landmarks; without it age is not measured.

    """

    name = "attributes"

    def __init__(self, metric: AttributePreservation, *, age: Callable[[Pixels, Points], float] | None = None) -> None:
        self.metric: Any = metric
        self.age = age
        self.without_pose = 0

    def reset(self) -> None:
        """Forget all photographs."""
        self.metric.reset()
        self.without_pose = 0

    def original(self, original: Original) -> None:
        """Take a photograph of the set: nothing to measure."""

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        before, after = written.original, written
        if not (all(list(one.seen.found.values())[:1] == [True] for one in (before, after))):  # landmarks are the first detector's
            return
        ages = None
        try:
            if self.age is not None:
                ages = (self.age(before.photograph.pixels, before.seen.landmarks), self.age(after.photograph.pixels, after.seen.landmarks))
            self.metric.update(before.seen.landmarks, after.seen.landmarks, size=before.photograph.size, ages=ages)
        except VeraError:  # one photograph's landmarks must not stop every resume
            self.without_pose += 1

    def result(self) -> dict[str, Any]:
        """See :meth:`AttributePreservation.compute`; and in how many photographs landmarks give no pose, expression or age."""
        return computed(self.metric.compute) | {"without_pose": ranks.total(self.without_pose)}


def computed(compute: Callable[[], Any]) -> dict[str, Any]:
    """A metric's figures as a dictionary; of too few photographs, ``value`` None and ``why``."""
    try:
        found = compute()
    except VeraError as error:
        return {"value": None, "why": str(error)}
    if isinstance(found, Mapping):
        return dict(found) if "mean" not in found else {"value": found["mean"], **found}
    return {"value": float(found)}
