"""The region of the crop that the new face covers: skin between jaw line and hair, without ears and neck."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vera.faces.landmarks import scaled
from vera.faces.regions import largest
from vera.mosaic.points import OUTLINE, forehead_arc
from vera.mosaic.warping import filled
from vera.types import FACE_SKIN, Mask, Points, Semantic

Labels = npt.NDArray[np.uint8]

UPWARDS = 1.22
"""DECISION: how far above the hairline's points skin still belongs to the face (temples, a receding hairline), as a factor on the rays."""
HIGHEST = 1.22
"""DECISION: but no farther than this, in the forehead's arc: the crown of a shaven head stays as it is."""
BEYOND = 1.03
"""DECISION: how far over the outline the region may reach, as a factor on the rays."""
OTHERS = (Semantic.BACKGROUND, Semantic.EARS, Semantic.NECK, Semantic.CLOTHES, Semantic.HAT)
"""Classes that the new face never covers outside the landmarks' hull."""
SMOOTH = 0.003
"""Gaussian width, in units of the side, that smooths the border of the hair."""
OPENING, GROWTH = 0.009, 0.007
"""Sizes, in units of the side, by which specks are removed and the region grows over its border."""
EVEN = 0.006
"""Gaussian width, in units of the side, that smooths the region's border: a parser's steps would show as notches in the jaw line."""
CORE = 0.93
"""DECISION: inside the landmarks' hull shrunk by this factor everything belongs to the face, whatever a parser says: no piece of the old
face may stay."""


def face_region(points: Points, labels: Labels) -> Mask:
    """The region of the crop that the new face covers.

    Args:
        points: ``(105, 2)`` mesh of the photograph, its forehead at the hairline.
        labels: ``(S, S)`` class numbers.

    """
    size = len(labels)
    centre = points[27:31].mean(axis=0)
    outline = _outline(points)
    hair = cv2.GaussianBlur((labels == Semantic.HAIR).astype(np.float32), (0, 0), max(SMOOTH * size, 0.5)) > 0.5
    region = filled(outline, size) & ~hair & ~np.isin(labels, [int(c) for c in OTHERS])
    hull = cv2.convexHull(points[:68].astype(np.float32))[:, 0].astype(np.float64)
    brows_to_chin = cv2.convexHull(np.vstack([points[17:68], points[4:13]]).astype(np.float32))[:, 0].astype(np.float64)
    # A fringe may hang over the hull; from the brows to the chin there is none.
    core = filled(scaled(hull, CORE, centre), size) & ~hair | filled(scaled(brows_to_chin, CORE, centre), size)
    region = opened(region | core, OPENING)
    region = _solid(region | core)
    grown = cv2.dilate(region.astype(np.uint8), _square(GROWTH, size)) > 0
    within = grown & (filled(scaled(outline, BEYOND, centre), size) | core)
    even = cv2.GaussianBlur(within.astype(np.float32), (0, 0), max(EVEN * size, 0.5)) > 0.5
    return np.asarray((even & ~hair) | core, dtype=np.bool_)


def under_hair(points: Points, size: int) -> Mask:
    """``(S, S)``: where hair hangs over the face, and not over what is beside or behind it."""
    return filled(scaled(_outline(points), BEYOND, points[27:31].mean(axis=0)), size)


def _outline(points: Points) -> Points:
    """Jaw line and hairline, the latter a little higher: skin of the temples and of a receding hairline belongs to the face."""
    centre, outline = points[27:31].mean(axis=0), points[OUTLINE].copy()
    above = outline[:, 1] < centre[1]
    arc = np.vstack([points[:17], forehead_arc(points[:68])[::-1]])
    reach = np.linalg.norm(outline - centre, axis=1) / np.maximum(np.linalg.norm(arc - centre, axis=1), 1e-9)
    factor = np.minimum(UPWARDS, np.maximum(HIGHEST / np.maximum(reach, 1e-9), 1.0))[above]
    outline[above] = centre + (outline[above] - centre) * factor[:, None]
    return np.asarray(outline)


def skin_of(labels: Labels, region: Mask) -> Mask:
    """Pixels that surely show the skin of the face: where its light is measured."""
    skin = np.isin(labels, FACE_SKIN) & region
    eroded = cv2.erode(skin.astype(np.uint8), _square(2 * OPENING, len(labels))) > 0
    return np.asarray(eroded if eroded.sum() > 0.2 * skin.sum() else skin, dtype=np.bool_)


def _square(side: float, size: int) -> npt.NDArray[np.uint8]:
    width = max(1, round(side * size))
    return np.ones((width, width), np.uint8)


def opened(mask: Mask, width: float) -> Mask:
    """A mask ``(S, S)`` without specks narrower than ``width``, in units of the side."""
    return np.asarray(cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, _square(width, len(mask))) > 0, dtype=np.bool_)


def _solid(mask: Mask) -> Mask:
    """The largest connected part, its holes filled."""
    part = largest(mask).astype(np.uint8)
    outlines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(part, outlines, -1, 1, thickness=cv2.FILLED)
    return np.asarray(part, dtype=np.bool_)
