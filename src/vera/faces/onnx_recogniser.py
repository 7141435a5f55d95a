"""Recognise faces with an ONNX network in the manner of ArcFace."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

import numpy as np

from vera.faces.alignment import resample
from vera.faces.insightface_backend import COSINE_THRESHOLD
from vera.faces.recognition import Embedding, check_landmarks, five_points, require_inside
from vera.faces.sface import SIDE, template_similarity
from vera.types import Pixels, Points, VeraError
from vera.untrusted import read_bytes

LARGEST = 2 << 30
"""DECISION: bytes of a network; protobuf, which ONNX files are written in, knows no larger ones."""


class OnnxRecogniser:
    """Runs a network whose first output is an embedding ``(1, D)`` of an RGB image ``(1, 3, 112, 112)`` in [-1, 1], aligned as ArcFace's.

    Embeddings are compared by ``1 - cos``. The threshold is the one that is used for insightface's packs; nobody calibrated it.

    Args:
        path: path of the ONNX file.

    Raises:
        VeraError: for a missing or unfit file, or without onnxruntime.

    """

    threshold = refusal_threshold = COSINE_THRESHOLD
    false_accept_rate = float("nan")
    calibration = "not measured by this project"

    def __init__(self, path: str | Path) -> None:
        data = read_bytes(path, limit=LARGEST, what=f"the recogniser '{path}'")
        self.name = f"{Path(path).stem}-{hashlib.sha256(data).hexdigest()[:12]}"
        try:
            onnxruntime: Any = importlib.import_module("onnxruntime")
        except ImportError as error:
            raise VeraError(f"onnxruntime cannot be imported ({error}): run `pip install onnxruntime`") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # the numbers must not depend on the number of threads
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            width = len(self._run(np.zeros((SIDE, SIDE, 3), dtype=np.float32)))
        except Exception as error:  # onnxruntime has many errors of its own, without a common base
            raise VeraError(
                f"'{path}' is no recogniser that can be run ({error}): give an ONNX network in the manner of ArcFace"
            ) from error
        if width < 16:
            raise VeraError(f"'{path}' gives {width} numbers for a face, too few for a recogniser: give one in the manner of ArcFace")

    def embed(self, pixels: Pixels, landmarks: Points) -> Embedding:
        """The face at these landmarks as a vector of length 1; see :meth:`vera.faces.recognition.Recogniser.embed`.

        Raises:
            VeraError: for landmarks that are not 68 finite points with some extent, or that lie outside the photograph.

        """
        points = five_points(check_landmarks(landmarks))
        require_inside(points, pixels)
        vector = self._run(resample(pixels, template_similarity(points), SIDE) / 127.5 - 1)
        return vector / max(float(np.linalg.norm(vector)), 1e-12)

    def distance(self, a: Embedding, b: Embedding) -> float:
        """``1 - cos``: 0 for the same direction, 1 for unrelated faces, at most 2."""
        norms = float(np.linalg.norm(a) * np.linalg.norm(b))
        return 1.0 - float(np.dot(a, b)) / max(norms, 1e-12)

    def _run(self, face: Any) -> Embedding:
        (given,) = self._session.get_inputs()
        image = np.ascontiguousarray(face.transpose(2, 0, 1), dtype=np.float32)[None]
        return np.asarray(self._session.run(None, {given.name: image})[0], dtype=np.float64).ravel()
