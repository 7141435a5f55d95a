"""Judges of an evaluation: face detectors with recognisers, their observations of a photograph, and threshold calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vera.faces.detection import DetectedFace, Detector, DlibDetector
from vera.faces.insightface_backend import InsightFaceBackend
from vera.faces.recognition import Distance, DlibRecogniser, Embedding, Recogniser
from vera.faces.sface import SFaceRecogniser
from vera.faces.turns import overlap
from vera.types import Photograph, Points, VeraError

OVERLAP = 0.3
"""DECISION: least intersection over union (of the landmarks' bounding boxes) at which a find is the face that was at the place."""


@dataclass(frozen=True)
class Judge:
    """A face detector and a recogniser that judge photographs together.

    Attributes:
        detector: detector that finds faces; the first judge's landmarks are given to all recognisers.
        recogniser: recogniser that tells people apart.
        distance: scipy's name of the recogniser's distance, which is much faster for large galleries; None: the recogniser's own.

    """

    detector: Detector
    recogniser: Recogniser
    distance: str | None = None

    @property
    def measure(self) -> Distance:
        """The distance that metrics use: scipy's name where there is one, else the recogniser's function."""
        return self.distance or self.recogniser.distance


def dlib_judge() -> Judge:
    """The judge that needs no download: dlib's detector and recogniser."""
    return Judge(DlibDetector(), DlibRecogniser(), "euclidean")


def sface_judge() -> Judge:
    """A second judge that needs no download: dlib's detector and SFace."""
    return Judge(DlibDetector(), SFaceRecogniser(), "cosine")


def insightface_judge(pack: str, *, root: str, det_size: Sequence[int], device: str) -> Judge:
    """A pack of insightface models; see :class:`vera.faces.insightface_backend.InsightFaceBackend`."""
    backend = InsightFaceBackend(pack, root=root, det_size=(det_size[0], det_size[1]), device=device)
    return Judge(backend.detector, backend.recogniser, "cosine")


@dataclass(frozen=True)
class Calibration:
    """Error rates behind the recognisers' thresholds, measured on pairs of photographs.

    Attributes:
        source: description of the pairs of photographs; empty without a calibration.
        records: error rates by the recogniser's name, as of
            :meth:`~vera.evaluation.metrics.verification.VerificationCalibration.compute`, and those of its own threshold as ``own``.

    """

    source: str = ""
    records: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def thresholds(self, recogniser: Recogniser) -> dict[str, float]:
        """The recogniser's ``own``, and one for each false-accept rate that the pairs could show, as ``far_0.001``."""
        at = self.records.get(recogniser.name, {}).get("at", {})
        return {"own": recogniser.threshold} | {f"far_{rate}": one["threshold"] for rate, one in at.items() if one["threshold"] is not None}

    def stated(self, recogniser: Recogniser) -> dict[str, Any]:
        """The threshold's false-accept rate for the record: as the recogniser states it, and as measured on these pairs."""
        return {
            "threshold": recogniser.threshold,
            "said": {"false_accept_rate": recogniser.false_accept_rate, "calibration": recogniser.calibration},
            "pairs": self.source or None,
            "measured": self.records.get(recogniser.name),
        }


def observer(judges: Sequence[Judge]) -> Observer:
    """Combine the detectors and recognisers of all judges in one face backend.

    Raises:
        VeraError: no judge, or two of one name.

    """
    detectors = {judge.detector.name: judge.detector for judge in judges}
    return Observer(list(detectors.values()), [judge.recogniser for judge in judges])


@dataclass(frozen=True)
class Observation:
    """Detections, landmarks and embeddings of one photograph.

    Attributes:
        found: whether there is a face, by the detector's name, at the source's place where one was given.
        landmarks: ``(68, 2)`` in photograph pixels, where the recognisers looked; NaN if they could not.
        embeddings: vectors ``(D,)`` by the recogniser's name; empty if there was nowhere to look.

    """

    found: dict[str, bool]
    landmarks: Points
    embeddings: dict[str, Embedding]

    @property
    def usable(self) -> bool:
        """Whether there are embeddings."""
        return bool(self.embeddings)


class Observer:
    """Face backend of an evaluation: several detectors and recognisers behind one call.

    Args:
        detectors: one detector or more; the first one's landmarks are given to the recognisers.
        recognisers: recognisers of different names; may be empty.

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
        """Detect the face in one photograph and embed it.

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
    first, second = ((*points.min(0).tolist(), *points.max(0).tolist()) for points in (a, b))
    return overlap(first, second)
