"""Hair over a new face: a matte of the kept hair in a band along its border with the face, and the hair's own colours there.

The band is the *hair edge*: its pixels are neither kept nor replaced but mixed again, ``alpha * hair + (1 - alpha) * new face``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from vera.exemplars.region import opened
from vera.faces.obscuring import box
from vera.mosaic.colour import to_lab
from vera.mosaic.points import forehead_arc
from vera.mosaic.warping import eroded, filled
from vera.types import Mask, Points, Semantic

Floats = npt.NDArray[np.float32]

REACH = 0.024
"""DECISION: half width of the band, in units of the crop's side."""
STEPS = ((0.047, 1e-3), (0.023, 3e-4), (0.012, 1e-4))
"""DECISION: radius (units of the side) and smoothness of each pass of the guided filter, coarse to fine."""
FAST_RADIUS = 6
"""DECISION: radius in pixels up to which the guided filter is computed at full size; wider ones need no more detail than that."""
CUT = 0.08
"""DECISION: mattes below this are face and above one minus this are hair."""
FUSION = (0.117, 0.012)
"""Radii of the two passes of blur fusion, in units of the side."""
LEAST_CONTRAST = 22.0
"""DECISION: CIELAB distance between hair and skin below which colours do not tell them apart."""
NEARER = 0.7
"""DECISION: share of the distance to the skin's colour below which a pixel has the hair's: skin in the shade of a fringe is skin."""
LEAST_HUE = 8.0
"""DECISION: distance in the two colour axes of CIELAB below which hues do not tell hair from skin."""
STRIP = 0.06
"""DECISION: width, in units of the side, of the strip along the hairline in which hair can turn out to be skin."""
LEAST_HAIR = 0.01
"""Share of the crop that must be hair for its colour to be known."""
SHADE = (0.2, 0.5)
"""DECISION: share of the way from the skin's colour to the hair's up to which a pixel shows shaded skin, and from which on it can be
hair."""
LITTLE_HAIR = 0.03
"""DECISION: share of the crop that is hair below which a head may be shaven."""
SCALP = (1.0, 1.35)
"""Where the scalp of a shaven head is looked at, as factors on the rays to the forehead's arc."""
ROUGH_FROM = 0.75
"""DECISION: from where on, as a factor on the rays to the forehead's arc, short hair is looked for."""
STUBBLY, STUBBLE = 1.6, 1.3
"""DECISION: roughness of a scalp, in that of the forehead, from which on it has short hair (shaven ones measured 1.8 to 4.9, bald ones up
to 1.3), and from which on a part of such a scalp has."""
FINEST, AROUND = 0.004, 0.02
"""Gaussian widths, in units of the side, of the detail that counts as roughness, and of the neighbourhood that it is averaged over."""
SPECK = 0.006
"""Size, in units of the side, up to which what looks like hair is a mole or a wrinkle."""
LEAST_ROUGHNESS = 0.1
"""DECISION: roughness in CIELAB units below which a forehead is burnt out or smoothed, and says nothing of a scalp."""


class HairEdge(NamedTuple):
    """Matte and colours of the hair that lies over the new face.

    Attributes:
        alpha: ``(S, S)`` in [0, 1]: share of hair.
        colour: ``(S, S, 3)`` RGB, 0 to 255: the hair's colour where alpha is above 0.
        band: ``(S, S)``: where both hold.

    """

    alpha: Floats
    colour: Floats
    band: Mask


def with_hairline(lab: Floats, labels: npt.NDArray[np.uint8], landmarks: Points) -> npt.NDArray[np.uint8]:
    """Class numbers with a mended hairline: above the brows, skin of the hair's colour is hair, and hair of the skin's hue is skin.

    A parser takes a fringe for forehead, and skin beside the hair for hair: kept, it would be a second hairline. On a head with little
    hair, short hair is looked for first (:func:`with_short_hair`); where it is found, nothing else is mended.

    Args:
        lab: ``(S, S, 3)`` CIELAB of the crop.
        labels: ``(S, S)`` class numbers.
        landmarks: ``(68, 2)`` in units of the crop.

    """
    size = len(labels)
    rows = np.mgrid[:size, :size][0]
    above = _above_brows(landmarks, size)
    cheeks = (labels == Semantic.SKIN) & (rows > landmarks[36:48, 1].max() * size) & (rows < landmarks[48:68, 1].min() * size)
    hair = labels == Semantic.HAIR
    if hair.sum() < LITTLE_HAIR * labels.size:
        shaven = with_short_hair(lab, labels, landmarks)
        if (shaven != labels).any():
            return shaven
    if hair.sum() < LEAST_HAIR * labels.size or not cheeks.any():
        return labels
    skin_colour, hair_colour = np.median(lab[cheeks], axis=0), np.median(lab[hair], axis=0)
    if np.linalg.norm(skin_colour - hair_colour) < LEAST_CONTRAST:
        return labels
    smooth = cv2.GaussianBlur(lab, (0, 0), SPECK * size / 2)
    to_hair, to_skin = (np.linalg.norm(smooth - colour, axis=2) for colour in (hair_colour, skin_colour))
    fringe = opened((to_hair < NEARER * to_skin) & above & np.isin(labels, (Semantic.SKIN, Semantic.BROWS)), SPECK)
    mended = np.where(fringe, np.uint8(Semantic.HAIR), labels)
    if np.linalg.norm(skin_colour[1:] - hair_colour[1:]) < LEAST_HUE:
        return mended
    # Shine on hair is as light as skin, and skin in the shade as dark as hair: lightness alone says nothing here.
    hue_to_hair, hue_to_skin = (np.linalg.norm(smooth[..., 1:] - colour[1:], axis=2) for colour in (hair_colour, skin_colour))
    bare = (hue_to_skin < NEARER * hue_to_hair) & (to_skin < to_hair) & above & hair
    bare &= _dilated(mended == Semantic.SKIN, round(STRIP * size))
    return np.where(opened(bare, SPECK), np.uint8(Semantic.SKIN), mended)


