"""Separability: how much of what is read does each attribute's code explain, and how much do the other codes?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vera.evaluation.metrics.collected import Collected, Matrix

RIDGE = 1.0
"""Added to every standardised code's sum of squares, in units of one face."""


class Separability(Collected):
    """R² of ridge regressions from each code to each number, on codes held out from the fit.

    DECISION: two folds, each fitted on the other; faces are dealt to them by their number, so that the processes do not matter.

    Args:
        codes: names of the codes.
        read: names of the numbers.

    """

    higher_is_better = True

    def __init__(self, codes: Sequence[str], read: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.codes, self.read = list(codes), list(read)
        self.add_column("number", torch.int64)
        self.add_column("values", torch.float64)
        for name in self.codes:
            self.add_column(f"code_{name}", torch.float64)

    def update(self, numbers: Sequence[int], codes: Mapping[str, Float[Tensor, "b _"]], values: Float[Tensor, "b v"]) -> None:
        """Add faces.

        Args:
            numbers: of the faces, no number twice.
            codes: by name.
            values: what was read.

        """
        self.append("number", list(numbers))
        self.append("values", values)
        for name in self.codes:
            self.append(f"code_{name}", codes[name])

    def compute(self) -> dict[str, dict[str, float]]:
        """R² by code and number; below zero where a code explains less than nothing."""
        order = np.argsort(self.column("number"))
        values = self.matrix("values", len(order))[order]
        table = {}
        for name in self.codes:
            scores = held_out(self.matrix(f"code_{name}", len(order))[order], values)
            table[name] = dict(zip(self.read, map(float, scores), strict=True))
        return table


def held_out(codes: Matrix, values: Matrix) -> Matrix:
    """R² of each column of ``values (N, V)``, predicted from ``codes (N, D)`` by a ridge fitted on the other half."""
    fold = np.arange(len(codes)) % 2 == 0
    off = np.empty_like(values)
    for fitted in (fold, ~fold):
        centre, mean = codes[fitted].mean(axis=0), values[fitted].mean(axis=0)
        x = (codes - centre) / (codes[fitted].std(axis=0) + 1e-12)
        inner = x[fitted].T @ x[fitted] + RIDGE * np.eye(x.shape[1])
        slope = np.linalg.solve(inner, x[fitted].T @ (values[fitted] - mean))
        off[~fitted] = (values - mean - x @ slope)[~fitted]
    return np.asarray(1 - np.square(off).sum(axis=0) / np.square(values - values.mean(axis=0)).sum(axis=0).clip(1e-12))
