"""Downstream utility: what a learner learns from anonymized faces, fed to its metric in batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vera.evaluation.metrics.utility import LandmarkUtility
from vera.evaluation.protocol_measures import Original, Written, computed
from vera.faces.alignment import align, transform


class Useful:
    """Landmark error on real faces after learning from anonymized ones.

    Args:
        metric: see there.
        size: side of the aligned faces in pixels.
        batch_size: pairs of them that the network takes at once.
        device: where it runs.

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

    def original(self, original: Original) -> None:
        """Take a photograph of the set: nothing to learn from."""

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
        """See :meth:`LandmarkUtility.compute`."""
        self._flush()
        return computed(self.metric.compute)

    def _flush(self) -> None:
        if self.waiting:
            crops, faces, marks, people = zip(*self.waiting, strict=True)
            self.waiting = []
            self.metric.update(*(torch.stack(part).to(self.device) for part in (crops, faces, marks)), people)
