"""Segmentations of source photographs and of mosaics.

The parser of :mod:`vera.faces.parsing` takes any photograph. Portraits before a plain background show more: what differs from the
background is the person, and the colour of clothes can be learnt at the picture's lower corners. A corrected segmentation of a source
corrects every mosaic that it goes into.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vera.faces.landmarks import scaled
from vera.faces.mixtures import fit_mixture
from vera.mosaic.points import BROWS, EYES, LIPS, MARGIN, OUTLINE
from vera.mosaic.warping import Floats, filled
from vera.types import BARE_FACE, FACE_SKIN, Mask, Points, Semantic

Labels = npt.NDArray[np.uint8]
"""``(S, S)`` class numbers."""

PLAIN = 4.0
"""DECISION: a background whose colours deviate from a smooth field by less than this (CIELAB, median) is plain, and told by its colour."""
NEAR, FAR = 3.5, 9.0
"""DECISION: distances from the plain background's colour: under the first nothing is a person, above the second everything is."""
DARKER = 5.0
"""DECISION: lightness by which a brow's hair differs from the skin around it."""
SKIN_AND_BROWS = (Semantic.SKIN, Semantic.EARS, Semantic.NECK, Semantic.NOSE, Semantic.BROWS)


def refined(labels: Labels, lab: Floats, points: Points) -> Labels:
    """Refine a parser's segmentation of a studio portrait.

    Args:
        labels: ``(A, A)`` of the frame.
        lab: ``(A, A, 3)`` CIELAB of the frame.
        points: ``(105, 2)`` in units of the crop.

    """
    side = labels.shape[0]
    placed = (points + MARGIN) / (1 + 2 * MARGIN)
    labels = _hair_at_background(labels.copy(), lab, placed, side)
    labels = _bald_is_skin(labels, lab, placed, side)
    labels = _beard_is_skin(labels, placed, side)
    labels = _neck_or_clothes(labels, lab, placed, side)
    labels = _without_hair_at_eyes(labels, placed, side)
    return with_brows(labels, brows(lab, placed, side))


def brows(lab: Floats, points: Points, side: int) -> Mask:
    """Hair of the brows: what is darker (or lighter) than the skin around, near the landmarks; the landmarks' band where nothing is.

    Args:
        lab: image in CIELAB, ``(side, side, 3)``.
        points: mesh points in units of the side.
        side: side of the square in pixels.

    """
    found = np.zeros((side, side), np.bool_)
    width = np.linalg.norm(points[16] - points[0])
    for brow in BROWS:
        line = points[list(brow)]
        thick = 0.028 * width * np.array([0.6, 1, 1, 1, 0.6])[:, None] * [0, 1]
        band = filled(np.vstack([line - 0.6 * thick, (line + 1.1 * thick)[::-1]]), side)
        near = filled(np.vstack([line - 1.6 * thick, (line + 1.7 * thick)[::-1]]), side)
        ring = cv2.dilate(near.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.bool_) & ~near
        skin = np.median(lab[ring], axis=0) if ring.any() else np.zeros(3)
        hair = near & (np.abs(lab[..., 0] - skin[0]) > DARKER) & (lab[..., 0] < skin[0] + DARKER)
        hair = cv2.morphologyEx(hair.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(np.bool_)
        hair = cv2.morphologyEx(hair.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)).astype(np.bool_) & near
        _, pieces = cv2.connectedComponents(hair.astype(np.uint8))
        hair = np.isin(pieces, np.unique(pieces[band & hair])) & hair
        found |= hair if hair.sum() > 0.4 * band.sum() else band
    return found


def with_brows(labels: Labels, found: Mask) -> Labels:
    """Replace the brows by a mask; hair that hangs over them stays."""
    labels = np.where(labels == Semantic.BROWS, Semantic.SKIN, labels).astype(np.uint8)
    labels[found & np.isin(labels, FACE_SKIN)] = Semantic.BROWS
    return labels


def with_features(surround: Labels, points: Points, brow: Mask) -> Labels:
    """The mosaic's segmentation: what the surround shows, with the features where the target's points are.

    Args:
        surround: ``(S, S)``, the donor's segmentation, warped.
        points: ``(105, 2)`` of the target.
        brow: ``(S, S)``, the brows of the person they come from, warped.

    """
    side = surround.shape[0]
    labels = np.where(np.isin(surround, BARE_FACE), Semantic.SKIN, surround).astype(np.uint8)
    face = labels == Semantic.SKIN
    labels[filled(nose(points), side) & face] = Semantic.NOSE
    labels = with_brows(labels, brow)
    for eye in EYES:
        labels[filled(scaled(points[list(eye)], np.array([1.08, 1.2])), side) & (face | (surround == Semantic.HAIR))] = Semantic.EYES
    labels[filled(points[list(LIPS)], side) & (face | (labels == Semantic.NECK))] = Semantic.MOUTH
    return labels


