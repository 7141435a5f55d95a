"""Disentanglement: what else moves when one attribute's code moves?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vera.evaluation.metrics.collected import Collected
from vera.types import VeraError


class Disentanglement(Collected):
    """Matrix of changes: rows are the codes that were redrawn, columns what was read; a change of 1 is that of redrawing everything.

    Args:
        moved: names of what is redrawn; the last one stands for everything together, and is the unit.
        read: names of the numbers.

    """

    higher_is_better = False

    def __init__(self, moved: Sequence[str], read: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.moved, self.read = list(moved), list(read)
        self.add_column("row", torch.int64)
        self.add_column("change", torch.float64)

    def update(self, moved: str, change: Float[Tensor, "b v"]) -> None:
        """Add faces.

        Args:
            moved: what was redrawn.
            change: how far each number moved, absolute.

        Raises:
            VeraError: an unknown name, or another number of columns.

        """
        if moved not in self.moved or change.shape[1] != len(self.read):
            raise VeraError(f"disentanglement of {self.moved} by {len(self.read)} numbers: got '{moved}' with {change.shape[1]}")
        self.append("row", [self.moved.index(moved)] * len(change))
        self.append("change", change.abs())

    def compute(self) -> dict[str, dict[str, float | None]]:
        """Mean change by row and column, over that of the last row; None without faces."""
        rows = self.column("row")
        table = self.matrix("change", len(rows)) if len(rows) else np.zeros((0, len(self.read)))
        means = [table[rows == number].mean(axis=0) if (rows == number).any() else None for number in range(len(self.moved))]
        unit = means[-1]
        return {
            name: {
                column: None if mean is None or unit is None or not unit[j] else float(mean[j] / unit[j])
                for j, column in enumerate(self.read)
            }
            for name, mean in zip(self.moved, means, strict=True)
        }
