"""Attribute preservation: does the anonymized face look the same way, with the same expression and gaze, at the same age?"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from vera.distributed import Collected
from vera.faces.landmarks import require_landmarks
from vera.types import Matrix, Points, VeraError

GAZES = ("left_along", "left_across", "right_along", "right_across")
"""Positions of the irises, as :class:`vera.evaluation.metrics.gaze.IrisPosition` gives them: eyes as seen in the photograph."""


class AttributePreservation(Collected):
    """Differences of pose and expression, from landmarks, and of age and gaze where a network's estimates are given.

    The measure is only as steady as the landmarks: the same figures between two detections of untouched photographs are its noise.
    """

    higher_is_better = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("turn", "before", "after", "years", "iris_before", "iris_after"):
            self.add_column(name, torch.float64)

    def update(
        self,
        original: Points,
        anonymized: Points,
        *,
        size: tuple[int, int],
        ages: tuple[float, float] | None = None,
        irises: tuple[Matrix, Matrix] | None = None,
    ) -> None:
        """Add one photograph in which a face was found before and after.

        Args:
            original: ``(68, 2)`` landmarks before.
            anonymized: and after, in the same photograph's pixels.
            size: the photograph's ``(H, W)``.
            ages: estimates before and after, in years (:class:`vera.evaluation.metrics.age.OnnxAge`).
            irises: positions ``(2, 2)`` before and after (:class:`vera.evaluation.metrics.gaze.IrisPosition`).

        Raises:
            VeraError: landmarks that are not 68 finite points.

        """
        turn, before, after = angle_between(pose(original, size), pose(anonymized, size)), expression(original), expression(anonymized)
        self.append("turn", [turn])
        self.append("before", before)
        self.append("after", after)
        self.append("years", [abs(ages[1] - ages[0]) if ages is not None else np.nan])
        for name, places in zip(("iris_before", "iris_after"), irises or (np.full(len(GAZES), np.nan),) * 2, strict=True):
            self.append(name, np.ravel(places))

    def compute(self) -> dict[str, Any]:
        """``pose_degrees`` (mean and 95th percentile), each measure of the ``expression``, ``gaze``, ``age_years``, what is ``absent``.

        An expression measure has its mean absolute difference, in eye distances, and over the photographs the correlation of before
        and after (None where one of them does not vary). ``gaze`` has the same of the irises' positions along and across the eyes, both
        eyes together, in widths of the eye. What no network was given for is named in ``absent``, not left out silently.
        """
        turn = np.sort(self.column("turn"))
        years = np.sort(self.column("years"))
        years = years[np.isfinite(years)]
        before, after = (self.column(name).reshape(-1, len(MEASURES)) for name in ("before", "after"))
        irises = [self.column(name).reshape(-1, len(GAZES)) for name in ("iris_before", "iris_after")]
        seen = np.isfinite(irises).all(axis=(0, 2))
        gaze = {way: _agreement(*(side[seen][:, start::2].ravel() for side in irises)) for start, way in enumerate(("along", "across"))}
        absent = [name for name, count in (("gaze", int(seen.sum())), ("age", len(years))) if not count]
        return {
            "photographs": len(turn),
            "pose_degrees": float(turn.mean()) if len(turn) else None,
            "pose_degrees_p95": float(np.percentile(turn, 95)) if len(turn) else None,
            "expression": {name: _agreement(before[:, i], after[:, i]) for i, name in enumerate(MEASURES)},
            "gaze": gaze if seen.any() else None,
            "age_years": float(years.mean()) if len(years) else None,
            "absent": absent,
        }


def _agreement(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> dict[str, float | None]:
    if not len(before):
        return {"mean_difference": None, "correlation": None}
    varies = len(before) > 1 and min(np.ptp(before), np.ptp(after)) > 1e-9
    correlation = float(np.corrcoef(before, after)[0, 1]) if varies else None
    return {"mean_difference": float(np.abs(after - before).mean()), "correlation": correlation}


ANCHORS = (30, 8, 36, 45, 48, 54)
"""Tip of the nose, chin, outer corners of the eyes, corners of the mouth."""
HEAD = np.array(
    [[0, 0, 0], [0, 330, 65], [-225, -170, 135], [225, -170, 135], [-150, 150, 125], [150, 150, 125]],
    dtype=np.float64,
)
"""DECISION: a head's proportions at :data:`ANCHORS` (right, down, away from the camera), eyes' outer corners 450 apart. A face with
other proportions is off by a constant, which a comparison of two photographs of equal proportions does not see; a new identity's
proportions do enter."""
MEASURES = ("mouth_opening", "mouth_width", "mouth_corners", "left_eye_opening", "right_eye_opening", "left_brow", "right_brow")


def pose(landmarks: Points, size: tuple[int, int]) -> Points:
    """Rotation of the head to the camera, by perspective-n-point on six landmarks.

    Args:
        landmarks: ``(68, 2)`` in photograph pixels.
        size: the photograph's ``(H, W)``; its longer side is taken for the focal length (about 53 degrees of view).

    Returns:
        ``(3, 3)`` rotation matrix.

    Raises:
        VeraError: landmarks that are not 68 finite points, or from which no pose follows.

    """
    points = require_landmarks(landmarks, "pose and expression need")
    height, width = size
    camera = np.array([[max(size), 0, (width - 1) / 2], [0, max(size), (height - 1) / 2], [0, 0, 1]], dtype=np.float64)
    seen = np.ascontiguousarray(points[list(ANCHORS)])
    try:
        solved, turn, _ = cv2.solvePnP(HEAD, seen, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    except cv2.error as error:  # landmarks that fall into one point
        raise VeraError("no head pose follows from these landmarks: leave the photograph out") from error
    if not solved:
        raise VeraError("no head pose follows from these landmarks: leave the photograph out")
    return np.asarray(cv2.Rodrigues(turn)[0], dtype=np.float64)


def angle_between(a: Points, b: Points) -> float:
    """Degrees of the turn that takes one rotation to another, 0 to 180."""
    cosine = (float(np.trace(a.T @ b)) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def expression(landmarks: Points) -> Points:
    """Seven measures of an expression, in distances between the eyes' centres: :data:`MEASURES`.

    Openings are between lips and between lids; ``mouth_corners`` is how far the corners lie above the lips' middle (a smile); brows are
    measured from their eye's centre. All are taken in the head's own upright frame, its roll removed.

    Args:
        landmarks: landmarks of one face, ``(68, 2)`` in iBUG order.

    Returns:
        ``(7,)``.

    Raises:
        VeraError: landmarks that are not 68 finite points.

    """
    points = require_landmarks(landmarks, "pose and expression need")
    left, right = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    across = right - left
    unit = float(np.hypot(*across))
    if unit < 1e-6:
        raise VeraError("the landmarks' eyes fall into one point: leave the photograph out")
    x = across / unit
    upright = points @ np.column_stack([x, [-x[1], x[0]]]) / unit  # right, down
    eyes = [upright[36:42], upright[42:48]]
    opening = [float(eye[[4, 5], 1].mean() - eye[[1, 2], 1].mean()) for eye in eyes]
    brows = [float(eye[:, 1].mean() - upright[part, 1].mean()) for eye, part in zip(eyes, (slice(17, 22), slice(22, 27)), strict=True)]
    return np.array(
        [
            upright[65:68, 1].mean() - upright[61:64, 1].mean(),
            upright[54, 0] - upright[48, 0],
            upright[[51, 57], 1].mean() - upright[[48, 54], 1].mean(),
            *opening,
            *brows,
        ]
    )
