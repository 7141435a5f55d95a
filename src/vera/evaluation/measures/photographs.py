"""Measures of the photographs themselves: how they are fed to the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vera import distributed as ranks
from vera.evaluation.measures.base import Measure, Original, Written, computed
from vera.evaluation.metrics.appearance import AppearanceChange
from vera.evaluation.metrics.attributes import AttributePreservation
from vera.evaluation.metrics.discrepancy import KernelDistance, MeanDiscrepancy
from vera.evaluation.metrics.frechet import FrechetDistance
from vera.evaluation.metrics.preservation import LpipsDistance, Preservation, Replacement
from vera.evaluation.metrics.utility import LandmarkUtility
from vera.faces.alignment import align, transform
from vera.features.efficientnet import EfficientNetLite0
from vera.features.pooled import Lite0Features
from vera.types import Matrix, Pixels, Points, VeraError

CROP = 256
"""DECISION: side of the aligned faces that distances of sets of images compare."""


class OfCrops(Measure):
    """Measure of aligned face crops, given to a metric's network in batches.

    Faces are cut out at the original's landmarks, so that a face that no detector finds any more is judged like any other.

    Args:
        metric: metric of sets of images (:class:`FrechetDistance`, :class:`KernelDistance`, :class:`MeanDiscrepancy`) or of pairs
            (:class:`LpipsDistance`).
        size: side of the crop in pixels.
        batch_size: images the network takes at once.
        device: device of the network, such as ``cpu`` or ``cuda``.

    """

    def __init__(
        self, metric: FrechetDistance | KernelDistance | MeanDiscrepancy | LpipsDistance, *, size: int, batch_size: int, device: str
    ) -> None:
        self.metric: Any = metric.to(device)
        self.name = str(metric.name)
        self.size, self.batch_size, self.device = size, batch_size, device
        self.of_pairs = isinstance(metric, LpipsDistance)
        self.reset()

    def reset(self) -> None:
        """Forget all photographs."""
        self.metric.reset()
        self._start()

    def next_method(self) -> bool:
        """Forget the anonymized photographs; the originals' features, which take as long, are kept."""
        if self.of_pairs:
            self.metric.reset()
        else:
            self.metric.forget_made()
        self._start()
        return True

    def original(self, original: Original) -> None:
        """Take a photograph of the set."""
        crop = None if self.of_pairs else original.crop(original.photograph, self.size)
        if crop is not None and getattr(self.metric, "reference", None) is None:
            self._wait("original", (crop,))

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        compared = (written.photograph, written.original.photograph) if self.of_pairs else (written.photograph,)
        crops = [written.original.crop(photograph, self.size) for photograph in compared]
        faces = tuple(crop for crop in crops if crop is not None)
        if not faces:
            self.without_face += 1
            return
        self.count += 1
        self._wait("written", faces)

    def result(self) -> dict[str, Any]:
        """``value``, what else the metric says, and how many images it rests on."""
        for side in self.waiting:
            self._flush(side)
        counts = {"images": ranks.total(self.count, self.device), "without_face": ranks.total(self.without_face, self.device)}
        if isinstance(self.metric, FrechetDistance):
            counts["dimensions"] = self.metric.features.dimension
        return {**computed(self.metric), **counts, "crop": self.size}

    def _start(self) -> None:
        self.waiting: dict[str, list[tuple[Tensor, ...]]] = {"original": [], "written": []}
        self.count = self.without_face = 0

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


class Preserved(Measure):
    """Measure whether the region that an anonymizer claims to preserve equals the source.

    Args:
        metric: agreement in the preserved region; with a network it also measures LPIPS.
        device: device that the network runs on.

    """

    name = "preservation"

    def __init__(self, metric: Preservation, *, device: str) -> None:
        self.metric: Any = metric.to(device)

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        self.metric.update(written.original.photograph.pixels, written.photograph.pixels, written.preserved)


class Replaced(Measure):
    """Measure which share of the face's pixels changed, where a face is found in the original.

    Args:
        metric: share of the face's pixels that changed.

    """

    name = "replacement"

    def __init__(self, metric: Replacement) -> None:
        self.metric: Any = metric

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        source = written.original
        if np.isfinite(source.seen.landmarks).all():
            self.metric.update(source.photograph.pixels, written.photograph.pixels, written.preserved, source.seen.landmarks)


