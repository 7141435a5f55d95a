"""SFace: a recogniser that is independent of dlib's, from OpenCV's model zoo."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vera.faces.alignment import resample
from vera.faces.calibration import DEFAULT_FAR, calibrated
from vera.faces.opencv_zoo import SFACE, zoo_session
from vera.faces.recognition import Embedding, check_landmarks, five_points, require_inside
from vera.types import Pixels, Points, VeraError

SIDE = 112
"""Side in pixels of the aligned face."""
TEMPLATE = np.array([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])
"""ArcFace's five points in the aligned face: left eye, right eye, nose tip, left and right corner of the mouth (as seen)."""


class SFaceRecogniser:
    """SFace's MobileFaceNet (Apache-2.0), 128-d, compared by ``1 - cos``; its five points are taken from the 68 landmarks.

    OpenCV's authors take two faces for one person from a cosine of 0.363 on (docs.opencv.org, *DNN-based Face Detection And
    Recognition*).

    Args:
        far: false-accept rate of :attr:`threshold`, see :func:`vera.faces.calibration.calibrated`.

    Raises:
        VeraError: when the weights are not installed, or for a rate that was not calibrated.

    """

    name = "sface-128"
    authors_threshold = 1 - 0.363

    def __init__(self, *, far: float = DEFAULT_FAR) -> None:
        found = calibrated(self.name, far)
        self.threshold, self.false_accept_rate, self.calibration = found.threshold, found.false_accept_rate, found.text
        self.refusal_threshold = max(self.threshold, self.authors_threshold)
        self._session = zoo_session(SFACE)

    def embed(self, pixels: Pixels, landmarks: Points) -> Embedding:
        """The face at these landmarks as a vector of length 1; see :meth:`vera.faces.recognition.Recogniser.embed`.

        Raises:
            VeraError: for landmarks that are not 68 finite points with some extent, or that lie outside the photograph.

        """
        points = five_points(check_landmarks(landmarks))
        require_inside(points, pixels)
        face = resample(pixels, template_similarity(points), SIDE)
        (embedding,) = self._session.run(None, {SFACE.input: np.ascontiguousarray(face.transpose(2, 0, 1))[None]})
        vector = np.asarray(embedding, dtype=np.float64).ravel()
        return vector / max(float(np.linalg.norm(vector)), 1e-12)

    def distance(self, a: Embedding, b: Embedding) -> float:
        """``1 - cos``: 0 for the same direction, about 0.9 for strangers, at most 2."""
        norms = float(np.linalg.norm(a) * np.linalg.norm(b))
        return 1.0 - float(np.dot(a, b)) / max(norms, 1e-12)


def template_similarity(points: Points) -> npt.NDArray[np.float64]:
    """Pixel coordinates of the aligned face to those of the photograph, by least squares over five points (Umeyama, 1991).

    Args:
        points: ``(5, 2)`` in the photograph, see :func:`vera.faces.recognition.five_points`.

    Returns:
        ``(2, 3)``: rotation, uniform scale and shift.

    Raises:
        VeraError: when the points fall into one.

    """
    centre, middle = points.mean(0), TEMPLATE.mean(0)
    (x, y), (u, v) = (points - centre).T, (TEMPLATE - middle).T
    spread = x @ x + y @ y
    if spread < 1e-6:
        raise VeraError("the landmarks' eyes, nose and mouth fall into one point: choose another face or photograph")
    cosine, sine = (x @ u + y @ v) / spread, (x @ v - y @ u) / spread  # of the way from the photograph to the template, times its scale
    forth = np.array([[cosine, -sine], [sine, cosine]])
    back = np.linalg.inv(forth)
    return np.column_stack([back, centre - back @ middle])
