"""Attackers: people who hold anonymized photographs and a list of suspects, and rank the suspects by distance.

An attacker's outcome is the rank of the true person in the list, its share at rank 1 and 5, and the bits of information about the person.
Equal distances share their ranks, so that an attacker who sees no difference ranks by chance.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import gammaln
from scipy.stats import t

from vera.distributed import Collected, keys
from vera.evaluation.metrics.base import LEAST_PEOPLE, LEVEL, Whole, check_rows, distances, share_of_people
from vera.evaluation.metrics.utility import Ridge
from vera.faces.recognition import Distance
from vera.types import Matrix, VeraError

FOLDS = 5
"""DECISION: parts into which people are dealt for an attacker who learns from other people."""
LISTS = (10, 100, 1000)
"""Lengths of the closed lists of suspects."""


class Attacker(Collected):
    """An attacker who ranks people of a gallery for each anonymized photograph.

    Args:
        distance: distance of two embeddings: a recogniser's function, or a name that SciPy's ``cdist`` knows.

    """

    higher_is_better = False

    def __init__(self, distance: Distance, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.distance = distance
        for side in ("probe", "gallery"):
            self.add_column(f"{side}_rows", torch.float64)
            for name in ("people", "photographs"):
                self.add_column(f"{side}_{name}", torch.int64)

    def update(self, rows: npt.ArrayLike, people: Sequence[str], photographs: Sequence[str]) -> None:
        """Add anonymized photographs.

        Args:
            rows: ``(N, D)`` embeddings; rows with NaN are counted, but do not attack.
            people: N ids of the people shown.
            photographs: N keys of the source photographs.

        Raises:
            VeraError: the numbers of embeddings, people and photographs differ.

        """
        self._add("probe", rows, people, photographs)

    def add_gallery(self, rows: npt.ArrayLike, people: Sequence[str], photographs: Sequence[str]) -> None:
        """Add photographs that the attacker holds; arguments as for :meth:`update`."""
        self._add("gallery", rows, people, photographs)
        self._computed = None

    def compute(self) -> dict[str, Any]:
        """The attack's :func:`outcome`, and ``left_out``: the number of probes without an embedding or a picture of their person.

        Raises:
            VeraError: fewer than :data:`vera.evaluation.metrics.base.LEAST_PEOPLE` people.

        """
        probes, people, photographs = self._side("probe")
        gallery, owners, sources = self._side("gallery")
        count = len(self.column("probe_people"))
        attacked = len(np.unique(people))
        if min(len(np.unique(owners)), attacked) < LEAST_PEOPLE:
            raise VeraError(f"an attack is measured on {LEAST_PEOPLE} people or more, there are {attacked} with a picture to attack")
        table = self._table(probes, people, gallery, owners)
        ranks = nearer(table, people, owners, self._hidden(photographs, sources))
        known = np.isfinite(ranks)
        found = outcome(ranks[known], people[known], others=len(np.unique(owners)) - 1)
        return {**found, **self._further(table, people, owners), "left_out": count - int(known.sum())}

    @abstractmethod
    def _table(self, probes: Matrix, people: Whole, gallery: Matrix, owners: Whole) -> Matrix:
        """``(N, M)`` distances by which the attacker ranks."""

    def _hidden(self, photographs: Whole, sources: Whole) -> npt.NDArray[np.bool_]:
        """``(N, M)``, gallery pictures that a probe is not compared with; by default none: the attacker may hold the very source."""
        return np.zeros((len(photographs), len(sources)), dtype=bool)

    def _further(self, table: Matrix, people: Whole, owners: Whole) -> dict[str, Any]:
        return {}

    def _add(self, side: str, rows: npt.ArrayLike, people: Sequence[str], photographs: Sequence[str]) -> None:
        table = check_rows(rows, people, photographs)
        self.append(f"{side}_rows", table)
        self.append(f"{side}_people", keys(people))
        self.append(f"{side}_photographs", keys(photographs))

    def _side(self, side: str) -> tuple[Matrix, Whole, Whole]:
        """Rows with an embedding, in an order that does not depend on how they were dealt to processes."""
        people, photographs = self.column(f"{side}_people"), self.column(f"{side}_photographs")
        rows = self.matrix(f"{side}_rows", len(people))
        order = np.lexsort((*rows.T[:2], photographs, people))
        order = order[np.isfinite(rows[order]).all(axis=1)]
        return rows[order], people[order], photographs[order]


class NaiveAttacker(Attacker):
    """Compares anonymized photographs with the originals by an unchanged recogniser."""

    def _table(self, probes: Matrix, people: Whole, gallery: Matrix, owners: Whole) -> Matrix:
        return distances(probes, gallery, self.distance)


class ParrotAttacker(Attacker):
    """Learns from other people how the anonymizer changes an embedding, and changes the gallery's in the same way.

    The map from an original's embedding to its output's is linear (ridge regression that starts from the identity, so that with nothing
    to learn this is the naive attacker). A probe and a person of the gallery are compared by a map that was learned without either:
    people are dealt to :data:`FOLDS` folds, and the folds of both are held out. Source: Newton, Sweeney and Malin (2005), who named
    the attack; there the attacker anonymizes the gallery's pictures themselves.
    """

    def _table(self, probes: Matrix, people: Whole, gallery: Matrix, owners: Whole) -> Matrix:
        if self.distance == "cosine":
            probes, gallery = _unit(probes), _unit(gallery)
        sources = self._sources(gallery)
        known = np.isfinite(sources).all(axis=1)
        everybody = np.unique(np.concatenate([people, owners]))
        asked, held = (np.searchsorted(everybody, side) % FOLDS for side in (people, owners))
        table = np.full((len(probes), len(gallery)), np.nan)
        for first, second in combinations(range(FOLDS), 2):
            learned = known & ~np.isin(asked, (first, second))
            if learned.sum() < 3:
                continue
            guessed = gallery + Ridge(sources[learned], probes[learned] - sources[learned])(gallery)
            own = (first, first) if second == (first + 1) % FOLDS else (second, second) if first == (second + 1) % FOLDS else None
            for probe, shown in ((first, second), (second, first), *([own] if own else [])):
                rows, columns = np.flatnonzero(asked == probe), np.flatnonzero(held == shown)
                table[np.ix_(rows, columns)] = distances(probes[rows], guessed[columns], "euclidean")
        return table

    def _sources(self, gallery: Matrix) -> Matrix:
        """The original of each probe, NaN where the gallery does not hold it."""
        _, _, photographs = self._side("probe")
        _, _, sources = self._side("gallery")
        order = np.argsort(sources, kind="stable")
        place = np.searchsorted(sources[order], photographs).clip(max=len(sources) - 1)
        found: Matrix = gallery[order][place].copy()
        found[sources[order][place] != photographs] = np.nan
        return found


class LinkingAttacker(NaiveAttacker):
    """Finds another picture of the same person among pictures of one kind; the picture itself is left out.

    Args:
        distance: distance of two embeddings: a recogniser's function, or a name that SciPy's ``cdist`` knows.
        threshold: the recogniser's threshold; pictures of two people nearer than this are ``collisions``. None for no such count.

    """

    def __init__(self, distance: Distance, *, threshold: float | None = None, **kwargs: Any) -> None:
        super().__init__(distance, **kwargs)
        self.threshold = threshold

    def _hidden(self, photographs: Whole, sources: Whole) -> npt.NDArray[np.bool_]:
        return np.asarray(photographs[:, None] == sources[None])

    def _further(self, table: Matrix, people: Whole, owners: Whole) -> dict[str, Any]:
        if self.threshold is None:
            return {}
        near = (table < self.threshold) & (people[:, None] != owners[None])
        return {"collisions": share_of_people(near.any(axis=1), people)}


def nearer(table: Matrix, people: Whole, owners: Whole, hidden: npt.NDArray[np.bool_]) -> Matrix:
    """Number of other people who are nearer than the true one, for each probe; people at the same distance count half.

    Args:
        table: distances ``(N, M)`` of probes to the gallery's pictures; NaN counts as far away.
        people: person of each probe, ``(N,)``.
        owners: person of each picture in the gallery, ``(M,)``.
        hidden: pictures ``(N, M)`` that a probe is not compared with.

    Returns:
        ``(N,)``; NaN where the true person has no picture.

    """
    order = np.argsort(owners, kind="stable")
    persons, first = np.unique(owners[order], return_index=True)
    far = np.where(hidden | np.isnan(table), np.inf, table)[:, order]
    nearest = np.minimum.reduceat(far, first, axis=1)
    place = np.searchsorted(persons, people).clip(max=len(persons) - 1)
    own = nearest[np.arange(len(nearest)), place]
    found = (nearest < own[:, None]).sum(axis=1) + ((nearest == own[:, None]).sum(axis=1) - 1) / 2
    return np.where((persons[place] == people) & np.isfinite(own), found, np.nan)


def outcome(ranks: Matrix, people: Whole, *, others: int) -> dict[str, Any]:
    """An attack's figures from the number of other people who were nearer than the true one.

    ``bits`` is the mean of log2(P / rank) over probes, P people in the gallery: log2 P if every guess is right, ``bits_by_chance`` if
    the order says nothing. ``wins`` is whether its 95 % interval (over people) lies above chance. ``lists`` holds, for closed lists of
    :data:`LISTS` people drawn from the gallery, the expected share at rank 1 and the expected rank (exact, no sampling); None for lists
    longer than the gallery.

    Args:
        ranks: other people nearer than the true one, ``(N,)`` from 0 to ``others``; halves are ties.
        people: person of each probe, ``(N,)``.
        others: number of people in the gallery beside the true one.

    Raises:
        VeraError: no probe, or nobody else in the gallery.

    """
    if not len(ranks) or others < 1:
        raise VeraError("no anonymized photograph has a picture of the same person to be found by: this attack needs two of each person")
    size = others + 1
    bits = np.log2(size / (1 + ranks))
    _, owner = np.unique(people, return_inverse=True)
    each, own = np.bincount(owner), np.bincount(owner, weights=bits)
    mean, number = float(bits.mean()), len(each)
    spread = np.sqrt(number / max(number - 1, 1) * np.square(own - mean * each).sum()) / len(bits)
    half = float(t.ppf((1 + LEVEL) / 2, max(number - 1, 1)) * spread)
    chance = float(np.log2(size / np.arange(1, size + 1)).mean())
    return {
        **{f"rank_{k}": share_of_people(ranks < k, people) for k in (1, 5)},
        "rank_1_by_chance": 1 / size,
        "median_rank": float(np.median(1 + ranks)),
        "people_in_gallery": size,
        "bits": {"value": mean, "low": mean - half, "high": mean + half},
        "bits_by_chance": chance,
        "bits_at_most": float(np.log2(size)),
        "wins": mean - half > chance + 1e-9,
        "lists": {str(length): _in_list(ranks, others, length) for length in LISTS},
    }


def _in_list(ranks: Matrix, others: int, length: int) -> dict[str, float] | None:
    """Expected share at rank 1 and expected rank in a list of the true person and ``length - 1`` drawn others."""
    drawn = length - 1
    if drawn > others:
        return None
    behind = others - np.ceil(ranks)
    possible = behind >= drawn
    log = _log_choose(np.where(possible, behind, drawn), drawn) - _log_choose(np.full(len(ranks), float(others)), drawn)
    return {"rank_1": float(np.where(possible, np.exp(log), 0.0).mean()), "rank": float((1 + ranks * drawn / others).mean())}


def _log_choose(of: Matrix, count: int) -> Matrix:
    return np.asarray(gammaln(of + 1) - gammaln(count + 1) - gammaln(of - count + 1))


def _unit(rows: Matrix) -> Matrix:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
