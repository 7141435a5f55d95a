"""Measures from detectors and recognisers: detection, re-identification, paired consistency and diversity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vera.evaluation.judges import Calibration, Judge, Observation
from vera.evaluation.measures.base import Measure, Original, Written
from vera.evaluation.metrics.recognition import DetectionRate, Diversity, ReIdentification
from vera.evaluation.metrics.verification import PairedConsistency
from vera.types import Matrix


class Detected(Measure):
    """Detection rate of one detector: at the face's place after anonymization, anywhere before.

    Args:
        detector: name of the detector, as its judge gives it.
        groups: all labels that may come.

    """

    def __init__(self, detector: str, groups: Sequence[str]) -> None:
        self.detector, self.name = detector, f"detection/{detector}"
        self.before, self.after = DetectionRate(groups=groups), DetectionRate(groups=groups)

    def reset(self) -> None:
        """Forget all photographs."""
        self.before.reset()
        self.after.reset()

    def original(self, original: Original) -> None:
        """Take a photograph of the set."""
        self.before.update([original.seen.found[self.detector]], [original.person], [original.group])

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        self.after.update([written.seen.found[self.detector]], [written.original.person], [written.original.group])

    def result(self) -> dict[str, Any]:
        """Shares of the ``anonymized`` and of the ``originals``."""
        return {"anonymized": self.after.compute(), "originals": self.before.compute()}


class Recognised(Measure):
    """Re-identification, paired consistency and diversity by one recogniser.

    Args:
        judge: judge whose recogniser is used.
        calibration: calibration that gives the recogniser's thresholds.
        dimension: length of the recogniser's embeddings; a photograph without one takes part as NaN.
        groups: all labels that may come.

    """

    def __init__(self, judge: Judge, calibration: Calibration, *, dimension: int, groups: Sequence[str]) -> None:
        self.recogniser, self.calibration, self.dimension = judge.recogniser, calibration, dimension
        self.name = f"recognition/{judge.recogniser.name}"
        thresholds = calibration.thresholds(judge.recogniser)
        self.nearest = ReIdentification(judge.measure, thresholds=thresholds, groups=groups)
        self.others = ReIdentification(judge.measure, thresholds=thresholds, groups=groups, source_in_gallery=False)
        self.pairs = PairedConsistency(judge.measure)
        self.diversity = Diversity(judge.measure, threshold=judge.recogniser.threshold)

    def reset(self) -> None:
        """Forget all photographs."""
        for metric in (self.nearest, self.others, self.pairs, self.diversity):
            metric.reset()

    def original(self, original: Original) -> None:
        """Take a photograph of the set into the gallery."""
        for metric in (self.nearest, self.others):
            metric.add_gallery([self._vector(original.seen)], [original.person], [original.photograph.digest])

    def written(self, written: Written) -> None:
        """Take an anonymized photograph."""
        source, vector = written.original, self._vector(written.seen)
        for metric in (self.nearest, self.others):
            metric.update([vector], [source.person], [source.photograph.digest], [source.group])
        self.pairs.update([vector], [self._vector(source.seen)], [source.person])
        if written.other_seeds:
            self.diversity.update([vector, *(self._vector(one) for one in written.other_seeds)])

    def result(self) -> dict[str, Any]:
        """Figures against a gallery with the source in it (``nearest``) and without it (``others``), of pairs and of other seeds."""
        return {
            "nearest": self.nearest.compute(),
            "others": self.others.compute(),
            "pairs": self.pairs.compute(),
            "diversity": self.diversity.compute(),
            "thresholds": self.nearest.thresholds,
            "calibration": self.calibration.stated(self.recogniser),
        }

    def curves(self) -> dict[str, Matrix]:
        """Distances of outputs to their own person, and of pairs of the same person and of two, before and after; over all processes."""
        own = self.nearest.distances()
        found = {"source": own[np.isfinite(own)]}
        for side, (same, different) in self.pairs.distances().items():
            found |= {f"{side}_same": same, f"{side}_different": different}
        return found

    def _vector(self, seen: Observation) -> Matrix:
        return seen.embeddings.get(self.recogniser.name, np.full(self.dimension, np.nan))
