"""Replacement: how much of the face is no longer the photograph's?"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch

from vera.evaluation.metrics.collected import Collected
from vera.types import Mask, Pixels, Points


class Replacement(Collected):
    """Share of the face's pixels that differ from the original's: in the hull of the landmarks, outside the preserved region.

    Equal pixels need not be left ones (a white cheek may stay white), so that a share just under 1 is no leak; a low one is.
    """

    higher_is_better = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_column("changed", torch.float64)

    def update(self, original: Pixels, anonymized: Pixels, preserved: Mask, landmarks: Points) -> None:
        """Add one photograph.

        Args:
            original: ``(H, W, 3)``.
            anonymized: the same size.
            preserved: ``(H, W)``, what is to be equal.
            landmarks: ``(68, 2)`` of the original's face, in its pixels.

        """
        hull = np.zeros(preserved.shape, dtype=np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(np.round(landmarks).astype(np.int32)), 1)
        inside = hull.astype(bool) & ~preserved
        if inside.any():
            self.append("changed", [(original[inside] != anonymized[inside]).any(axis=1).mean()])

    def compute(self) -> dict[str, Any]:
        """``mean`` and ``least`` share over photographs (None without any), and how many there are."""
        values = np.sort(self.column("changed"))
        some = len(values) > 0
        return {
            "mean_share": float(values.mean()) if some else None,
            "least": float(values[0]) if some else None,
            "photographs": len(values),
        }
