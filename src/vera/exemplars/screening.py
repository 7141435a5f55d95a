"""Screen mosaics for the bank: keep those farther from every donor than strangers are from each other, by every recogniser.

Also what is learnt from the donors' own photographs: linear heads that tell sex and age from an embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vera.exemplars.bank import ROLES, ExemplarBank
from vera.exemplars.building import Candidate, face_only, read_picture
from vera.faces.detection import Detector
from vera.faces.photograph import read_photograph
from vera.faces.recognition import Recogniser
from vera.mosaic.people import SourcePerson
from vera.types import Photograph, Pixels, Points, VeraError

Vectors = npt.NDArray[np.float64]

NEAREST_STRANGERS = 0.05
"""DECISION: quantile of the distances between each donor's photograph and the nearest one of another donor: no row is nearer to a donor."""
RIDGE = 0.5
"""Penalty of the linear heads (embeddings have length 1 or so, and there are fewer people than numbers in one)."""


@dataclass(frozen=True)
class Donors:
    """Embeddings of all photographs of the donors, by recogniser.

    Attributes:
        owners: ``(M,)`` whose each photograph is.
        embeddings: recogniser's name to ``(M, D)``.

    """

    owners: list[str]
    embeddings: Mapping[str, Vectors]

    def nearest_strangers(self, recogniser: Recogniser) -> Vectors:
        """Distance of each photograph to the nearest one of another person, ``(M,)``."""
        own = self.embeddings[recogniser.name]
        nearest = []
        for vector, owner in zip(own, self.owners, strict=True):
            nearest.append(min(recogniser.distance(vector, o) for o, name in zip(own, self.owners, strict=True) if name != owner))
        return np.array(nearest)


def look_at_donors(people: Sequence[SourcePerson], detector: Detector, recognisers: Sequence[Recogniser]) -> Donors:
    """Embed all photographs of the donors.

    Raises:
        VeraError: no face in a photograph.

    """
    owners: list[str] = []
    seen: dict[str, list[Vectors]] = {recogniser.name: [] for recogniser in recognisers}
    for person in people:
        for path in person.photographs.values():
            found = _embed(read_photograph(path), detector, recognisers)
            if found is None:
                raise VeraError(f"no face is found in '{path}': leave this person out")
            owners.append(person.id)
            for recogniser, vector in zip(recognisers, found, strict=True):
                seen[recogniser.name].append(vector)
    return Donors(owners, {name: np.array(vectors) for name, vectors in seen.items()})


def limits(donors: Donors, recognisers: Sequence[Recogniser]) -> dict[str, float]:
    """Least allowed distance of a row to every donor, by recogniser."""
    return {r.name: float(np.quantile(donors.nearest_strangers(r), NEAREST_STRANGERS)) for r in recognisers}


def far_enough(
    candidate: Candidate, donors: Donors, least: Mapping[str, float], recognisers: Sequence[Recogniser]
) -> dict[str, float] | None:
    """A candidate's distances to the nearest donor, by what its row will hold: the face without its surround.

    Args:
        candidate: the mosaic identity that may become a row.
        donors: embeddings of the donors' photographs.
        least: least allowed distance for each recogniser, from :func:`limits`.
        recognisers: the recognisers that ``least`` names.

    Returns:
        The least distance of its photographs for each recogniser, or None where one is nearer than the limit.

    """
    nearest = dict.fromkeys(least, float("inf"))
    for record in candidate.records:
        image, labels, points = read_picture(candidate.folder, record)
        shown = face_only(image, labels, points)
        for recogniser in recognisers:
            vector = _as_seen(recogniser, shown, points)
            distance = min(recogniser.distance(vector, other) for other in donors.embeddings[recogniser.name])
            if distance < least[recogniser.name]:
                return None
            nearest[recogniser.name] = min(nearest[recogniser.name], distance)
    return nearest


