"""Recognising people: embeddings, their distance, and the threshold under which two photographs are taken for one person."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vera.faces.detection import crop_around, dlib_weights, load_dlib
from vera.types import Pixels, Points, VeraError

Embedding = npt.NDArray[np.float64]
"""``(D,)``."""

CHIP = 150
"""Side in pixels of the crop dlib's network takes."""
PADDING = 0.25
"""Border around the face in dlib's crop, as its network was trained."""
EXTENT = 240
"""DECISION: pixels to which the landmarks' extent is brought before dlib cuts its chip (about twice the chip's scale), so that a large
photograph is not searched at full size and landmarks rounded to whole pixels stay within a quarter of a chip pixel."""


class Recogniser(Protocol):
    """Tells whether two photographs show one person."""

    @property
    def name(self) -> str:
        """For the audit."""
        ...

    @property
    def threshold(self) -> float:
        """Distance below which two photographs are taken for the same person."""
        ...

    @property
    def false_accept_rate(self) -> float:
        """Share of pairs of different people below the threshold, see :attr:`calibration`; NaN when nobody measured it."""
        ...

    @property
    def calibration(self) -> str:
        """Where :attr:`false_accept_rate` comes from."""
        ...

    def embed(self, pixels: Pixels, landmarks: Points) -> Embedding:
        """The face at these landmarks as a vector.

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
    """dlib's 128-d ResNet (weights in the public domain, CC0), compared by Euclidean distance.

    No second detection: the face is taken from the landmarks. Its author gives 0.6 as the threshold
    (dlib.net/dnn_face_recognition_ex.cpp.html).

    Raises:
        VeraError: when dlib or its weights are not installed.

    """

    name = "dlib-resnet-128"
    threshold = 0.6
    false_accept_rate = 0.0055
    calibration = (
        "2731 of 497699 pairs of different people, 400 people of LFW, with dlib's detector: "
        "experiments/recogniser_calibration/run.py prints it again"
    )

    def __init__(self) -> None:
        self._dlib: Any = load_dlib()
        self._network: Any = self._dlib.face_recognition_model_v1(str(dlib_weights("dlib_face_recognition_resnet_model_v1.dat")))

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
        chip = self._dlib.get_face_chip(crop, shape, CHIP, PADDING)
        return np.array(self._network.compute_face_descriptor(chip), dtype=np.float64)

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
