"""Helpers of metrics: distances between tables of embeddings, shares with 95 % confidence intervals, groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist
from scipy.stats import binomtest, norm, t

from vera.distributed import Joined
from vera.faces.recognition import Distance
from vera.types import Matrix, VeraError


def check_rows(embeddings: npt.ArrayLike, *columns: Sequence[Any]) -> Matrix:
    """Embeddings as ``(N, D)`` float64, if there is one for each name.

    Raises:
        VeraError: the array is not two-dimensional, or has another number of rows than a column.

    """
    table = np.asarray(embeddings, dtype=np.float64)
    if table.ndim != 2 or any(len(column) != len(table) for column in columns):
        raise VeraError(f"embeddings must be (N, D) with N names beside them, these are {table.shape} and {[len(c) for c in columns]}")
    return table


def distances(a: Matrix, b: Matrix, distance: Distance) -> Matrix:
    """``(N, M)`` distances between two tables; NaN where an embedding is."""
    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)))
    return np.asarray(cdist(a, b, metric=distance), dtype=np.float64)  # type: ignore[call-overload]


class TwoSets(Joined):
    """A metric of real and generated images, whose states' names begin with ``real`` and ``made``."""

    def forget_made(self) -> None:
        """Forget the generated images; the real ones serve for the next generated ones."""
        states = {name: state for name, state in self.metric_state.items() if name.startswith("real")}
        real = {name: list(state) if isinstance(state, list) else state for name, state in states.items()}  # reset empties lists
        self.reset()
        for name, state in real.items():
            setattr(self, name, state)


LEVEL = 0.95
"""Confidence level of all intervals."""
LEAST_PEOPLE = 10
"""DECISION: with fewer people there is no bootstrap and no attack: so few say little about the spread between people."""
Whole = npt.NDArray[np.int64]
"""``(N,)`` integers, such as the person of each item."""
Share = dict[str, float | int | None]
"""``share`` (None if ``of`` is 0), ``count``, ``of``, and the interval's ends ``low`` and ``high``."""


def share(hits: npt.ArrayLike, *, exact: bool = False) -> Share:
    """Share of outcomes that are True, with its 95 % interval.

    The interval assumes that cases are independent; :func:`share_of_people` is for several photographs of one person.

    Args:
        hits: outcomes, ``(N,)`` bool; True is counted.
        exact: Clopper and Pearson's interval (never too narrow) in place of Wilson's (right on average).

    """
    cases = np.asarray(hits, dtype=bool)
    return share_of(int(cases.sum()), cases.size, exact=exact)


def share_of(count: int, of: int, *, exact: bool = False) -> Share:
    """Share from counts; see :func:`share`."""
    if of == 0:
        return {"share": None, "count": 0, "of": 0, "low": None, "high": None}
    interval = binomtest(count, of).proportion_ci(LEVEL, method="exact" if exact else "wilson")
    return {"share": count / of, "count": count, "of": of, "low": float(interval.low), "high": float(interval.high)}


def share_of_people(hits: npt.ArrayLike, people: npt.ArrayLike) -> Share:
    """Share of outcomes that are True, with Wilson's 95 % interval on the effective number of independent cases.

    The effective number follows from the variance between people (Dean and Pagano, 2015, section 2); where all cases agree it cannot be
    estimated, and is the number of people.

    Args:
        hits: outcomes, ``(N,)`` bool; True is counted.
        people: person of each outcome, ``(N,)`` numbers.

    Returns:
        What :func:`share` returns, and the number of ``people``.

    Raises:
        VeraError: not one person for each outcome.

    """
    cases, owners = np.asarray(hits, dtype=bool).ravel(), np.asarray(people).ravel()
    if len(cases) != len(owners):
        raise VeraError(f"{len(cases)} outcomes of {len(owners)} people: give the person of each")
    count, of = int(cases.sum()), len(cases)
    if of == 0:
        return {"share": None, "count": 0, "of": 0, "low": None, "high": None, "people": 0}
    _, owner = np.unique(owners, return_inverse=True)
    each, own = np.bincount(owner), np.bincount(owner, weights=cases)
    number, mean = len(each), count / of
    effective = float(number)
    if 0 < count < of and number > 1:
        between = number / (number - 1) * np.square(own - mean * each).sum() / of**2
        effective = min(float(mean * (1 - mean) / max(between, 1e-12)), float(of))
    low, high = wilson(mean, effective, people=number)
    return {"share": mean, "count": count, "of": of, "low": low, "high": high, "people": number}


def wilson(mean: float, cases: float, *, people: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, from Student's quantile where few people estimated its variance.

    Args:
        mean: the share, from 0 to 1.
        cases: effective number of independent cases, which need not be whole.
        people: number of people; Student's t has one degree of freedom less.

    """
    quantile = float(t.ppf((1 + LEVEL) / 2, people - 1) if 0 < mean < 1 and people > 1 else norm.ppf((1 + LEVEL) / 2))
    squared = quantile**2
    centre = (mean + squared / (2 * cases)) / (1 + squared / cases)
    half = quantile / (1 + squared / cases) * np.sqrt(mean * (1 - mean) / cases + squared / (4 * cases**2))
    return max(float(centre - half), 0.0), min(float(centre + half), 1.0)


class Groups:
    """Names of the groups by which results are given as well, as numbers for a metric's state.

    Args:
        names: names of all groups that may occur.

    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def numbers(self, labels: Sequence[str | None] | None, count: int) -> npt.NDArray[np.int64]:
        """Each item's group; -1 for none.

        Raises:
            VeraError: a group that was not announced, or labels for another number of items.

        """
        given: Sequence[str | None] = [None] * count if labels is None else labels
        if len(given) != count:
            raise VeraError(f"{len(given)} groups for {count} items: give one for each, None where it is not known")
        unknown = sorted({label for label in given if label is not None} - set(self.names))
        if unknown:
            raise VeraError(f"unknown group '{unknown[0]}': all groups are announced when the metric is made ({', '.join(self.names)})")
        return np.array([-1 if label is None else self.names.index(label) for label in given], dtype=np.int64)

    def split(self, numbers: npt.NDArray[np.int64], result: Any) -> dict[str, Any]:
        """``result(mask)`` for each group that has items."""
        return {name: result(numbers == i) for i, name in enumerate(self.names) if (numbers == i).any()}
