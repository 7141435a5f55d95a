"""Verification figures with confidence intervals over people: pairs that share a person are not independent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.integrate import trapezoid
from scipy.stats import t

from vera.evaluation.metrics.base import LEAST_PEOPLE, LEVEL, Whole, wilson
from vera.types import Matrix

REPLICATES, SEED = 400, 2020
"""DECISION: bootstrap replicates, which give a standard error to 4 %, and the seed that they are drawn with."""
MOST = 200_000
"""DECISION: of more pairs of two people every n-th is taken, in an order that does not look at distances, to bound the time."""
RATES = (1e-2, 1e-3)
"""False-accept rates at which true-accept rates are given."""


class Pairs(NamedTuple):
    """Distances of pairs of photographs, ``(N,)``, with the people of both; a pair of one person has the same number twice."""

    values: Matrix
    first: Whole
    second: Whole

    def split(self) -> tuple[Matrix, Matrix]:
        """Sorted distances of the pairs of one person, and of those of two."""
        same = self.first == self.second
        return np.sort(self.values[same]), np.sort(self.values[~same])


def verification(pairs: Pairs, *, rates: Sequence[float] = RATES, replicates: int = REPLICATES) -> dict[str, Any]:
    """AUC, equal error rate and true-accept rates, each with a 95 % interval from a bootstrap over people.

    A replicate draws as many people as there are, with replacement; a pair of two people counts as often as the product of their draws
    (the bootstrap of a two-sample U statistic over its clusters). The interval is Student's on the logit scale; of a figure that is 0 or
    1, or the same in every replicate, it is Wilson's for the number of people. How
    often it covers the truth is simulated in ``tests/unit/evaluation/test_evaluation_over_people.py``.

    Source: Field and Welsh (2007) on bootstrapping clustered data; Fawcett (2006) on the curve's area.

    Args:
        pairs: distances of pairs of one person and of two; order does not matter.
        rates: false-accept rates at which the true-accept rate is given; None for those that the pairs of two people cannot show.
        replicates: number of bootstrap replicates.

    Returns:
        ``auc``, ``eer`` and ``tar`` (by rate), each ``{"value", "low", "high"}`` or None; and numbers of pairs and people.

    """
    values, first, second = _thinned(pairs)
    order = np.lexsort((second, first, values))
    values, first, second = values[order], first[order], second[order]
    same = first == second
    known, both = np.unique(np.concatenate([first, second]), return_inverse=True)
    first, second = both[: len(values)], both[len(values) :]
    counts = {"pairs_same": int(same.sum()), "pairs_different": int((~same).sum()), "people": len(known)}
    if not counts["pairs_same"] or not counts["pairs_different"]:
        return {"auc": None, "eer": None, "tar": {f"{rate:g}": None for rate in rates}, **counts}
    shown = [rate for rate in rates if rate * counts["pairs_different"] >= 1 - 1e-9]
    ends = np.flatnonzero(np.append(np.diff(values) > 0, True))  # equal distances are one threshold
    found = _rates_of(np.ones(len(values)), same, ends, shown)
    random, drawn = np.random.default_rng(SEED), []
    for _ in range(replicates if len(known) >= LEAST_PEOPLE else 0):
        weight = random.multinomial(len(known), np.full(len(known), 1 / len(known))).astype(np.float64)
        weights = weight[first] * np.where(same, 1.0, weight[second])
        if weights[same].any() and weights[~same].any():
            drawn.append(_rates_of(weights, same, ends, shown))
    spread = np.asarray(drawn).reshape(-1, len(found))
    figures = [_with_interval(value, spread[:, place], len(known)) for place, value in enumerate(found)]
    rated = {f"{rate:g}": figure for rate, figure in zip(shown, figures[2:], strict=True)}
    return {"auc": figures[0], "eer": figures[1], "tar": {f"{rate:g}": rated.get(f"{rate:g}") for rate in rates}, **counts}


def _thinned(pairs: Pairs) -> Pairs:
    different = np.flatnonzero(pairs.first != pairs.second)
    step = -(-len(different) // MOST)
    if step <= 1:
        return pairs
    order = np.lexsort((pairs.values[different], pairs.second[different], pairs.first[different]))
    kept = np.concatenate([np.flatnonzero(pairs.first == pairs.second), different[order[::step]]])
    return Pairs(*(part[kept] for part in pairs))


def _rates_of(weights: Matrix, same: npt.NDArray[np.bool_], ends: Whole, rates: Sequence[float]) -> list[float]:
    """AUC, EER and true-accept rates of weighted pairs in ascending order of their distances."""
    accepts, hits = (np.append(0.0, np.cumsum(np.where(side, weights, 0.0))[ends]) for side in (~same, same))
    accepts, hits = accepts / accepts[-1], hits / hits[-1]
    nearest = int(np.argmin(np.abs(accepts - (1 - hits))))
    at = [hits[np.searchsorted(accepts, rate * (1 + 1e-9), side="right") - 1] for rate in rates]
    return [float(trapezoid(hits, accepts)), float(accepts[nearest] + 1 - hits[nearest]) / 2, *map(float, at)]


def _with_interval(value: float, spread: Matrix, people: int) -> dict[str, float | None]:
    if people < LEAST_PEOPLE:
        return {"value": value, "low": None, "high": None}
    deviation = float(spread.std(ddof=1)) if len(spread) > 1 else 0.0
    if deviation < 1e-12 or not 0 < value < 1:
        low, high = wilson(value, people, people=people)
        return {"value": value, "low": low, "high": high}
    centre, half = np.log(value / (1 - value)), float(t.ppf((1 + LEVEL) / 2, people - 1)) * deviation / (value * (1 - value))
    low, high = (float(1 / (1 + np.exp(-end))) for end in (centre - half, centre + half))
    return {"value": value, "low": low, "high": high}
