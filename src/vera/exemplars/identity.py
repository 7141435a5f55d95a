"""Identities mixed from the bank: which rows, their weights in shapes and colours, whose detail each feature takes.

A drawn identity is a function of (seed, person, number) and of the pool of rows that fit the person (sex, skin, age). The search also
mixes identities that it has drawn (:func:`descendant`), by what recognisers say of them in the person's photographs. An identity is what a
person's photographs share: pose, expression and light are each photograph's own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from vera.exemplars.bank import ROLES, ExemplarBank
from vera.exemplars.layout import BROW_POINTS, Frontal, with_tilt_of
from vera.mosaic.colour import typology_angle
from vera.mosaic.partners import PARTS
from vera.mosaic.points import INNER, REGIONS
from vera.rng import derived_seed
from vera.types import VeraError

Floats = npt.NDArray[np.float64]

MIXED = 3
"""DECISION: rows in an identity (each a mosaic of several people itself)."""
LARGEST, SPREAD = 0.6, 0.8
"""DECISION: most that one row may weigh in the broad colours of the skin and in the whole shape, so that no row reappears whole; and the
concentration of the Dirichlet distribution of these weights."""
LARGEST_IN_SHAPES, SPREAD_OF_SHAPES = 0.85, 0.3
"""DECISION: the same for the shape of each region: nearly one row's, another one for each region."""
EXAGGERATION = (1.5, 2.0)
"""DECISION: a mean of faces is nearer to the mean face than a face is: its deviation is brought back."""
WIDER, LIKE, FARTHER = 16, 8.0, 0.25
"""DECISION: rows that each further search adds to the pool, CIELAB units by which their complexion may be farther, and the share by which
its faces are farther from the mean: what stays of a photograph (hair, outline, the preserved region) makes some people hard to leave."""
POOL = 32
"""DECISION: rows that identities of one person are mixed from: those whose skin is nearest to the photographs'. Rows of another complexion,
recoloured, look grey."""
FARTHEST, MOST = 0.5, 16
"""DECISION: share of a pool that identities are mixed of, and most rows: those that recognisers put farthest from the person."""
DEALT = 8
"""DECISION: rows of the pool that one search mixes, dealt anew for each seed: otherwise the search ends at much the same face for all."""
NEW_ROW, NEW_TRAIT = 0.5, 0.4
"""DECISION: chances that a row, and that each other trait of a descendant is not its parent's."""
FEWEST = 6
SPREAD_OF_POOL = 8.0
"""DECISION: where the bank has few rows of a complexion, those farther than this from the :data:`FEWEST` nearest (CIELAB units) are not
used: few rows of like complexion look better than many that are recoloured."""
TONE = np.array([0.6, 1.0, 1.0])
"""DECISION: weight of lightness and the two colour axes in the distance between skins: light depends on the lamp, too."""
YEARS = 0.35
"""DECISION: CIELAB units that a year of difference counts for, beyond :data:`SAME_AGE` years."""
SAME_AGE = 5.0
BROWN_EYES_BELOW = 36.0
"""DECISION: skin of a lower typology angle (degrees; olive and darker) gets brown eyes: blue eyes in dark skin look made up."""
BLACK_HAIR = 19.0
"""DECISION: CIELAB lightness of hair below which eyes are brown, too: black hair measured 12 to 16, other hair 22 and more."""
BROWN_EYES, LIGHT_EYES = 16.0, 0.7
"""Lightness of irises up to which they are brown, and CIELAB units that each unit above it counts for."""
SMOOTH_SKIN = 4.0
"""CIELAB units that each unit of a row's beard counts for beyond :data:`STUBBLE` where the photographs show no beard."""
STUBBLE = 5.0


@dataclass(frozen=True)
class Appearance:
    """Appearance of a person, measured on the photographs, which the rows have to fit.

    Attributes:
        sex: number of the bank's group.
        tone: ``(3,)`` CIELAB of the skin.
        age: years, as far as the bank's head can tell.
        beard: beard as in :class:`~vera.exemplars.bank.ExemplarBank`.
        hair: CIELAB lightness of the hair; infinite where no hair is seen.

    """

    sex: int
    tone: npt.NDArray[np.floating]
    age: float
    beard: float
    hair: float = np.inf

    @property
    def brown_eyes(self) -> bool:
        """Whether blue eyes would not fit."""
        return bool(typology_angle(self.tone) < BROWN_EYES_BELOW or self.hair < BLACK_HAIR)