class Looks(Measure):
    """Measure landmarks, colours and sharpness of the anonymized face, where a face is found in the original.

    Args:
        metric: differences between a face and its anonymized one.

    """

    name = "appearance"

    def __init__(self, metric: AppearanceChange) -> None:
        self.metric: Any = metric

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        source, marks = written.original, written.seen.landmarks
        if not np.isfinite(source.seen.landmarks).all():
            return
        found = marks if next(iter(written.seen.found.values()), False) else None  # landmarks are the first detector's
        self.metric.update(source.photograph.pixels, written.photograph.pixels, written.preserved, source.seen.landmarks, found)


class AttributesKept(Measure):
    """Measure how well pose, expression, age and gaze are kept, where a face is found before and after; other cases are counted.

    Args:
        metric: differences of pose, expression, age and gaze.
        age: estimates years from pixels and landmarks; without it age is not measured.
        gaze: finds the irises from pixels and landmarks; without it gaze is not measured.

    """

    name = "attributes"

    def __init__(
        self,
        metric: AttributePreservation,
        *,
        age: Callable[[Pixels, Points], float] | None = None,
        gaze: Callable[[Pixels, Points], Matrix] | None = None,
    ) -> None:
        self.metric: Any = metric
        self.age, self.gaze = age, gaze
        self.without_pose = 0

    def reset(self) -> None:
        """Forget all photographs."""
        self.metric.reset()
        self.without_pose = 0

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        before, after = written.original, written
        if not (all(list(one.seen.found.values())[:1] == [True] for one in (before, after))):  # landmarks are the first detector's
            return
        looked = [(one.photograph.pixels, one.seen.landmarks) for one in (before, after)]
        try:
            ages = None if self.age is None else tuple(self.age(*one) for one in looked)
            irises = None if self.gaze is None else tuple(self.gaze(*one) for one in looked)
            self.metric.update(looked[0][1], looked[1][1], size=before.photograph.size, ages=ages, irises=irises)
        except VeraError:  # one photograph's landmarks must not stop every resume
            self.without_pose += 1

    def result(self) -> dict[str, Any]:
        """Figures of :meth:`AttributePreservation.compute`, and the number of photographs without pose, expression or age."""
        return computed(self.metric) | {"without_pose": ranks.total(self.without_pose)}


class Useful(Measure):
    """Landmark error on real faces after learning from anonymized ones.

    Args:
        metric: landmark error of a learner that was trained on anonymized faces.
        size: side of the aligned faces in pixels.
        batch_size: pairs of them that the network takes at once.
        device: device of the network, such as ``cpu`` or ``cuda``.

    """

    name = "utility"

    def __init__(self, metric: LandmarkUtility, *, size: int, batch_size: int, device: str) -> None:
        self.metric: Any = metric.to(device)
        self.size, self.batch_size, self.device = size, batch_size, device
        self.reset()

    def reset(self) -> None:
        """Forget all photographs."""
        self.metric.reset()
        self.waiting: list[tuple[Tensor, Tensor, Tensor, str]] = []

    def written(self, written: Written) -> None:
        """Take an anonymized photograph whose original shows a face."""
        source = written.original
        if not np.isfinite(source.seen.landmarks).all():
            return
        face = align(source.photograph, source.seen.landmarks, self.size)
        marks = torch.from_numpy(transform(face.landmarks, face.from_photograph))
        crop = align(written.photograph, source.seen.landmarks, self.size).image
        self.waiting.append((crop, face.image, marks, source.person))
        if len(self.waiting) >= self.batch_size:
            self._flush()

    def result(self) -> dict[str, Any]:
        """Figures of :meth:`LandmarkUtility.compute`."""
        self._flush()
        return computed(self.metric)

    def _flush(self) -> None:
        if self.waiting:
            crops, faces, marks, people = zip(*self.waiting, strict=True)
            self.waiting = []
            self.metric.update(*(torch.stack(part).to(self.device) for part in (crops, faces, marks)), people)


def without_download(device: str, batch_size: int) -> list[Measure]:
    """Measures whose networks come with VerA.

    Args:
        device: device that networks run on, such as ``cpu`` or ``cuda``.
        batch_size: images that they take at once.

    """
    features = Lite0Features(side=224)
    sets: list[FrechetDistance | KernelDistance] = [FrechetDistance(features), KernelDistance(features, subsets=50, subset_size=10)]
    of_crops = [OfCrops(metric, size=CROP, batch_size=batch_size, device=device) for metric in sets]
    kept = Preserved(Preservation(), device=device)
    learner = LandmarkUtility(EfficientNetLite0(stages=(3,)), side=128)
    useful = Useful(learner, size=CROP, batch_size=batch_size, device=device)
    return [kept, Replaced(Replacement()), Looks(AppearanceChange()), AttributesKept(AttributePreservation()), useful, *of_crops]
