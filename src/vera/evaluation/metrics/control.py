"""Control: is a face what was asked for?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor

from vera.evaluation.metrics.collected import Collected


class AttributeControl(Collected):
    """Asked against measured values of one quantity: rank correlation and error."""

    higher_is_better = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_column("asked", torch.float64)
        self.add_column("measured", torch.float64)

    def update(self, asked: Tensor, measured: Tensor) -> None:
        """Add faces.

        Args:
            asked: ``(B,)``, any unit.
            measured: ``(B,)``; the error only means something in the same unit.

        """
        self.append("asked", asked)
        self.append("measured", measured)

    def compute(self) -> dict[str, Any]:
        """``faces``, ``rank_correlation`` (Spearman's, None where one of both does not vary), ``mean_error`` (absolute)."""
        asked, measured = self.column("asked"), self.column("measured")
        if not len(asked):
            return {"faces": 0, "rank_correlation": None, "mean_error": None}
        varies = len(asked) > 1 and min(np.ptp(asked), np.ptp(measured)) > 0
        correlation = float(spearmanr(asked, measured)[0]) if varies else None
        return {"faces": len(asked), "rank_correlation": correlation, "mean_error": float(np.abs(measured - asked).mean())}
