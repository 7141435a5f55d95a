"""The 68 landmarks of a face in iBUG's order: where its parts are, and what is measured by them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vera.types import Points, VeraError

COUNT = 68
BROWS, LEFT_EYE, RIGHT_EYE = slice(17, 27), slice(36, 42), slice(42, 48)
"""Rows of the parts; left and right as seen in the photograph."""
NOSE_BASE = 33
HAIRLINE = 0.85
"""DECISION: expected height of the hairline above the brows, in distances from brows to the base of the nose."""
FOREHEAD = 0.8
"""DECISION: height above the brows up to which the forehead surely belongs to the face, in the same unit."""
LEAST_VISIBLE = 0.005
"""DECISION: least area at which a class counts as visible, in squared eye distances."""


def eye_distance(landmarks: Points) -> float:
    """Distance between the centres of the eyes, the unit of lengths in a face.

    Args:
        landmarks: ``(68, 2)`` points (x, y).

    """
    return float(np.hypot(*(landmarks[RIGHT_EYE].mean(axis=0) - landmarks[LEFT_EYE].mean(axis=0))))


def scaled(polygon: Points, factor: float | npt.NDArray[np.float64], centre: Points | None = None) -> Points:
    """Scale a polygon about its centre (or another point).

    Args:
        polygon: ``(N, 2)`` points (x, y).
        factor: one for both directions, or one for each.
        centre: point ``(2,)`` that stays; None for the mean of the polygon's points.

    """
    middle = polygon.mean(axis=0) if centre is None else centre
    return np.asarray(middle + (polygon - middle) * factor)


def require_landmarks(landmarks: Points, purpose: str) -> Points:
    """The landmarks as float64, if there are 68 finite points.

    Args:
        landmarks: points (x, y), ``(68, 2)`` in iBUG order.
        purpose: subject and verb of the message, as ``pose and expression need``.

    Raises:
        VeraError: other than 68 points, or a number that is not finite.

    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (COUNT, 2) or not np.isfinite(points).all():
        raise VeraError(f"{purpose} 68 finite landmarks (x, y) in iBUG order: leave out photographs without a face")
    return points