def with_embeddings(bank: ExemplarBank, donors: Donors, recognisers: Sequence[Recogniser]) -> ExemplarBank:
    """A bank that also holds what recognisers see in its rows and in the donors' photographs.

    Args:
        bank: the bank, from :func:`vera.exemplars.building.build_bank`.
        donors: embeddings of the donors' photographs by these recognisers.
        recognisers: recognisers whose embeddings the bank shall hold.

    """
    found: dict[str, Vectors] = {}
    for recogniser in recognisers:
        seen = [
            [_as_seen(recogniser, bank.image(row, role).round().astype(np.uint8), bank.mesh(row, role)) for role in range(ROLES)]
            for row in range(bank.rows)
        ]
        found[f"row_embeddings_{recogniser.name}"] = np.array(seen)
        found[f"donor_embeddings_{recogniser.name}"] = donors.embeddings[recogniser.name]
    more = {
        "recognisers": {one.name: donors.embeddings[one.name].shape[1] for one in recognisers},
        "strangers": {one.name: round(float(np.median(donors.nearest_strangers(one))), 4) for one in recognisers},
        "photographed": donors.owners,
    }
    made = ExemplarBank(**(bank.config | more))
    made.load_state_dict(bank.state_dict() | {name: torch.from_numpy(values.astype(np.float32)) for name, values in found.items()})
    return made


@dataclass(frozen=True)
class Heads:
    """Linear readers of an embedding (and 1), learnt from the donors, each with its error on people left out.

    Attributes:
        sex: ``(groups, D + 1)``, groups in alphabetical order; the largest score wins.
        age: ``(D + 1,)`` years.
        sex_right: share of the donors' photographs of which the sex is told rightly when their person is left out.
        age_error: mean absolute error in years, their person left out.

    """

    sex: Vectors
    age: Vectors
    sex_right: float
    age_error: float


def learn_heads(donors: Donors, people: Sequence[SourcePerson], recogniser: str) -> Heads:
    """Fit the heads by ridge regression.

    Args:
        donors: embeddings of the donors' photographs.
        people: the donors with sex and age; who has no age is left out of the fit for age.
        recogniser: name of the recogniser whose embeddings are read.

    """
    known = {person.id: person for person in people}
    inputs = np.column_stack([donors.embeddings[recogniser], np.ones(len(donors.owners))])
    owners = np.array(donors.owners)
    sexes = sorted({person.sex for person in people})
    wanted = np.array([[1.0 if known[o].sex == sex else -1.0 for sex in sexes] for o in donors.owners])
    ages = np.array([np.nan if known[o].age is None else known[o].age for o in donors.owners], dtype=np.float64)
    told, years = np.zeros(len(owners), dtype=bool), np.full(len(owners), np.nan)
    for person in known:
        out = owners == person
        told[out] = (inputs[out] @ _ridge(inputs[~out], wanted[~out])).argmax(axis=1) == wanted[out].argmax(axis=1)
        years[out] = inputs[out] @ _age_head(inputs[~out], ages[~out])
    return Heads(_ridge(inputs, wanted).T, _age_head(inputs, ages), float(told.mean()), float(np.nanmean(np.abs(years - ages))))


def _age_head(inputs: Vectors, ages: Vectors) -> Vectors:
    there = np.isfinite(ages)
    middle = float(ages[there].mean())
    head = _ridge(inputs[there], (ages[there] - middle)[:, None])[:, 0]
    head[-1] += middle
    return head


def _ridge(inputs: Vectors, outputs: Vectors) -> Vectors:
    """``(D + 1, outputs)``; the constant is not penalised."""
    penalty = RIDGE * np.eye(inputs.shape[1])
    penalty[-1, -1] = 0
    return np.asarray(np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ outputs))


def _as_seen(recogniser: Recogniser, face: Pixels, points: Points) -> Vectors:
    """Embedding of a face that fills its picture, with its mesh in units of the side."""
    return np.asarray(recogniser.embed(face, points[:68] * len(face) - 0.5))


def _embed(photograph: Photograph, detector: Detector, recognisers: Sequence[Recogniser]) -> list[Any] | None:
    faces = detector.detect(photograph)
    return [recogniser.embed(photograph.pixels, faces[0].landmarks) for recogniser in recognisers] if faces else None