def with_short_hair(lab: Floats, labels: npt.NDArray[np.uint8], landmarks: Points) -> npt.NDArray[np.uint8]:
    """Class numbers of a shaven head, whose short hair a parser takes for skin: replaced by skin, it would be a bald crown.

    Short hair is rougher than the forehead; a bald head is not.

    Args:
        lab: ``(S, S, 3)`` CIELAB of the crop.
        labels: ``(S, S)`` class numbers.
        landmarks: ``(68, 2)`` in units of the crop.

    """
    size, centre, arc = len(labels), landmarks[27:31].mean(axis=0), forehead_arc(landmarks)
    inner, outer, start = (filled(centre + (arc - centre) * factor, size) for factor in (*SCALP, ROUGH_FROM))
    skin, above = eroded(labels == Semantic.SKIN, max(1, round(SPECK * size))), _above_brows(landmarks, size, STRIP / 2)
    scalp, forehead = outer & ~inner & skin & above, start & skin & above
    if min(scalp.sum(), forehead.sum()) < LEAST_HAIR * labels.size / 2:
        return labels
    fine = np.abs(lab[..., 0] - cv2.GaussianBlur(lab[..., 0], (0, 0), FINEST * size))
    usual = float(np.median(fine[forehead]))
    if usual < LEAST_ROUGHNESS or np.median(fine[scalp]) < STUBBLY * usual:
        return labels
    known, total = (cv2.GaussianBlur(plane, (0, 0), AROUND * size) for plane in (skin.astype(np.float32), (fine * skin).astype(np.float32)))
    rough = (total > STUBBLE * usual * np.maximum(known, 1e-6)) & (labels == Semantic.SKIN) & above & ~start
    return np.where(opened(rough, 2 * SPECK), np.uint8(Semantic.HAIR), labels)


def hair_edge(image: Floats, labels: npt.NDArray[np.uint8], region: Mask, over: Mask) -> HairEdge:
    """Find the matte of the hair beside a region.

    Guided filter (He, Sun, Tang, 2013) on the parser's hair, then foreground colours by blur fusion (Forte, 2021).

    Args:
        image: ``(S, S, 3)`` RGB, 0 to 255: the photograph's crop.
        labels: ``(S, S)`` class numbers.
        region: ``(S, S)``: what the new face covers.
        over: ``(S, S)``: where hair hangs over the face; beside it hair stays as it is.

    """
    size = len(labels)
    hair = (labels == Semantic.HAIR).astype(np.float32)
    reach = max(1, round(REACH * size))
    # Only the face and hair over it: background, ears and neck beside them stay as they are.
    band = _dilated(hair > 0, reach) & _dilated(region, reach) & ((hair > 0) & over | region)
    if not band.any():
        return HairEdge(np.zeros_like(hair), np.zeros_like(image), band)
    rows, columns = box(band, margin=round(2 * FUSION[0] * size))
    guide = np.ascontiguousarray(image[rows, columns]) / np.float32(255)
    inside, sure = band[rows, columns], hair[rows, columns]
    alpha = sure
    for radius, smoothness in STEPS:
        alpha = np.where(inside, _guided(guide, alpha, max(1, round(radius * size)), smoothness), sure).astype(np.float32).clip(0, 1)
    alpha = np.asarray(cv2.medianBlur(((alpha - CUT) / (1 - 2 * CUT)).clip(0, 1), 5 if size > 256 else 3), dtype=np.float32)
    front, back = _fused(guide, guide, guide, alpha, max(1, round(FUSION[0] * size)))
    front, _ = _fused(guide, front, back, alpha, max(1, round(FUSION[1] * size)))
    alpha = np.minimum(alpha, _as_dark_as_hair(image, labels, region)[rows, columns])
    whole, colour = np.zeros_like(hair), np.zeros_like(image)
    whole[rows, columns], colour[rows, columns] = alpha, front * 255
    return HairEdge(whole * band, colour, band)


