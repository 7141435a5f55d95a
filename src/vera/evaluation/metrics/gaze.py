"""Position of the irises between the corners of the eyes, by a network given as a TFLite file.

It is a measure in the picture, not an angle of gaze: where the iris lies in the eye's opening says where somebody looks as long as the
head's pose is kept, which is measured beside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vera.faces.landmarks import require_landmarks
from vera.types import Matrix, Pixels, Points, VeraError

CORNERS = ((36, 39), (42, 45))
"""Landmarks of each eye's corners, from left to right in the photograph."""
SIDE, WIDTH = 64, 2.3
"""Input of MediaPipe's iris network: its side in pixels, and in widths of the eye (``iris_landmark_landmarks_to_roi``)."""
POINTS = 5
"""The iris's points that it gives, the centre first."""


class IrisPosition:
    """MediaPipe's iris network (Apache-2.0; Vakunov and Grishchenko, 2020) as ``iris_landmark.tflite``.

    Args:
        path: path of the TFLite file; the wheel of ``mediapipe`` 0.10.21 carries one in ``mediapipe/modules/iris_landmark``.

    Raises:
        VeraError: no such file, or another network.

    """

    name = "mediapipe-iris"

    def __init__(self, path: str | Path) -> None:
        if not Path(path).is_file():
            where = "the wheel of mediapipe 0.10.21 carries it in mediapipe/modules/iris_landmark (unzip it, nothing has to be installed)"
            raise VeraError(f"no iris network at '{path}': give iris_landmark.tflite; {where}")
        try:
            self._network: Any = cv2.dnn.readNetFromTFLite(str(path))
            found = self._forward(np.zeros((SIDE, SIDE, 3), np.uint8))
        except cv2.error as error:
            raise VeraError(f"'{path}' cannot be loaded as a TFLite model ({error.err}): unpack it again") from error
        if found.size != 3 * POINTS:
            raise VeraError(f"'{path}' gives {found.size} numbers, not {POINTS} points: it is not MediaPipe's iris network")

    def __call__(self, pixels: Pixels, landmarks: Points) -> Matrix:
        """Positions of both irises, ``(2, 2)``: of the left and the right eye in the photograph, along and across the line of its corners.

        In widths of the eye, from the middle between its corners: 0 is the middle, -0.5 and 0.5 are the corners (left, right).

        Args:
            pixels: ``(H, W, 3)`` uint8 RGB.
            landmarks: ``(68, 2)`` in these pixels.

        Raises:
            VeraError: landmarks that are not 68 finite points, or an eye whose corners fall into one point.

        """
        points = require_landmarks(landmarks, "the position of the irises needs")
        return np.stack([self._eye(pixels, points[list(pair)], mirrored=number == 1) for number, pair in enumerate(CORNERS)])

    def _eye(self, pixels: Pixels, corners: Points, *, mirrored: bool) -> Matrix:
        """One eye's iris; the network knows left eyes, a right one is shown to it as in a mirror."""
        across = corners[1] - corners[0]
        width = float(np.hypot(*across))
        if width < 1e-6:
            raise VeraError("the corners of an eye fall into one point: leave the photograph out")
        x = across / width
        turn = np.array([x, [-x[1], x[0]]])
        scale = SIDE / (WIDTH * width)
        shift = (SIDE - 1) / 2 - scale * turn @ corners.mean(axis=0)
        place = np.column_stack([scale * turn, shift])
        crop: Pixels = np.asarray(
            cv2.warpAffine(pixels, place, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE), np.uint8
        )
        iris = self._forward(np.ascontiguousarray(crop[:, ::-1]) if mirrored else crop).reshape(POINTS, 3)[0, :2]
        off = (iris - SIDE / 2) / (scale * width)
        return np.asarray([-off[0] if mirrored else off[0], off[1]], dtype=np.float64)

    def _forward(self, crop: Pixels) -> Matrix:
        self._network.setInput(cv2.dnn.blobFromImage(crop, 1 / 255))
        return np.asarray(self._network.forward("output_iris"), dtype=np.float64)