def nose(points: Points) -> Points:
    """Outline of the nose."""
    out = 0.025 * float(np.linalg.norm(points[16] - points[0]))
    bridge = [points[27] + 0.4 * (points[e] - points[27]) for e in (39, 42)]
    right = [points[35] + [out, -out], points[35] + [0.6 * out, 0.3 * out]]
    left = [points[31] + [-0.6 * out, 0.3 * out], points[31] + [-out, -out]]
    sides = [points[29] + 0.6 * (points[e] - points[33]) * [1, 0] for e in (35, 31)]
    return np.array([*bridge, sides[0], *right, points[33] + [0, 0.5 * out], *left, sides[1]])


def valid(labels: Labels) -> Floats:
    """``(A, A)`` in [0, 1]: where a source shows its face, and not hair, a hand or the background."""
    return np.asarray(cv2.blur(np.isin(labels, BARE_FACE).astype(np.float32), (3, 3)), dtype=np.float32)


def forehead_is_clear(labels: Labels, points: Points) -> float:
    """Share of the forehead that is skin: below about 0.95 a fringe hangs into it."""
    side = labels.shape[0]
    placed = (points + MARGIN) / (1 + 2 * MARGIN)
    inner = filled(scaled(placed[OUTLINE], 0.9, placed[27:31].mean(0)), side)
    inner[int(placed[17:27, 1].max() * side) :] = False
    inner &= labels != Semantic.BROWS
    return float((labels[inner] == Semantic.SKIN).mean()) if inner.any() else 0.0