def _as_dark_as_hair(image: Floats, labels: npt.NDArray[np.uint8], region: Mask) -> Floats:
    """``(S, S)``: most that the matte can be, by how far a pixel's colour is on the way from skin to hair.

    Skin in the shade of hair and thin hair roots would lie on the new face as a stain. 1 where colours do not tell skin from hair.
    """
    lab = to_lab(image)
    hair, skin = labels == Semantic.HAIR, (labels == Semantic.SKIN) & region
    if not hair.any() or not skin.any():
        return np.ones(labels.shape, np.float32)
    start = np.median(lab[skin], axis=0)
    way = np.median(lab[hair], axis=0) - start
    if np.linalg.norm(way) < LEAST_CONTRAST:
        return np.ones(labels.shape, np.float32)
    share = cv2.GaussianBlur(np.asarray((lab - start) @ way / (way @ way), np.float32), (0, 0), max(SPECK * len(lab), 0.5))
    none, full = SHADE
    return np.where(hair, 1, np.clip((share - none) / (full - none), 0, 1)).astype(np.float32)


def _above_brows(landmarks: Points, size: int, distance: float = 0.0) -> Mask:
    """``(S, S)``: above the line of the brows by more than a distance in units of the side."""
    rows, columns = np.mgrid[:size, :size]
    brows = landmarks[17:27] * size
    return np.asarray(rows < np.interp(columns, brows[:, 0], brows[:, 1]) - distance * size, dtype=np.bool_)


def _dilated(mask: Mask, radius: int) -> Mask:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), disc) > 0, dtype=np.bool_)


def _mean(values: Floats, radius: int) -> Floats:
    return np.asarray(cv2.blur(values, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REFLECT), dtype=np.float32)


def _guided(guide: Floats, values: Floats, radius: int, smoothness: float) -> Floats:
    """Colour guided filter: locally, values become a linear function of the guide's colours.

    That function is found at reduced size (fast guided filter, He and Sun, 2015, arXiv 1505.00996) and applied to the guide at full size.
    """
    factor = max(1, radius // FAST_RADIUS)
    height, width = values.shape
    if factor > 1:
        size = (max(1, width // factor), max(1, height // factor))
        slope, offset = _linear(_resized(guide, size), _resized(values, size), max(1, round(radius / factor)), smoothness)
        slope, offset = (_resized(plane, (width, height), cv2.INTER_LINEAR) for plane in (slope, offset))
    else:
        slope, offset = _linear(guide, values, radius, smoothness)
    return np.asarray((slope * guide).sum(-1) + offset)


def _resized(plane: Floats, size: tuple[int, int], how: int = cv2.INTER_AREA) -> Floats:
    """A plane at another size (width, height)."""
    return np.asarray(cv2.resize(np.asarray(plane, np.float32), size, interpolation=how), np.float32)


def _linear(guide: Floats, values: Floats, radius: int, smoothness: float) -> tuple[Floats, Floats]:
    """Slope ``(h, w, 3)`` and offset ``(h, w)`` of the guided filter's linear functions, averaged over the radius."""
    centre, level = _mean(guide, radius), _mean(values, radius)
    covariance = _mean(guide * values[..., None], radius) - centre * level[..., None]
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]
    products = [_mean(guide[..., i] * guide[..., j], radius) - centre[..., i] * centre[..., j] for i, j in pairs]
    slope = _solved([product + smoothness * (i == j) for product, (i, j) in zip(products, pairs, strict=True)], covariance)
    offset = level - (slope * centre).sum(-1)
    return _mean(slope, radius), _mean(offset, radius)


def _solved(matrix: Sequence[npt.NDArray[np.floating]], right: Floats) -> Floats:
    """Solve a symmetric 3 x 3 system of equations in each pixel by Cramer's rule; a general solver takes many times as long.

    Args:
        matrix: entries rr, rg, rb, gg, gb, bb of the matrix, each ``(h, w)``.
        right: right sides of the equations, ``(h, w, 3)``.

    Returns:
        ``(h, w, 3)``.

    """
    rr, rg, rb, gg, gb, bb = (part.astype(np.float64) for part in matrix)
    r, g, b = right[..., 0], right[..., 1], right[..., 2]
    first, second, third = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    middle, cross, last = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    rows = (first * r + second * g + third * b, second * r + middle * g + cross * b, third * r + cross * g + last * b)
    return np.asarray(np.stack(rows, -1) / (rr * first + rg * second + rb * third)[..., None], np.float32)


def _fused(image: Floats, front: Floats, back: Floats, alpha: Floats, radius: int) -> tuple[Floats, Floats]:
    """Foreground and background colours that explain the image, nearly constant over the radius."""
    share, wide = alpha[..., None], _mean(alpha, radius)[..., None]
    front = _mean(front * share, radius) / (wide + 1e-5)
    back = _mean(back * (1 - share), radius) / (1 - wide + 1e-5)
    return np.clip(front + share * (image - share * front - (1 - share) * back), 0, 1), back
