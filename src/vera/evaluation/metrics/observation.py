"""What detectors and recognisers see in one photograph: made once, shared by every metric about people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vera.faces.detection import DetectedFace, Detector
from vera.faces.recognition import Embedding, Recogniser
from vera.types import Photograph, Points, VeraError

OVERLAP = 0.3
"""DECISION: least intersection over union (of the landmarks' bounding boxes) at which a find is the face that was at the place."""


@dataclass(frozen=True)
class Observation:
    """What was seen in one photograph.

    Attributes:
        found: for each detector: a face, at the source's place where one was given.
        landmarks: ``(68, 2)`` in photograph pixels, where the recognisers looked; NaN if they could not.
        embeddings: for each recogniser, ``(D,)``; empty if there was nowhere to look.

    """

    found: dict[str, bool]
    landmarks: Points
    embeddings: dict[str, Embedding]

    @property
    def usable(self) -> bool:
        """Whether there are embeddings."""
        return bool(self.embeddings)


class Observer:
    """Looks at photographs with several detectors and recognisers.

    Args:
        detectors: at least one; the first one's landmarks are given to the recognisers.
        recognisers: of different names, or none.

    Raises:
        VeraError: no detector, or two parts of one name.

    """

    def __init__(self, detectors: Sequence[Detector], recognisers: Sequence[Recogniser]) -> None:
        for kind, parts in (("detectors", detectors), ("recognisers", recognisers)):
            names = [part.name for part in parts]
            if len(set(names)) < len(names):
                raise VeraError(f"two {kind} have one name ({', '.join(names)}): their results could not be told apart")
        if not detectors:
            raise VeraError("looking at photographs needs at least one detector")
        self.detectors, self.recognisers = list(detectors), list(recognisers)

    def __call__(self, photograph: Photograph, *, place: Points | None = None) -> Observation:
        """Look at one photograph.

        Args:
            photograph: an original, or an anonymized one.
            place: the source's ``(68, 2)`` landmarks, for an anonymized photograph: only a face there counts as found, and where
                none is, the recognisers look there all the same, as somebody would who has the original's frame in mind.

        """
        chosen = [_chosen(detector.detect(photograph), place) for detector in self.detectors]
        landmarks = chosen[0].landmarks if chosen[0] is not None else place
        found = {detector.name: face is not None for detector, face in zip(self.detectors, chosen, strict=True)}
        if landmarks is None:
            return Observation(found, np.full((68, 2), np.nan), {})
        embeddings = {r.name: np.asarray(r.embed(photograph.pixels, landmarks), dtype=np.float64) for r in self.recognisers}
        return Observation(found, np.asarray(landmarks, dtype=np.float64), embeddings)


def _chosen(faces: Sequence[DetectedFace], place: Points | None) -> DetectedFace | None:
    """The largest face, or the one at the place."""
    if place is None or not faces:
        return faces[0] if faces else None
    best = max(faces, key=lambda face: _overlap(face.landmarks, place))
    return best if _overlap(best.landmarks, place) >= OVERLAP else None


def _overlap(a: Points, b: Points) -> float:
    """Intersection over union of two point sets' bounding boxes."""
    low, high = np.maximum(a.min(0), b.min(0)), np.minimum(a.max(0), b.max(0))
    shared = float(np.prod(np.maximum(high - low, 0)))
    areas = [float(np.prod(np.ptp(points, axis=0))) for points in (a, b)]
    return shared / max(sum(areas) - shared, 1e-9)
