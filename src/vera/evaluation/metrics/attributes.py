"""Attribute preservation: does the anonymized face look the same way, with the same expression, at the same age?"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vera.evaluation.metrics.collected import Collected
from vera.evaluation.metrics.expression import MEASURES, angle_between, expression, pose
from vera.types import Points

ABSENT = ("gaze",)
"""Attributes of the field's tables for which no backend exists here: named in every result, not left out silently."""


class AttributePreservation(Collected):
    """Differences of pose and expression, from landmarks, and of age where a network's estimates are given.

    The measure is only as steady as the landmarks: the same figures between two detections of untouched photographs are its noise.
    """

    higher_is_better = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("turn", "before", "after", "years"):
            self.add_column(name, torch.float64)

    def update(self, original: Points, anonymized: Points, *, size: tuple[int, int], ages: tuple[float, float] | None = None) -> None:
        """Add one photograph in which a face was found before and after.

        Args:
            original: ``(68, 2)`` landmarks before.
            anonymized: and after, in the same photograph's pixels.
            size: the photograph's ``(H, W)``.
            ages: estimates before and after, in years (:class:`vera.evaluation.metrics.age.OnnxAge`).

        Raises:
            VeraError: landmarks that are not 68 finite points.

        """
        turn, before, after = angle_between(pose(original, size), pose(anonymized, size)), expression(original), expression(anonymized)
        self.append("turn", [turn])
        self.append("before", before)
        self.append("after", after)
        self.append("years", [abs(ages[1] - ages[0]) if ages is not None else np.nan])

    def compute(self) -> dict[str, Any]:
        """``pose_degrees`` (mean and 95th percentile), each measure of the ``expression``, ``age_years``, what is ``absent``.

        An expression measure has its mean absolute difference, in eye distances, and over the photographs the correlation of before
        and after (None where one of them does not vary).
        """
        turn = np.sort(self.column("turn"))
        years = np.sort(self.column("years"))
        years = years[np.isfinite(years)]
        before, after = (self.column(name).reshape(-1, len(MEASURES)) for name in ("before", "after"))
        absent = [*ABSENT, *([] if len(years) else ["age"])]
        return {
            "photographs": len(turn),
            "pose_degrees": float(turn.mean()) if len(turn) else None,
            "pose_degrees_p95": float(np.percentile(turn, 95)) if len(turn) else None,
            "expression": {name: _agreement(before[:, i], after[:, i]) for i, name in enumerate(MEASURES)},
            "age_years": float(years.mean()) if len(years) else None,
            "absent": absent,
        }


def _agreement(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64]) -> dict[str, float | None]:
    if not len(before):
        return {"mean_difference": None, "correlation": None}
    varies = len(before) > 1 and min(np.ptp(before), np.ptp(after)) > 1e-9
    correlation = float(np.corrcoef(before, after)[0, 1]) if varies else None
    return {"mean_difference": float(np.abs(after - before).mean()), "correlation": correlation}