@dataclass(frozen=True)
class Exemplar:
    """An identity: rows of the bank, and how they are mixed.

    Attributes:
        rows: ``(R,)`` numbers in the bank, R >= 3.
        weights: ``(R,)`` shares in the broad colours, sum 1.
        shapes: ``(regions, R)`` shares in the shape of each region, in the order of :data:`vera.mosaic.points.REGIONS`.
        parts: ``(features,)`` position of the row whose detail a feature takes, in the order of :data:`vera.mosaic.partners.PARTS`.
        exaggeration: scale of the shape's deviation from the group's mean.
        brown_eyes: blue and grey irises are made brown.

    """

    rows: npt.NDArray[np.int64]
    weights: Floats
    shapes: Floats
    parts: npt.NDArray[np.int64]
    exaggeration: float
    brown_eyes: bool

    @property
    def shares(self) -> Floats:
        """``(R,)``: share of each row in the face as a whole: the mean of its shares in colours, shapes and detail; sum 1."""
        detail = np.bincount(self.parts, minlength=len(self.rows)) / len(self.parts)
        return np.asarray((self.weights + self.shapes.mean(axis=0) + detail) / 3)

    def promised(self, value: Callable[[int], float]) -> float:
        """The mean of a value of its rows, by their shares: about what the mixture will have."""
        return float(self.shares @ [value(int(row)) for row in self.rows])


def pool(
    bank: ExemplarBank, wanted: Appearance, *, search: int = 0, leave_out: Collection[str] = (), suits: Callable[[int], bool] | None = None
) -> npt.NDArray[np.int64]:
    """The rows that fit a person, nearest first; about :data:`POOL` (fewer where the bank has no more of this sex or complexion).

    Args:
        bank: bank of exemplars, from which rows are taken.
        wanted: the person's appearance, which the rows must fit.
        search: number of the search, from 0; further ones take more rows.
        leave_out: donors whose rows must not be used (evaluation on the donors themselves).
        suits: whether a row's picture can be used (:meth:`vera.exemplars.fitting.Fitter.has_forehead`); asked of the nearest ones only.

    Raises:
        VeraError: fewer than :data:`MIXED` rows are left.

    """
    facts = bank.facts
    usable = (facts["sex"] == wanted.sex) & bank.made_of_none(leave_out)
    distance = np.linalg.norm((facts["tone"] - wanted.tone) * TONE, axis=1)
    distance += YEARS * np.maximum(np.abs(facts["age"] - wanted.age) - SAME_AGE, 0)
    distance += SMOOTH_SKIN * np.maximum(facts["beard"] - max(wanted.beard, STUBBLE), 0)
    if wanted.brown_eyes:
        distance += LIGHT_EYES * np.maximum(facts["eyes"] - BROWN_EYES, 0)
    distance = np.where(usable, distance, np.inf)
    nearest = np.argsort(distance, kind="stable")[: int(usable.sum())]
    order = np.fromiter(islice(filter(suits or (lambda row: True), nearest), POOL + WIDER * search), np.int64)
    if len(order) > FEWEST:
        order = order[distance[order] <= distance[order[FEWEST - 1]] + SPREAD_OF_POOL + LIKE * search]
    if len(order) < MIXED:
        raise VeraError(f"the bank of exemplars has {len(order)} rows for this person, {MIXED} are needed: use another bundle")
    return np.asarray(order, dtype=np.int64)


