"""Paired consistency: do the anonymized photographs of one person still show one person, and different people different ones?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vera.evaluation.metrics.collected import Collected, Distance, Matrix, check_rows, distances, keys
from vera.evaluation.metrics.separation import roc, separation

SIDES = ("anonymized", "originals")
Pairs = dict[str, tuple[Matrix, Matrix]]
"""For each of :data:`SIDES`, sorted distances of same-person pairs and of different people's pairs."""


class PairedConsistency(Collected):
    """AUC and EER of same-person pairs against different people, among anonymized photographs and among their originals.

    All pairs of two photographs on one side are taken (quadratic: a thousand photographs make half a million pairs). The same pairs
    are compared on both sides: a photograph without an embedding on either is left out of both, and counted.

    Args:
        distance: a recogniser's, or scipy's name for it.

    """

    higher_is_better = True

    def __init__(self, distance: Distance, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.distance = distance
        for side in SIDES:
            self.add_column(side, torch.float64)
        self.add_column("people", torch.int64)

    def update(self, anonymized: npt.ArrayLike, originals: npt.ArrayLike, people: Sequence[str]) -> None:
        """Add photographs: embeddings ``(N, D)`` after and before, and whose they are.

        Raises:
            VeraError: tables of different lengths.

        """
        for side, table in zip(SIDES, (check_rows(anonymized, people), check_rows(originals, people)), strict=True):
            self.append(side, table)
        self.append("people", keys(people))

    def compute(self) -> dict[str, Any]:
        """For each side ``auc``, ``eer``, the medians and the number of pairs; and the photographs left out."""
        sides, left_out = self._pairs()
        result: dict[str, Any] = {}
        for side, (same, different) in sides.items():
            medians = {"median_same": _median(same), "median_different": _median(different)}
            result[side] = {**separation(same, different), **medians, "pairs_same": len(same), "pairs_different": len(different)}
        return {**result, "left_out": left_out}

    def distances(self) -> Pairs:
        """The distances themselves, over all processes: for histograms."""
        with self.sync_context():
            return self._pairs()[0]

    def roc(self) -> Pairs:
        """For each side false-accept and true-accept rates, over all processes."""
        return {side: roc(same, different) for side, (same, different) in self.distances().items()}

    def _pairs(self) -> tuple[Pairs, int]:
        people = self.column("people")
        tables = {side: self.matrix(side, len(people)) for side in SIDES}
        seen = np.all([np.isfinite(table).all(axis=1) for table in tables.values()], axis=0)
        first, second = np.triu_indices(int(seen.sum()), 1)
        alike = people[seen][first] == people[seen][second]
        result: Pairs = {}
        for side, table in tables.items():
            values = distances(table[seen], table[seen], self.distance)[first, second]
            result[side] = (np.sort(values[alike]), np.sort(values[~alike]))
        return result, int((~seen).sum())


def _median(values: Matrix) -> float | None:
    return float(np.median(values)) if len(values) else None