def _hair_at_background(labels: Labels, lab: Floats, points: Points, side: int) -> Labels:
    """Wisps of hair that the parser lost, and background that it took for hair; only where the background is plain."""
    background = labels == Semantic.BACKGROUND
    sure = cv2.erode(background.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(np.bool_)
    if sure.sum() < 0.02 * side**2:
        return labels
    field = _smooth_field(lab, sure)
    distance = np.linalg.norm((lab - field) * np.array([1, 1.5, 1.5], np.float32), axis=2)
    if np.median(distance[sure]) > PLAIN:
        return labels
    rows = np.mgrid[:side, :side][0] / side
    chin, head = points[8, 1], labels == Semantic.HAIR
    reach = cv2.dilate(head.astype(np.uint8), np.ones((2 * (side // 14) + 1,) * 2, np.uint8)).astype(np.bool_)
    person = (distance > FAR) & background & reach & (rows < chin + 0.12)
    joined = person | head
    _, pieces = cv2.connectedComponents(joined.astype(np.uint8))
    labels[np.isin(pieces, np.unique(pieces[head])) & person] = Semantic.HAIR
    fabric = labels == Semantic.CLOTHES
    pale = (distance > NEAR) & background & (rows > chin + 0.04)
    pale = cv2.morphologyEx((pale | fabric).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)).astype(np.bool_) & background
    _, pieces = cv2.connectedComponents((pale | fabric).astype(np.uint8))
    labels[np.isin(pieces, np.unique(pieces[fabric])) & pale & (rows > chin + 0.04)] = Semantic.CLOTHES
    outline = filled(scaled(points[OUTLINE], 1.05, points[27:31].mean(0)), side)
    nothing = (distance < NEAR) & np.isin(labels, (Semantic.HAIR, Semantic.EARS, Semantic.NECK)) & ~outline & (rows < chin)
    labels[cv2.morphologyEx(nothing.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(np.bool_)] = Semantic.BACKGROUND
    return _without_holes(labels, side)


def _without_holes(labels: Labels, side: int) -> Labels:
    """Small islands inside the hair are hair."""
    count, pieces, statistics, _ = cv2.connectedComponentsWithStats((labels != Semantic.HAIR).astype(np.uint8))
    small = [n for n in range(1, count) if statistics[n, cv2.CC_STAT_AREA] < 0.002 * side**2]
    labels[np.isin(pieces, small)] = Semantic.HAIR
    return labels


def _smooth_field(lab: Floats, sure: Mask) -> Floats:
    """The background's colour everywhere: a quadratic surface, fitted twice without outliers."""
    side = lab.shape[0]
    y, x = np.mgrid[:side, :side] / side
    terms = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1)
    field = np.zeros_like(lab)
    for _ in range(3):
        coefficients = np.linalg.lstsq(terms[sure][::7], lab[sure][::7], rcond=None)[0]
        field = (terms @ coefficients).astype(np.float32)
        deviation = np.linalg.norm(lab - field, axis=2)
        sure = sure & (deviation < max(3 * float(np.median(deviation[sure])), 1.0))
    return field


def _bald_is_skin(labels: Labels, lab: Floats, points: Points, side: int) -> Labels:
    """Shine on a bald head, or short stubble of skin's colour, that was taken for hair."""
    hair = (labels == Semantic.HAIR) & (np.mgrid[:side, :side][0] / side < points[27, 1])
    cheeks = filled(points[[1, 3, 5, 11, 13, 15, 30]], side) & (labels == Semantic.SKIN)
    if hair.sum() < 0.002 * side**2 or cheeks.sum() < 200:
        return labels
    skin = np.median(lab[cheeks], axis=0)
    like_skin = (np.abs(lab[..., 1:] - skin[1:]) < 9).all(axis=2) & (lab[..., 0] > skin[0] - 12)
    if like_skin[hair].mean() > 0.6:  # DECISION: most pixels of supposed hair have the skin's colour
        labels[labels == Semantic.HAIR] = Semantic.SKIN
    return labels


def _beard_is_skin(labels: Labels, points: Points, side: int) -> Labels:
    """Small pieces of hair at the jaw are a beard, which counts as skin (as in CelebAMask-HQ), or shade on the neck."""
    count, pieces, statistics, _ = cv2.connectedComponentsWithStats((labels == Semantic.HAIR).astype(np.uint8))
    small = [n for n in range(1, count) if statistics[n, cv2.CC_STAT_AREA] < 0.004 * side**2]
    jaw = filled(scaled(points[OUTLINE], 1.04, points[27:31].mean(0)), side)
    piece = np.isin(pieces, small) & (np.mgrid[:side, :side][0] / side > points[33, 1])
    labels[piece] = np.where(jaw[piece], Semantic.SKIN, Semantic.NECK)
    return labels


def _without_hair_at_eyes(labels: Labels, points: Points, side: int) -> Labels:
    """Brows and lashes that the parser joined to the hair at the temple: below a bare forehead there is no fringe."""
    for brow, eye in zip(BROWS, EYES, strict=True):
        line, down = points[list(brow)], np.array([0, 1.0])
        zone = filled(np.vstack([line - 0.03 * down, (line + 0.035 * down)[::-1]]), side)
        zone |= filled(scaled(points[list(eye)], np.array([1.5, 2.2])), side)
        above = filled(np.vstack([line - 0.09 * down, (line - 0.03 * down)[::-1]]), side)
        fringe = (above & (labels == Semantic.HAIR)).sum(0) > 0.5 * np.maximum(above.sum(0), 1)
        fringe = fringe & above.any(0)
        labels[zone & (labels == Semantic.HAIR) & ~fringe[None]] = Semantic.SKIN
    return labels


def _neck_or_clothes(labels: Labels, lab: Floats, points: Points, side: int) -> Labels:
    """Bare skin in a neckline, and collars: by colours learnt on the face and at the lower corners."""
    y, x = np.mgrid[:side, :side] / side
    below = np.isin(labels, (Semantic.NECK, Semantic.CLOTHES)) & (y > points[8, 1])
    width = np.linalg.norm(points[16] - points[0])
    corners = (labels == Semantic.CLOTHES) & (np.abs(x - points[8, 0]) > 0.65 * width) & (y > points[8, 1] + 0.06)
    flesh = (labels == Semantic.SKIN) & (y > points[28, 1]) | (labels == Semantic.NECK) & (y < points[8, 1] + 0.06)
    if corners.sum() < 0.003 * side**2 or flesh.sum() < 200:
        return labels
    cv2.setRNGSeed(0)
    skin, cloth = fit_mixture(lab[flesh], 3)(lab), fit_mixture(lab[corners], 3)(lab)
    labels = _hair_behind_neck(labels, lab, below & (np.abs(x - points[8, 0]) > 0.25 * width), np.maximum(skin, cloth))
    below &= labels != Semantic.HAIR
    score = np.asarray(cv2.GaussianBlur(np.clip((skin - cloth) * 0.5, -8, 8), (0, 0), side / 200), dtype=np.float64)
    depth = np.clip((y - points[8, 1]) / max(1 - points[8, 1], 1e-3), 0, 1)
    lateral = np.abs(x - points[8, 0]) / width
    prior = 1.5 - 3.0 * depth * np.clip(lateral - 0.2, 0, 1) - 6 * np.clip(lateral - 0.75, 0, 1)
    labels[below] = np.where((score + prior > 0)[below], Semantic.NECK, Semantic.CLOTHES)
    return _majority(labels, below, side)


def _hair_behind_neck(labels: Labels, lab: Floats, where: Mask, others: npt.NDArray[np.float64]) -> Labels:
    """Long hair beside the neck: it has the colour of the hair above, and hangs together with it.

    Args:
        labels: class numbers, ``(side, side)`` uint8.
        lab: image in CIELAB, ``(side, side, 3)``.
        where: neck or clothes that may be hair.
        others: log density of the colours as skin or cloth, whichever is more.

    """
    hair = labels == Semantic.HAIR
    if hair.sum() < 200:
        return labels
    alike = where & (fit_mixture(lab[hair], 3)(lab) > others + 4)
    alike = cv2.morphologyEx(alike.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(np.bool_)
    touching = cv2.dilate(hair.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_)
    _, pieces = cv2.connectedComponents(alike.astype(np.uint8))
    labels[np.isin(pieces, np.unique(pieces[alike & touching])) & alike] = Semantic.HAIR
    return labels


def _majority(labels: Labels, where: Mask, side: int) -> Labels:
    """Smooth the border between neck and clothes, and drop specks."""
    neck = cv2.GaussianBlur((labels == Semantic.NECK).astype(np.float32), (0, 0), side / 150)
    clothes = cv2.GaussianBlur((labels == Semantic.CLOTHES).astype(np.float32), (0, 0), side / 150)
    labels[where] = np.where((neck >= clothes)[where], Semantic.NECK, Semantic.CLOTHES)
    return labels
