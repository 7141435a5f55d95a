"""Diversity: how different are the faces that one photograph is given under different seeds?"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vera.evaluation.metrics.collected import Collected, Distance, check_rows, distances
from vera.evaluation.metrics.shares import share
from vera.types import VeraError


class Diversity(Collected):
    """Mean recognition distance over the pairs of seeds of a photograph.

    Args:
        distance: a recogniser's, or scipy's name for it.
        threshold: the recogniser's: two faces nearer than this count as one and the same.

    """

    higher_is_better = True
    photographs: Tensor

    def __init__(self, distance: Distance, *, threshold: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.distance, self.threshold = distance, threshold
        self.add_column("between_seeds", torch.float64)
        self.add_state("photographs", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, embeddings: npt.ArrayLike) -> None:
        """Add one photograph: its embeddings ``(S, D)`` under S seeds; NaN rows (no embedding) are left out.

        Raises:
            VeraError: fewer than two seeds.

        """
        table = check_rows(embeddings)
        if len(table) < 2:
            raise VeraError("diversity compares the results of at least two seeds for each photograph")
        table = table[np.isfinite(table).all(axis=1)]
        self.append("between_seeds", distances(table, table, self.distance)[np.triu_indices(len(table), 1)])
        self.photographs = self.photographs + 1

    def compute(self) -> dict[str, Any]:
        """``mean_distance`` (None without pairs), the share of pairs ``below_threshold``, and the number of photographs."""
        values = np.sort(self.column("between_seeds"))  # sorted: a sum in another order has other last digits
        mean = float(values.mean()) if len(values) else None
        return {"mean_distance": mean, "below_threshold": share(values < self.threshold), "photographs": int(self.photographs)}
