"""Face recognition: embeddings, their distance, and the threshold below which two photographs show one person.

Each recogniser has two thresholds. Below ``threshold`` two photographs are taken for one person; it is calibrated at a
false-accept rate. At ``refusal_threshold`` or beyond an anonymized face counts as somebody else; it is the larger of the calibrated
threshold and the one that the recogniser's authors give. A lower false-accept rate makes the first smaller: right for saying "the same
person", but too easy for saying "another person". Between the two thresholds nothing is certain, so there an output is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vera.faces.calibration import DEFAULT_FAR, calibrated
from vera.faces.detection import crop_around, dlib_weights, load_dlib
from vera.faces.landmarks import LEFT_EYE, RIGHT_EYE
from vera.files import digest
from vera.types import Pixels, Points, VeraError

Embedding = npt.NDArray[np.float64]
"""``(D,)``."""
Distance = str | Callable[[Embedding, Embedding], float]
"""scipy's name of a distance (``euclidean``, ``cosine``: fast), or a recogniser's own."""

WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"
CHIP = 150
"""Side in pixels of the crop dlib's network takes."""
PADDING = 0.25
"""Border around the face in dlib's crop, as its network was trained."""
EXTENT = 240
"""DECISION: pixels to which the landmarks' extent is brought before dlib cuts its chip (about twice the chip's scale), so that a large
photograph is not searched at full size and landmarks rounded to whole pixels stay within a quarter of a chip pixel."""


class Recogniser(Protocol):
    """Protocol of face recognisers: embed faces and compare the embeddings with a threshold."""

    @property
    def name(self) -> str:
        """Name of the recogniser, for the audit."""
        ...

    @property
    def threshold(self) -> float:
        """Distance below which two photographs are taken for the same person."""
        ...

    @property
    def refusal_threshold(self) -> float:
        """Least distance of an anonymized face to its source, at least :attr:`threshold`."""
        ...

    @property
    def false_accept_rate(self) -> float:
        """Share of pairs of different people below the threshold, see :attr:`calibration`; NaN when nobody measured it."""
        ...

    @property
    def calibration(self) -> str:
        """Source of :attr:`false_accept_rate`: the photographs it was measured on."""
        ...

    def embed(self, pixels: Pixels, landmarks: Points) -> Embedding:
        """Embed the face at these landmarks as a vector.

        Args:
            pixels: ``(H, W, 3)`` uint8 RGB, any size.
            landmarks: ``(68, 2)`` in these pixels, iBUG order.

        Returns:
            ``(D,)`` float64.

        """
        ...

    def distance(self, a: Embedding, b: Embedding) -> float:
        """Distance of two embeddings, 0 for the same."""
        ...


class DlibRecogniser:
    """dlib's 128-d ResNet (weights in the public domain, CC0), computed by PyTorch and compared by Euclidean distance.

    No second detection: the face is taken from the landmarks. Its author takes two faces for one person below a distance of 0.6
    (dlib.net/dnn_face_recognition_ex.cpp.html).

    Args:
        far: false-accept rate of :attr:`threshold`, see :func:`vera.faces.calibration.calibrated`.

    Raises:
        VeraError: when dlib or its weights are not installed, or for a rate that was not calibrated.

    Examples:
        >>> from skimage import data
        >>> from vera.faces.detection import DlibDetector
        >>> from vera.faces.photograph import photograph_from_pixels
        >>> from vera.faces.recognition import DlibRecogniser
        >>> photograph = photograph_from_pixels(data.astronaut(), "astronaut")
        >>> (face,) = DlibDetector().as_given().detect(photograph)
        >>> recogniser = DlibRecogniser(far=0.001)
        >>> embedding = recogniser.embed(photograph.pixels, face.landmarks)
        >>> embedding.shape, recogniser.distance(embedding, embedding), round(recogniser.threshold, 3)
        ((128,), 0.0, 0.544)

    """

    name = "dlib-resnet-128"
    authors_threshold = 0.6

    def __init__(self, *, far: float = DEFAULT_FAR) -> None:
        found = calibrated(self.name, far)
        self.threshold, self.false_accept_rate, self.calibration = found.threshold, found.false_accept_rate, found.text
        self.refusal_threshold = max(self.threshold, self.authors_threshold)
        from vera.faces.dlib_resnet import DlibResNet  # takes seconds to import: PyTorch

        self._dlib: Any = load_dlib()
        self._network = DlibResNet(dlib_weights(WEIGHTS))

    @cached_property
    def digest(self) -> str | None:
        """SHA-256 of the weights: embeddings that are kept are compared with those of the same weights only."""
        return digest(dlib_weights(WEIGHTS))

    def embed(self, pixels: Pixels, landmarks: Points) -> Embedding:
        """The face at these landmarks as a vector; see :meth:`Recogniser.embed`.

        Raises:
            VeraError: for landmarks that are not 68 finite points with some extent, or that lie outside the photograph.

        """
        crop, points = face_crop(pixels, landmarks)
        placed = np.round(points).astype(int)
        parts = self._dlib.points([self._dlib.point(int(x), int(y)) for x, y in placed])
        (x0, y0), (x1, y1) = placed.min(0).tolist(), placed.max(0).tolist()
        shape = self._dlib.full_object_detection(self._dlib.rectangle(x0, y0, x1, y1), parts)
        return self._network.embed(self._dlib.get_face_chip(crop, shape, CHIP, PADDING))

    def distance(self, a: Embedding, b: Embedding) -> float:
        """Euclidean distance, 0 to about 1.4."""
        return float(np.linalg.norm(np.asarray(a) - np.asarray(b)))


def face_crop(pixels: Pixels, landmarks: Points) -> tuple[Pixels, Points]:
    """The surroundings of a face, resized so that its landmarks span :data:`EXTENT` pixels, and the landmarks there.

    Raises:
        VeraError: for landmarks that are not 68 finite points with some extent, or that lie outside the photograph.

    """
    points = check_landmarks(landmarks)
    low, high = points.min(0), points.max(0)
    extent = float((high - low).max())
    crop, scale, origin = crop_around(pixels, (low + high) / 2, 2.6 * extent, EXTENT / extent)
    return crop, (points - origin + 0.5) * scale - 0.5


def check_landmarks(landmarks: Points) -> Points:
    """The landmarks as float64.

    Raises:
        VeraError: when they are not 68 finite points with some extent.

    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (68, 2) or not np.isfinite(points).all() or np.ptp(points, axis=0).max() < 1:
        raise VeraError("recognition needs 68 finite landmarks (x, y) in iBUG order: take a detector that gives them")
    return points


def require_inside(points: Points, pixels: Pixels) -> None:
    """Raise a VeraError when none of these points ``(N, 2)`` lies in the photograph ``(H, W, 3)``."""
    height, width = pixels.shape[:2]
    if not ((points >= -0.5) & (points <= np.array([width, height]) - 0.5)).all(axis=1).any():
        raise VeraError("the face lies outside the photograph: give landmarks in this photograph's pixels")


def five_points(landmarks: Points) -> Points:
    """``(5, 2)``: left eye, right eye, nose tip, left and right corner of the mouth (as seen), from ``(68, 2)``."""
    return np.stack([landmarks[LEFT_EYE].mean(0), landmarks[RIGHT_EYE].mean(0), landmarks[30], landmarks[48], landmarks[54]])
