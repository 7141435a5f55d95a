"""Verification: how well a distance tells pairs of one person from pairs of two, and which threshold has which false-accept rate.

Pairs that share a person are not independent: intervals are over people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.integrate import trapezoid
from scipy.stats import binom, t

from vera.distributed import Collected, keys
from vera.evaluation.metrics.base import LEAST_PEOPLE, LEVEL, Share, Whole, check_rows, distances, share, wilson
from vera.faces.recognition import Distance
from vera.types import Matrix, VeraError

REPLICATES, SEED = 400, 2020
"""DECISION: bootstrap replicates, which give a standard error to 4 %, and the seed that they are drawn with."""
MOST = 200_000
"""DECISION: of more pairs of two people every n-th is taken, in an order that does not look at distances, to bound the time."""
RATES = (1e-2, 1e-3)
"""False-accept rates at which true-accept rates are given."""


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


class Pairs(NamedTuple):
    """Distances of pairs of photographs, ``(N,)``, with the people of both; a pair of one person has the same number twice."""

    values: Matrix
    first: Whole
    second: Whole

    def split(self) -> tuple[Matrix, Matrix]:
        """Sorted distances of the pairs of one person, and of those of two."""
        same = self.first == self.second
        return np.sort(self.values[same]), np.sort(self.values[~same])


SIDES = ("anonymized", "originals")


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
        """Compute, before and after, ``auc``, ``eer``, medians and number of pairs; and the photographs left out.

        ``over_people`` holds what :func:`verification` says: the same with intervals, and
        true-accept rates at fixed false-accept rates.
        """
        sides, left_out = self._pairs()
        result: dict[str, Any] = {}
        for side, pairs in sides.items():
            same, different = pairs.split()
            medians = {"median_same": _median(same), "median_different": _median(different)}
            counts = {"pairs_same": len(same), "pairs_different": len(different)}
            result[side] = {**separation(same, different), **medians, **counts, "over_people": verification(pairs)}
        return {**result, "left_out": left_out}

    def distances(self) -> dict[str, tuple[Matrix, Matrix]]:
        """Sorted distances of same-person pairs and of different people's pairs, on each of :data:`SIDES`, over all processes."""
        with self.sync_context():
            return {side: pairs.split() for side, pairs in self._pairs()[0].items()}

    def _pairs(self) -> tuple[dict[str, Pairs], int]:
        people = self.column("people")
        tables = {side: self.matrix(side, len(people)) for side in SIDES}
        seen = np.all([np.isfinite(table).all(axis=1) for table in tables.values()], axis=0)
        first, second = np.triu_indices(int(seen.sum()), 1)
        owners = people[seen]
        result = {}
        for side, table in tables.items():
            values = distances(table[seen], table[seen], self.distance)[first, second]
            result[side] = Pairs(values, owners[first], owners[second])
        return result, int((~seen).sum())


def _median(values: Matrix) -> float | None:
    return float(np.median(values)) if len(values) else None


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


def verification(pairs: Pairs, *, rates: Sequence[float] = RATES, replicates: int = REPLICATES) -> dict[str, Any]:
    """AUC, equal error rate and true-accept rates, each with a 95 % interval from a bootstrap over people.

    A replicate draws as many people as there are, with replacement; a pair of two people counts as often as the product of their draws
    (the bootstrap of a two-sample U statistic over its clusters). The interval is Student's on the logit scale; of a figure that is 0 or
    1, or the same in every replicate, it is Wilson's for the number of people. How
    often it covers the truth is simulated in ``tests/unit/evaluation/test_over_people.py``.

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
