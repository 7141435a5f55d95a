"""How well a distance tells pairs of the same person from pairs of different people: ROC, its area, and the equal error rate."""

from __future__ import annotations

import numpy as np
from scipy.integrate import trapezoid

from vera.evaluation.metrics.collected import Matrix


def separation(same: Matrix, different: Matrix) -> dict[str, float | None]:
    """``auc`` and ``eer`` (mean of both error rates where they are nearest); None without pairs on both sides.

    In double precision, which half a million pairs need.

    Args:
        same: ``(N,)`` distances of pairs of one person.
        different: ``(M,)`` distances of pairs of two people.

    """
    if not len(same) or not len(different):
        return {"auc": None, "eer": None}
    accepts, hits = roc(same, different)
    nearest = np.argmin(np.abs(accepts - (1 - hits)))
    return {"auc": float(trapezoid(hits, accepts)), "eer": float(accepts[nearest] + 1 - hits[nearest]) / 2}


def roc(same: Matrix, different: Matrix) -> tuple[Matrix, Matrix]:
    """False-accept and true-accept rates at every threshold, ascending from (0, 0) to (1, 1); empty without pairs on both sides."""
    if not len(same) or not len(different):
        return np.zeros(0), np.zeros(0)
    thresholds = np.unique(np.concatenate([same, different]))
    rates = [np.searchsorted(np.sort(side), thresholds, side="right") / len(side) for side in (different, same)]
    accepts, hits = (np.concatenate([[0.0], rate]) for rate in rates)
    return accepts, hits
