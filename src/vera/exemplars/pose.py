"""Head pose: a scaled orthographic camera that projects a mean 3D face onto the landmarks.

A frontal layout of features becomes the layout of a turned head by the same camera, so that an identity keeps its proportions in
photographs from several sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from vera.mosaic.points import INNER
from vera.types import Points

Floats = npt.NDArray[np.float64]

_JAW = [-1.15, -1.12, -1.05, -0.95, -0.75, -0.5, -0.22, 0.0, 0.08]
_BROW = [-0.28, -0.02, 0.12, 0.2, 0.25]
_EYE = [-0.18, 0.0, 0.02, -0.05, 0.0, -0.02]
_LIPS = [0.1, 0.27, 0.38, 0.4, 0.38, 0.27, 0.1, 0.26, 0.33, 0.35, 0.33, 0.26]
_OPENING = [0.13, 0.34, 0.36, 0.34, 0.13, 0.32, 0.33, 0.32]
_FOREHEAD = [-0.85, -0.55, -0.3, -0.12, -0.06, -0.12, -0.3, -0.55, -0.85]
DEPTH: Floats = np.array(
    [
        *(*_JAW, *_JAW[-2::-1]),
        *(*_BROW, *_BROW[::-1]),
        *(0.2, 0.36, 0.5, 0.63, 0.28, 0.37, 0.42, 0.37, 0.28),
        *(*_EYE, *(_EYE[i] for i in (3, 2, 1, 0, 5, 4))),
        *(*_LIPS, *_OPENING),
        *_FOREHEAD,
    ]
)
"""DECISION: ``(77,)`` depth of each point in eye distances, towards the camera, 0 at the eyes: round figures in the proportions of an
adult head (nose 40 mm before the eyes, ears 75 mm behind them, at 63 mm between the eyes)."""
_WEIGHT = np.array([*[0.25] * 17, *[0.6] * 10, *[1.0] * 9, *[1.0] * 12, *[0.3] * 20])
"""How much each landmark says about the pose: jaw and mouth move with the person and the expression."""
SLACK = 0.04
"""Residual in eye distances from which a landmark is thought to be the person's own shape (soft L1 loss)."""


@dataclass(frozen=True)
class Camera:
    """A scaled orthographic camera.

    Attributes:
        matrix: ``(2, 4)``: homogeneous points of the frontal face to points of the crop.
        yaw: degrees; positive when the face looks to the right side of the picture.
        pitch: degrees; positive when it looks down.
        roll: degrees; positive when the head is tilted clockwise in the picture.

    """

    matrix: Floats
    yaw: float
    pitch: float
    roll: float

    def place(self, points: Points) -> Points:
        """Frontal points ``(77, 2)`` as this camera shows them."""
        return np.asarray(_solid(points) @ self.matrix[:, :3].T + self.matrix[:, 3])


def fit_camera(frontal: Points, landmarks: Points) -> Camera:
    """The camera that shows a frontal face where the landmarks are.

    Args:
        frontal: ``(77, 2)`` mean face in units of the crop, with the photograph's expression.
        landmarks: ``(68, 2)`` of the photograph in units of the crop.

    """
    solid = _solid(frontal)[:68]
    unit = eye_distance(frontal)
    start = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0])

    def residuals(parameters: Floats) -> Floats:
        shown = solid @ _rows(parameters).T + parameters[4:6]
        return np.asarray(((shown - landmarks) / unit * _WEIGHT[:, None]).ravel())

    found = least_squares(residuals, start, loss="soft_l1", f_scale=SLACK, method="trf").x
    rotation = cv2.Rodrigues(found[:3].reshape(3, 1))[0]
    yaw = float(np.degrees(np.arctan2(rotation[0, 2], np.hypot(rotation[1, 2], rotation[2, 2]))))
    pitch = float(np.degrees(np.arctan2(rotation[1, 2], rotation[2, 2])))
    roll = float(np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0])))
    return Camera(np.column_stack([_rows(found), found[4:6]]), yaw, pitch, roll)


def eye_distance(points: Points) -> float:
    """Distance between the centres of the eyes, in the points' units."""
    return float(np.linalg.norm(points[42:48].mean(axis=0) - points[36:42].mean(axis=0)))


def _rows(parameters: Floats) -> Floats:
    """``(2, 3)``: the two rows of the scaled rotation."""
    return np.asarray(parameters[3] * cv2.Rodrigues(parameters[:3].reshape(3, 1))[0][:2])


def _solid(points: Points) -> Floats:
    """``(77, 3)``: frontal points with the mean depth; the origin stays the crop's corner."""
    return np.column_stack([points[:INNER], DEPTH * eye_distance(points)])
