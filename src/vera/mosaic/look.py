"""Measure the colours of a face's parts: on source photographs as a reference, on mosaics to find faults."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vera.faces.landmarks import scaled
from vera.mosaic.points import LIPS, OPENING, OUTLINE
from vera.mosaic.warping import Floats, eroded, filled
from vera.types import Mask, Points, Semantic

Colour = npt.NDArray[np.float64]
"""``(3,)`` CIELAB; NaN where there is nothing to measure."""

OPEN = 0.012
"""DECISION: lips farther apart than this (units of the crop) show teeth."""
CHEEKS = ([1, 2, 3, 31, 40, 41], [15, 14, 13, 35, 47, 46])


class SkinLook(NamedTuple):
    """Colours of one face, each ``(3,)`` CIELAB.

    Attributes:
        skin: colour of the cheeks, where no beard grows.
        forehead: colour of the forehead without hair.
        lips: colour of the lips without the mouth's inside.
        chin: lips' lower side and jaw.
        moustache: between nose and lips.
        brows: colour of the brows' hair.
        hair: colour of the hair; NaN for the bald.
        teeth: the bright part between the lips; NaN where they are closed.

    """

    skin: Colour
    forehead: Colour
    lips: Colour
    chin: Colour
    moustache: Colour
    brows: Colour
    hair: Colour
    teeth: Colour


def measure(lab: Floats, labels: npt.NDArray[np.uint8], points: Points) -> SkinLook:
    """Measure the colours of one face.

    Args:
        lab: ``(S, S, 3)`` CIELAB.
        labels: ``(S, S)`` class numbers.
        points: ``(105, 2)`` in units of the side S.

    """
    side = labels.shape[0]
    rows = np.mgrid[:side, :side][0] / side
    skin = labels == Semantic.SKIN
    face = filled(scaled(points[OUTLINE], 0.82, points[27:31].mean(0)), side)
    lips, opening = filled(points[list(LIPS)], side), filled(points[list(OPENING)], side)
    around = ~filled(scaled(points[list(LIPS)], 1.2), side) & face & skin
    cheeks = np.any([filled(scaled(points[cheek], 0.85), side) for cheek in CHEEKS], axis=0)
    between = (rows > points[33, 1] + 0.01) & (rows < points[48:60, 1].mean())
    width = filled(points[[31, 35, 54, 48]], side)
    teeth = opening if np.ptp(points[list(OPENING), 1]) > OPEN else np.zeros_like(opening)
    return SkinLook(
        skin=_median(lab, cheeks & skin),
        forehead=_median(lab, face & skin & (rows < points[17:27, 1].min() - 0.02)),
        lips=_median(lab, lips & ~opening),
        chin=_median(lab, around & (rows > points[57, 1])),
        moustache=_median(lab, around & between & width),
        brows=_median(lab, labels == Semantic.BROWS),
        hair=_median(lab, eroded(labels == Semantic.HAIR, max(1, side // 128))),
        teeth=_bright(lab, teeth),
    )


def _median(lab: Floats, where: Mask) -> Colour:
    """Median colour; NaN for too few pixels (under 1/5000 of the square)."""
    enough = where.sum() >= max(8, where.size // 5000)
    return np.median(lab[where], axis=0).astype(np.float64) if enough else np.full(3, np.nan)


def _bright(lab: Floats, where: Mask) -> Colour:
    """The brighter half."""
    if where.sum() < max(8, where.size // 5000):
        return np.full(3, np.nan)
    return _median(lab, where & (lab[..., 0] >= np.median(lab[where][:, 0])))
