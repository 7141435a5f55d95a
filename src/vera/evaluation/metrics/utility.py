"""Downstream utility: does a model trained on anonymized faces do as well as one trained on real faces?

The task is to find 68 landmarks in a real face; the learner is ridge regression on a frozen network's features, solved in closed form, so
that a small set of photographs is enough and no result depends on the random start of a training run. It is a read-out, not a landmark
network: compare its three errors with each other, not with published landmark errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from vera.distributed import Collected, keys
from vera.types import Matrix, VeraError

GRID = 4
"""DECISION: features are averaged to this many cells a side: where things are matters, and rows stay short."""
FOLDS = 4
"""DECISION: one person in four, in the order of their names' digests, is held out for the test."""
STRENGTHS = 10.0 ** np.arange(-6, 3)
"""Regularisations tried, as shares of the features' mean variance; the one with the least leave-one-out error in training is taken."""


class LandmarkUtility(Collected):
    """Landmark error on real faces of held-out people, after learning from other people's anonymized faces, and from their real ones.

    Args:
        features: a frozen network from images in [-1, 1] to a list of feature maps, of which the last is read
            (:class:`vera.features.efficientnet.EfficientNetLite0`).
        side: images are brought to this side first.

    """

    higher_is_better = False

    def __init__(self, features: nn.Module, *, side: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features.eval().requires_grad_(False)
        self.side = side
        for name in ("anonymized", "originals", "landmarks"):
            self.add_column(name, torch.float64)
        self.add_column("people", torch.int64)

    @torch.no_grad()
    def update(
        self,
        anonymized: Float[Tensor, "b 3 s s"],
        originals: Float[Tensor, "b 3 s s"],
        landmarks: Float[Tensor, "b 68 2"],
        people: Sequence[str],
    ) -> None:
        """Add aligned faces before and after (one crop for both), the original's landmarks in aligned pixels, and whose they are.

        Raises:
            VeraError: not as many of each.

        """
        if not len(anonymized) == len(originals) == len(landmarks) == len(people):
            raise VeraError(f"{len(anonymized)} anonymized faces, {len(originals)} originals, {len(people)} people: give one of each")
        marks = (torch.as_tensor(landmarks).double() + 0.5) / originals.shape[-1]
        self.append("anonymized", self._rows(anonymized))
        self.append("originals", self._rows(originals))
        self.append("landmarks", marks)
        self.append("people", keys(people))

    def compute(self) -> dict[str, Any]:
        """Mean landmark errors in eye distances: ``learnt_from_anonymized``, ``learnt_from_real``, and of the ``mean_face`` for scale.

        Raises:
            VeraError: too few faces to learn from, or nobody to test on.

        """
        people = self.column("people")
        count = len(people)
        made, real, marks = (self.matrix(name, count) for name in ("anonymized", "originals", "landmarks"))
        held_out = np.unique(people, return_inverse=True)[1] % FOLDS == 0
        if (~held_out).sum() < 3 or not held_out.any():
            raise VeraError(f"utility needs three faces to learn from and one held out, there are {(~held_out).sum()} and {held_out.sum()}")
        order = np.lexsort((*marks.T[:3], people))  # sums do not depend on who came first
        order, test = order[~held_out[order]], order[held_out[order]]
        truth = marks[test]
        guesses = {
            "learnt_from_anonymized": Ridge(made[order], marks[order])(real[test]),
            "learnt_from_real": Ridge(real[order], marks[order])(real[test]),
            "mean_face": np.broadcast_to(marks[order].mean(axis=0), truth.shape),
        }
        errors = {name: _error(guess, truth) for name, guess in guesses.items()}
        return {**errors, "learnt_on": len(order), "tested_on": len(test)}

    def _rows(self, images: Tensor) -> Tensor:
        resized = F.interpolate(images.to(self.device), (self.side, self.side), mode="bilinear", align_corners=False, antialias=True)
        maps: Tensor = self.features(resized)[-1]
        return F.adaptive_avg_pool2d(maps, GRID).flatten(1)


class Ridge:
    """Ridge regression with intercept, in its dual form; the strength has the least leave-one-out error.

    Args:
        rows: predictors, ``(N, D)``, one row for each example.
        targets: values to predict, ``(N, T)``, one row for each example.

    """

    def __init__(self, rows: Matrix, targets: Matrix) -> None:
        self.centre, self.mean = rows.mean(axis=0), targets.mean(axis=0)
        centred, wanted = rows - self.centre, targets - self.mean
        values, vectors = np.linalg.eigh(centred @ centred.T)
        values = values.clip(min=0)
        turned = vectors.T @ wanted
        unit = max(float(values.mean()), 1e-12)
        errors, solutions = [], []
        for strength in STRENGTHS * unit:
            inverse = 1 / (values + strength)
            solution = vectors @ (inverse[:, None] * turned)
            # the intercept takes 1/N of each row's own influence, in addition to the smoother's diagonal
            own = 1 - strength * (vectors**2 @ inverse) + 1 / len(rows)
            errors.append(np.square(strength * solution / np.maximum(1 - own, 1e-9)[:, None]).mean())
            solutions.append(solution)
        self.strength = float(STRENGTHS[int(np.argmin(errors))] * unit)
        self.weights = centred.T @ solutions[int(np.argmin(errors))]

    def __call__(self, rows: Matrix) -> Matrix:
        """``(M, D)`` to ``(M, T)``."""
        return np.asarray((rows - self.centre) @ self.weights + self.mean)


def _error(guess: Matrix, truth: Matrix) -> float:
    """Mean distance between predicted and true points, in eye distances."""
    a, b = guess.reshape(-1, 68, 2), truth.reshape(-1, 68, 2)
    unit = np.linalg.norm(b[:, 42:48].mean(axis=1) - b[:, 36:42].mean(axis=1), axis=1)
    return float((np.linalg.norm(a - b, axis=2).mean(axis=1) / unit).mean())
