"""Detection, re-identification and diversity: is there still a face, whose is it taken for, and does another seed give another one?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vera.distributed import Collected, keys
from vera.evaluation.metrics.base import Groups, check_rows, distances, share, share_of_people
from vera.evaluation.metrics.verification import Pairs, verification
from vera.faces.recognition import Distance
from vera.types import Matrix, VeraError

BLOCK = 256
"""Probes that are compared with the gallery at a time, to bound memory."""


class _Found(NamedTuple):
    """Per probe: rank of its own person (0-based; -1 if absent from the gallery), the distance to it, its group and its person."""

    rank: npt.NDArray[np.int64]
    own: npt.NDArray[np.float64]
    group: npt.NDArray[np.int64]
    person: npt.NDArray[np.int64]


class ReIdentification(Collected):
    """Rank-k identification and verification of anonymized faces, by one recogniser; one metric for each of several.

    A probe's rank counts *people*, each at the nearest of their photographs; equal distances count against the anonymizer. A probe
    without an embedding (NaN) is not identified and stays in every denominator. A probe whose person is not in the gallery is in none.

    Args:
        distance: a recogniser's, or scipy's name for it.
        thresholds: name to distance: a probe nearer than this to a photograph of its own person counts as recognised, the way a
            verification at the false-accept rate behind the threshold would (:mod:`vera.evaluation.metrics.verification`).
        groups: all labels that may come.
        ranks: the k of rank-k.
        source_in_gallery: False leaves the very photograph a probe was made from out of its gallery.

    """

    higher_is_better = False

    def __init__(
        self,
        distance: Distance,
        *,
        thresholds: Mapping[str, float],
        groups: Sequence[str] = (),
        ranks: Sequence[int] = (1, 5),
        source_in_gallery: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.distance, self.thresholds, self.ranks = distance, dict(thresholds), tuple(ranks)
        self.groups, self.source_in_gallery = Groups(groups), source_in_gallery
        for side in ("probe", "gallery"):
            self.add_column(f"{side}_embeddings", torch.float64)
            self.add_column(f"{side}_people", torch.int64)
            self.add_column(f"{side}_photographs", torch.int64)
        self.add_column("probe_groups", torch.int64)

    def add_gallery(self, embeddings: npt.ArrayLike, people: Sequence[str], photographs: Sequence[str]) -> None:
        """Add originals ``(N, D)``, their people and their own keys; those without an embedding (NaN) are left out.

        Raises:
            VeraError: not one name for each embedding.

        """
        table = check_rows(embeddings, people, photographs)
        seen = np.isfinite(table).all(axis=1)
        self.append("gallery_embeddings", table[seen])
        self.append("gallery_people", keys(people)[seen])
        self.append("gallery_photographs", keys(photographs)[seen])
        self._computed = None

    def update(
        self, embeddings: npt.ArrayLike, people: Sequence[str], photographs: Sequence[str], groups: Sequence[str | None] | None = None
    ) -> None:
        """Add anonymized faces ``(N, D)``, whose they are, and the keys of the photographs they were made from.

        Raises:
            VeraError: not one name for each embedding, or an unknown group.

        """
        table = check_rows(embeddings, people, photographs)
        self.append("probe_embeddings", table)
        self.append("probe_people", keys(people))
        self.append("probe_photographs", keys(photographs))
        self.append("probe_groups", self.groups.numbers(groups, len(table)))

    def compute(self) -> dict[str, Any]:
        """Shares ``rank_<k>``, ``recognised`` for each threshold, the median distance to the own person, counts, and the same by group.

        ``over_people``: verification of outputs against the gallery's photographs of the same person and of others
        (:func:`vera.evaluation.metrics.verification.verification`). All intervals are over people.
        """
        found = self._search()
        everybody = self._summary(found, np.ones(len(found.rank), dtype=bool))
        by_group = self.groups.split(found.group, lambda mask: self._summary(found, mask))
        counts = {"people_in_gallery": len(np.unique(self.column("gallery_people")))}
        return {**everybody, **counts, "groups": by_group, "over_people": verification(self._pairs())}

    def distances(self) -> Matrix:
        """``(N,)``: each probe's distance to its own person, sorted, over all processes; NaN where there is none."""
        with self.sync_context():
            return np.sort(self._search().own)

    def _pairs(self) -> Pairs:
        """Each output with each photograph of the gallery, without the photograph it was made from where that is left out."""
        people, owners = self.column("probe_people"), self.column("gallery_people")
        probes, gallery = self.matrix("probe_embeddings", len(people)), self.matrix("gallery_embeddings", len(owners))
        table = distances(probes, gallery, self.distance)
        usable = np.isfinite(table)
        if not self.source_in_gallery:
            usable &= self.column("probe_photographs")[:, None] != self.column("gallery_photographs")[None]
        probe, shown = np.nonzero(usable)
        return Pairs(table[usable], people[probe], owners[shown])

    def _summary(self, found: _Found, mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
        known = mask & (found.rank >= 0)
        near, owners = found.own[known], found.person[known]
        measured = near[np.isfinite(near)]
        ranks = {f"rank_{k}": share_of_people((found.rank[known] < k) & np.isfinite(near), owners) for k in self.ranks}
        recognised = {name: share_of_people(near < threshold, owners) for name, threshold in self.thresholds.items()}
        return {
            **ranks,
            "recognised": recognised,
            "median_distance": float(np.median(measured)) if len(measured) else None,
            "without_embedding": int(np.isnan(near).sum()),
            "not_in_gallery": int((mask & (found.rank < 0)).sum()),
        }

    def _search(self) -> _Found:
        people, photographs = self.column("probe_people"), self.column("probe_photographs")
        probes = self.matrix("probe_embeddings", len(people))
        owners, sources = self.column("gallery_people"), self.column("gallery_photographs")
        order = np.argsort(owners, kind="stable")
        owners, sources = owners[order], sources[order]
        gallery = self.matrix("gallery_embeddings", len(owners))[order]
        rank, own = np.full(len(people), -1, dtype=np.int64), np.full(len(people), np.nan)
        persons, first = np.unique(owners, return_index=True)
        for start in range(0, len(people) if len(owners) else 0, BLOCK):
            part = slice(start, start + BLOCK)
            table = distances(probes[part], gallery, self.distance)
            if not self.source_in_gallery:
                table[photographs[part, None] == sources[None]] = np.inf
            nearest = np.minimum.reduceat(table, first, axis=1)  # (probes, people); NaN rows stay NaN
            place = np.searchsorted(persons, people[part]).clip(max=len(persons) - 1)
            mine = nearest[np.arange(len(nearest)), place]
            there = (persons[place] == people[part]) & ~np.isposinf(mine)
            rank[part] = np.where(there, (nearest < mine[:, None]).sum(axis=1), -1)
            own[part] = np.where(there, mine, np.nan)
        return _Found(rank, own, self.column("probe_groups"), people)


class DetectionRate(Collected):
    """Share of photographs in which one detector found the face; one metric for each of several detectors.

    Args:
        groups: all labels that may come.

    """

    higher_is_better = True

    def __init__(self, *, groups: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = Groups(groups)
        self.add_column("found", torch.bool)
        self.add_column("group", torch.int64)
        self.add_column("people", torch.int64)

    def update(self, found: Sequence[bool], people: Sequence[str], groups: Sequence[str | None] | None = None) -> None:
        """Add photographs: :attr:`vera.evaluation.judges.Observation.found` of each, and whose they are.

        Raises:
            VeraError: an unknown group, or groups or people for another number of photographs.

        """
        if len(found) != len(people):
            raise VeraError(f"{len(found)} findings of {len(people)} people: give the person of each")
        self.append("group", self.groups.numbers(groups, len(found)))
        self.append("found", np.asarray(found, dtype=bool))
        self.append("people", keys(people))

    def compute(self) -> dict[str, Any]:
        """The share, and the same for each of the ``groups``."""
        found, people = self.column("found").astype(bool), self.column("people")
        groups = self.groups.split(self.column("group"), lambda mask: share_of_people(found[mask], people[mask]))
        return {**share_of_people(found, people), "groups": groups}


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