def farthest(rows: npt.NDArray[np.int64], away: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """The :data:`FARTHEST` part of a pool, in the pool's order: no more than :data:`MOST` rows, and no fewer than one search mixes.

    Args:
        rows: rows of a person, from :func:`pool`.
        away: distance of each from the person.

    """
    count = max(min(round(FARTHEST * len(rows)), MOST), min(DEALT, len(rows)))
    return np.asarray(rows[np.sort(np.argsort(-away, kind="stable")[:count])], dtype=np.int64)


def deal(rows: npt.NDArray[np.int64], *, seed: int, person: str, search: int) -> npt.NDArray[np.int64]:
    """The rows of a pool that one search mixes: :data:`DEALT` of them in the pool's order, a function of (seed, person, search).

    As with cards: seeds that follow one another get rows of one shuffle, so no two of them share a row until the pool is used up.
    """
    hands = max(len(rows) // DEALT, 1)
    shuffled = np.random.default_rng(derived_seed(seed // hands, person, search, "deal")).permutation(len(rows))
    return np.asarray(rows[np.sort(shuffled[DEALT * (seed % hands) :][:DEALT])], dtype=np.int64)


def draw(rows: npt.NDArray[np.int64], *, seed: int, person: str, number: int, search: int = 0, brown_eyes: bool = False) -> Exemplar:
    """Draw an identity from a pool of rows.

    Args:
        rows: rows from :func:`pool` or :func:`deal`, nearest first.
        seed: 0 to 2^63 - 1.
        person: id of the person, any text.
        number: number of the draw, from 0; each number gives another face.
        search: number of the search, from 0; faces of further ones are farther from the mean.
        brown_eyes: brown irises instead of blue ones, as :attr:`Appearance.brown_eyes` tells.

    """
    rng = np.random.default_rng(derived_seed(seed, person, number, "exemplar"))
    chosen = rng.choice(len(rows), MIXED, replace=False)
    parts = np.resize(rng.permutation(MIXED), len(PARTS))
    # Irises cannot be recoloured with the skin: they come from the row that fits best.
    parts[PARTS.index("eyes")] = np.argmin(chosen)
    return Exemplar(
        rows=np.asarray(rows[chosen], dtype=np.int64),
        weights=_weights(rng, LARGEST, SPREAD, 1)[0],
        shapes=_weights(rng, LARGEST_IN_SHAPES, SPREAD_OF_SHAPES, len(REGIONS)),
        parts=np.asarray(parts, dtype=np.int64),
        exaggeration=float(rng.uniform(*EXAGGERATION)) * (1 + FARTHER * search),
        brown_eyes=brown_eyes,
    )


def descendant(parent: Exemplar, drawn: Exemplar, *, seed: int, person: str, number: int) -> Exemplar:
    """An identity with most traits of one, and some of another.

    Args:
        parent: the identity that it resembles.
        drawn: the one that gives a row, and each of its other traits by chance.
        seed: 0 to 2^63 - 1.
        person: id of the person, any text.
        number: number of the draw, from 0; each number gives another face.

    """
    rng = np.random.default_rng(derived_seed(seed, person, number, "descendant"))
    rows, new = parent.rows.copy(), np.setdiff1d(drawn.rows, parent.rows)
    eyes = PARTS.index("eyes")
    # The row of the eyes is the one that fits best: it stays, and its eyes with it.
    others = np.flatnonzero(np.arange(len(rows)) != parent.parts[eyes])
    if len(new) and rng.random() < NEW_ROW:
        rows[rng.choice(others)] = rng.choice(new)
    parts = np.where(rng.random() < NEW_TRAIT, drawn.parts, parent.parts)
    parts[eyes] = parent.parts[eyes]
    return Exemplar(
        rows=rows,
        weights=drawn.weights if rng.random() < NEW_TRAIT else parent.weights,
        shapes=np.where(rng.random((len(REGIONS), 1)) < NEW_TRAIT, drawn.shapes, parent.shapes),
        parts=parts,
        exaggeration=drawn.exaggeration if rng.random() < NEW_TRAIT else parent.exaggeration,
        brown_eyes=parent.brown_eyes,
    )


def frontal(bank: ExemplarBank, identity: Exemplar) -> Frontal:
    """An identity's layout: each region's own mixture of the rows' shapes, exaggerated; its smile is the mixture's."""
    meshes = np.array([[bank.mesh(int(row), role)[:INNER] for role in range(ROLES)] for row in identity.rows])
    mean = bank.mean_of(int(bank.facts["sex"][identity.rows[0]]))
    shape = np.tensordot(identity.weights, meshes, 1)
    for number, points in enumerate(REGIONS.values()):
        own = np.tensordot(identity.shapes[number], meshes[:, :, points], 1)
        # A feature's place follows its own mixture half-way, the whole face's otherwise: features must not collide.
        shape[:, points] = own + 0.5 * (shape[:, points].mean(axis=1, keepdims=True) - own.mean(axis=1, keepdims=True))
    neutral = mean.neutral + identity.exaggeration * (shape[0] - mean.neutral)
    neutral[BROW_POINTS] = with_tilt_of(neutral, shape[0])
    return Frontal(neutral, neutral + shape[1] - shape[0])


def _weights(rng: np.random.Generator, largest: float, spread: float, count: int) -> Floats:
    """``(count, MIXED)``: Dirichlet, none above ``largest``."""
    drawn = rng.dirichlet([spread] * MIXED, count)
    capped = np.minimum(drawn, largest)
    excess, room = (drawn - capped).sum(axis=1, keepdims=True), largest - capped
    return np.asarray(capped + excess * room / np.maximum(room.sum(axis=1, keepdims=True), 1e-12))
