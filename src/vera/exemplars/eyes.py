"""The eyes of a new face: brown irises, the colour of an eye that is kept, and whites as light as the photograph's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from vera.exemplars.layout import opening_of
from vera.mosaic.colour import to_lab
from vera.mosaic.points import EYES
from vera.mosaic.warping import filled, softened
from vera.types import Mask, Points

Floats = npt.NDArray[np.float32]

IRIS = 0.24
"""DECISION: radius of an iris, in widths of the eye."""
PUPIL, WHOLE_IRIS = 0.45, 0.8
"""DECISION: radius of a pupil, in radii of the iris, and the least share of an iris that must be preserved for its colour to count."""
SHUT = 0.1
"""DECISION: opening of an eye, as a share of its width, below which hardly anything but lashes is seen between the lids."""
BROWN = (0.55, 7.0, 11.0)
"""DECISION: brown irises: share of the lightness that is left, and CIELAB colour."""
LIDS = 0.002
"""Gaussian width, in units of the crop, of the border between an eye and its lids."""
DARK, WHITE = 15, 85
"""DECISION: percentiles of the lightness between the lids that count as that of lashes and pupil, and as that of the white; a few
highlights are lighter. What is nearer to the former is left alone."""
GAIN = (0.8, 1.6)
"""DECISION: limits of the change of the whites' lightness."""


def kept_iris(image: Floats, points: Points, preserved: Mask) -> Floats | None:
    """Colour of the iris where one eye is preserved and the other is not: they are a pair.

    Args:
        image: ``(S, S, 3)`` RGB, 0 to 255: the photograph's crop.
        points: landmarks of its face, ``(68, 2)`` or more, in units of the crop.
        preserved: ``(S, S)`` of the crop.

    Returns:
        ``(3,)`` CIELAB, the median of the preserved eye's; None where both eyes are preserved, or none, or the preserved one is shut.

    """
    found = []
    for eye in EYES:
        ring = _iris_ring(*_eye_places(points, eye, len(image)))
        if ring.any() and preserved[ring].mean() > WHOLE_IRIS:
            found.append((eye, ring & preserved))
    if len(found) != 1 or opening_of(points, found[0][0]) < SHUT:
        return None
    return np.asarray(np.median(to_lab(image[found[0][1]][None])[0], axis=0), np.float32)


def whites_of(lab: Floats, points: Points) -> npt.NDArray[np.float64]:
    """Lightness of the white of each eye.

    Args:
        lab: ``(S, S, 3)`` CIELAB.
        points: landmarks of the face, ``(68, 2)`` or more, in units of the crop.

    Returns:
        ``(2,)`` in the order of :data:`vera.mosaic.points.EYES`; NaN for an eye that is shut or outside the crop.

    """
    whites = []
    for eye in EYES:
        between = lab[..., 0][filled(points[list(eye)], len(lab))]
        whites.append(np.percentile(between, WHITE) if len(between) and opening_of(points, eye) >= SHUT else np.nan)
    return np.array(whites, np.float64)


def with_whites(lab: Floats, points: Points, wanted: npt.NDArray[np.float64]) -> Floats:
    """A face whose whites of the eyes are as light as a photograph's; irises, pupils and lashes stay as they are.

    The white is no skin: relit with dark skin, or with skin in the shade, it would look dull.

    Args:
        lab: ``(S, S, 3)`` CIELAB.
        points: landmarks of the face, ``(68, 2)`` or more, in units of the crop.
        wanted: ``(2,)`` from :func:`whites_of`; an eye with NaN stays as it is.

    """
    lightness = lab[..., 0].copy()
    for eye, white, own in zip(EYES, wanted, whites_of(lab, points), strict=True):
        if not np.isfinite(white + own):
            continue
        inside = filled(points[list(eye)], len(lab))
        middle = (float(np.percentile(lightness[inside], DARK)) + own) / 2
        share = softened(inside, LIDS * len(lab))[..., 0] * np.clip((lightness - middle) / max(own - middle, 1e-6), 0, 1)
        lightness *= 1 + (np.clip(white / max(own, 1e-6), *GAIN) - 1) * share
    return np.dstack([lightness, lab[..., 1:]]).astype(np.float32)


def _eye_places(points: Points, eye: Sequence[int], size: int) -> tuple[Floats, Mask]:
    """``(S, S)``: distance to an eye's centre in radii of its iris, and the pixels between its lids."""
    corners = points[list(eye)] * size
    rows, columns = np.mgrid[:size, :size]
    radius = IRIS * float(np.linalg.norm(corners[3] - corners[0]))
    away = np.hypot(columns - corners[:, 0].mean(), rows - corners[:, 1].mean()) / radius
    return np.asarray(away, np.float32), filled(corners / size, size)


def _iris_ring(away: Floats, inside: Mask) -> Mask:
    """``(S, S)``: the visible pixels of an iris around its pupil."""
    return np.asarray(inside & (away > PUPIL) & (away < 1), dtype=np.bool_)


def _iris_share(away: Floats, inside: Mask) -> Floats:
    """``(S, S)`` in [0, 1]: 1 on an iris, with a soft border."""
    return np.asarray(np.clip(1.5 * (1 - away) + 0.5, 0, 1) * softened(inside, LIDS * len(inside))[..., 0], np.float32)


def with_brown_irises(lab: Floats, points: Points) -> Floats:
    """A face whose blue or grey irises are brown; brown ones stay."""
    for eye in EYES:
        share = _iris_share(*_eye_places(points, eye, len(lab))) * np.clip((BROWN[2] - lab[..., 2]) / 8, 0, 1)
        brown = np.dstack([BROWN[0] * lab[..., 0], np.full_like(lab[..., 0], BROWN[1]), np.full_like(lab[..., 0], BROWN[2])])
        lab = np.asarray((1 - share[..., None]) * lab + share[..., None] * brown, np.float32)
    return lab


def with_irises(lab: Floats, points: Points, colour: Floats) -> Floats:
    """A face whose irises have this CIELAB colour in their median; pupils stay black, and highlights white."""
    for eye in EYES:
        away, inside = _eye_places(points, eye, len(lab))
        ring = _iris_ring(away, inside)
        if not ring.any():
            continue
        own = np.median(lab[ring], axis=0)
        lightness = lab[..., 0] + (colour[0] - own[0]) * np.clip(lab[..., 0] / max(float(own[0]), 1.0), 0, 1)
        other = np.dstack([lightness, lab[..., 1:] + (colour[1:] - own[1:])])
        share = _iris_share(away, inside)[..., None]
        lab = np.asarray((1 - share) * lab + share * other, np.float32)
    return lab
