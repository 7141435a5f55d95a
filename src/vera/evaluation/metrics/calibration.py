"""What a recogniser's threshold stands for: false-accept rates from pairs of photographs, and thresholds for wanted rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import binom

from vera.evaluation.metrics.collected import Collected, Matrix
from vera.evaluation.metrics.separation import separation
from vera.evaluation.metrics.shares import Share, share
from vera.types import VeraError


class VerificationCalibration(Collected):
    """Error rates over pairs of the same person and of different people (a pairs list such as LFW's).

    Two photographs are taken for one person when their distance is *under* the threshold. Pairs with NaN (no face found in one of
    them) are counted and left out.

    Args:
        false_accept_rates: wanted; a threshold is given for each that the number of pairs can show (one expected accept at least).

    """

    def __init__(self, *, false_accept_rates: Sequence[float] = (1e-2, 1e-3), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.false_accept_rates = tuple(false_accept_rates)
        self.add_column("pair_distances", torch.float64)
        self.add_column("pair_same", torch.bool)

    def update(self, distances: npt.ArrayLike, same: npt.ArrayLike) -> None:
        """Add pairs: their ``(N,)`` distances, and whether they show one person.

        Raises:
            VeraError: not one answer for each distance.

        """
        values, answers = np.asarray(distances, dtype=np.float64).ravel(), np.asarray(same, dtype=bool).ravel()
        if len(values) != len(answers):
            raise VeraError(f"{len(values)} distances and {len(answers)} answers: give one for each pair")
        self.append("pair_distances", values)
        self.append("pair_same", answers)

    def compute(self) -> dict[str, Any]:
        """Thresholds ``at`` each wanted rate with their 95 % intervals, AUC, EER and counts."""
        same, different = self._sides()
        return {
            "pairs_same": len(same),
            "pairs_different": len(different),
            "pairs_without_face": int(np.isnan(self.column("pair_distances")).sum()),
            **separation(same, different),
            "at": {f"{rate:g}": self._at(rate, same, different) for rate in self.false_accept_rates},
        }

    def judge(self, threshold: float) -> dict[str, Share]:
        """False-accept and true-accept rate of a given threshold, over all processes; the interval is Clopper and Pearson's."""
        with self.sync_context():
            same, different = self._sides()
        return _rates(threshold, same, different)

    def _sides(self) -> tuple[Matrix, Matrix]:
        values, same = self.column("pair_distances"), self.column("pair_same").astype(bool)
        seen = np.isfinite(values)
        return np.sort(values[seen & same]), np.sort(values[seen & ~same])

    def _at(self, rate: float, same: Matrix, different: Matrix) -> dict[str, Any]:
        threshold, low, high = threshold_at(different, rate)
        if threshold is None:
            return {"threshold": None, "threshold_low": None, "threshold_high": None, "false_accept_rate": None, "true_accept_rate": None}
        return {"threshold": threshold, "threshold_low": low, "threshold_high": high, **_rates(threshold, same, different)}


def threshold_at(different: Matrix, rate: float) -> tuple[float, float, float] | tuple[None, None, None]:
    """The largest threshold whose false-accept rate does not exceed a wanted one, and its 95 % interval from order statistics.

    Args:
        different: ``(N,)`` sorted distances of different people.
        rate: wanted, in (0, 1).

    Returns:
        Threshold and the interval's ends; three None where N pairs cannot show the rate (fewer than one accept expected).

    """
    count = len(different)
    allowed = int(np.floor(rate * count + 1e-9))
    if not 1 <= allowed < count:
        return None, None, None
    low, high = (int(binom.ppf(q, count, rate)) for q in (0.025, 0.975))
    return float(different[allowed]), float(different[max(low - 1, 0)]), float(different[min(high, count - 1)])


def _rates(threshold: float, same: Matrix, different: Matrix) -> dict[str, Share]:
    return {
        "false_accept_rate": share(different < threshold, exact=True),
        "true_accept_rate": share(same < threshold, exact=True),
    }
