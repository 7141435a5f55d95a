"""Draw the recipe of a mosaic: which people are mixed, with which weights. One draw is one identity in all its roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vera.mosaic.bank import Bank
from vera.mosaic.points import REGIONS
from vera.types import VeraError

Floats = npt.NDArray[np.float64]

LARGEST = 0.35
"""DECISION: most that one person may weigh in the shape of any feature."""
SPREAD = 4.0
"""DECISION: of the Dirichlet distribution of weights: near to equal, but not equal."""
EXAGGERATION = (1.1, 1.35)
"""DECISION: a mean of faces is nearer to the mean face than a face is: its deviation is brought back."""
TONE = 10.0
"""DECISION: partners are close in skin tone: a Gaussian over the CIELAB distance, of this width."""
CHIN = 0.02
"""DECISION: the surround's donor is close in the chin's height, else neck and collar are stretched to streaks."""
PARTS = ("skin", "eyes", "mouth", "nose", "brows", "chin")
"""Whose fine detail is taken, for each."""
CASTINGS = 8
"""DECISION: so many castings of people to parts are drawn, and the one whose colours go together best is taken."""


@dataclass(frozen=True)
class Recipe:
    """Recipe of one mosaic identity: people, donor and weights.

    Attributes:
        people: numbers of the k people in the bank.
        donor: person who gives hair, ears, neck, clothes and background; not one of the k.
        mirrored: whether each of the k is mirrored.
        donor_mirrored: whether the donor is mirrored.
        whole: ``(k,)`` weights of the whole shape and of the broad colours.
        regions: ``(k,)`` weights of each region's shape.
        parts: part to position among the k: the fine detail's person.
        exaggeration: factor of the shape's deviation from the mean.

    """

    people: tuple[int, ...]
    donor: int
    mirrored: tuple[bool, ...]
    donor_mirrored: bool
    whole: Floats
    regions: Mapping[str, Floats]
    parts: Mapping[str, int]
    exaggeration: float


def check_people(sexes: Sequence[str], clear: Sequence[bool], k: int) -> None:
    """Make sure that enough people are alike enough to be mixed.

    Args:
        sexes: sex of each person who may be mixed.
        clear: whether each person's forehead shows.
        k: number of people who are mixed.

    Raises:
        VeraError: there are too few, or k is too small for the bound on weights.

    """
    if k * LARGEST < 1:
        raise VeraError(f"--k {k}: nobody may weigh more than {LARGEST}, so at least {int(np.ceil(1 / LARGEST))} people are mixed")
    if not enough(sexes, clear, k).any():
        raise VeraError(
            f"mosaics of {k} need {k} people of one sex without a fringe, and one more for the hair: add people, or choose a smaller --k"
        )


def enough(sexes: Sequence[str], clear: Sequence[bool], k: int) -> npt.NDArray[np.bool_]:
    """Whether, for each person, there are k clear foreheads of the same sex and one person more."""
    same = np.array([[a == b for a in sexes] for b in sexes])
    return np.asarray((same.sum(1) > k) & ((same & np.asarray(clear, dtype=np.bool_)).sum(1) >= k))


def draw(rng: np.random.Generator, bank: Bank, k: int, *, even: bool = False) -> Recipe:
    """Draw an identity.

    Args:
        rng: the identity is a function of its state.
        bank: the prepared people; they have passed :func:`check_people`.
        k: people whose features are mixed.
        even: people of rare skin tones are drawn more often as the first, so that mosaics cover skin tones evenly; otherwise all alike.

    """
    able = np.flatnonzero(bank.clear & enough(bank.sex.tolist(), bank.clear.tolist(), k))
    first = int(rng.choice(able, p=_rarity(bank, able) if even else None))
    alike = np.exp(-((bank.tone - bank.tone[first]) ** 2).sum(1) / (2 * TONE**2)) + 1e-6
    alike *= bank.sex == bank.sex[first]
    alike[first] = 0
    open_faces = alike * bank.clear
    people = (first, *(int(p) for p in rng.choice(len(alike), k - 1, replace=False, p=open_faces / open_faces.sum())))
    apart = np.abs(bank.chin - bank.chin[:, list(people)].mean(1, keepdims=True)).max(0)
    fitting = alike * (np.exp(-(apart**2) / (2 * CHIN**2)) + 1e-9)
    fitting[list(people)] = 0
    donor = int(rng.choice(len(fitting), p=fitting / fitting.sum()))
    whole, regions = weights(rng, k), {region: weights(rng, k) for region in REGIONS}
    mirrored, donor_mirrored = tuple((rng.random(k) < 0.5).tolist()), bool(rng.random() < 0.5)
    exaggeration = float(rng.uniform(*EXAGGERATION))
    castings = [dict(zip(PARTS, np.resize(rng.permutation(k), len(PARTS)).tolist(), strict=True)) for _ in range(CASTINGS)]
    parts = min(castings, key=lambda casting: discord(bank, people, donor, casting))
    return Recipe(people, donor, mirrored, donor_mirrored, whole, regions, parts, exaggeration)


def _rarity(bank: Bank, able: npt.NDArray[np.intp]) -> Floats:
    """Probability of each of these people: the inverse of how many people of the same sex have a like skin tone."""
    tone, sex = bank.tone[able], bank.sex[able]
    alike = np.exp(-((tone[:, None] - tone[None]) ** 2).sum(2) / (2 * TONE**2)) * (sex[:, None] == sex[None])
    rare = 1 / alike.sum(1)
    return np.asarray(rare / rare.sum())


def weights(rng: np.random.Generator, k: int) -> Floats:
    """``(k,)``: Dirichlet, none above :data:`LARGEST`; what is cut off goes to the others in proportion."""
    drawn = rng.dirichlet([SPREAD] * k)
    cut = np.zeros(k, dtype=np.bool_)
    while (drawn > LARGEST + 1e-12).any():
        cut |= drawn >= LARGEST
        free = drawn[~cut].sum()
        drawn = np.where(cut, LARGEST, drawn * (1 - LARGEST * cut.sum()) / free if free > 0 else drawn)
    return np.asarray(drawn)


def discord(bank: Bank, people: tuple[int, ...], donor: int, casting: Mapping[str, int]) -> float:
    """Colour mismatch of a casting in CIELAB units: brows against the donor's hair, stubble against stubble."""
    looks = {part: bank.looks[people[position]][0] for part, position in casting.items()}
    hair = bank.looks[donor][0].hair
    brows = float(np.linalg.norm(looks["brows"].brows - hair)) if np.isfinite(hair).all() else 0.0
    chin, mouth, skin = looks["chin"], looks["mouth"], looks["skin"]
    beards = [chin.chin - chin.skin, mouth.moustache - mouth.skin, skin.chin - skin.skin]
    ill = [float(np.linalg.norm(a - b)) for a in beards for b in beards]
    return float(np.nan_to_num(brows)) + float(np.nan_to_num(ill).sum()) / 4
