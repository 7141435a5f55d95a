"""Which photograph pixels are kept bit for bit, and which are replaced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from vera.anonymization.placement import Window, eye_distance, grow, inside_crop, to_window
from vera.faces.photograph import read_photograph
from vera.types import FACE, AlignedFace, Mask, Photograph, Semantic, VeraError

DILATION = 0.05
"""DECISION: how far the replaced region reaches over the parsed outline, in eye distances: parsers are a few pixels off."""
OUTLINE = 0.03
"""DECISION: Gaussian width that smooths the outline, in eye distances."""
MOST_PRESERVED = 0.85
"""DECISION: if more of the face than this is preserved, nothing is anonymized."""
LEAST_VISIBLE = 0.005
"""DECISION: a class counts as visible from this area on, in squared eye distances."""
CROP_INSET = 0.015
"""DECISION: the replaced region keeps this share of the crop's side from its edge, so that a seam can be closed there."""
INNER_FACE = slice(17, 68)
"""Landmarks from the brows to the mouth."""


def read_mask(path: str | Path, size: tuple[int, int]) -> Mask:
    """A drawn region: pixels brighter than 127 are kept.

    Args:
        path: an 8-bit image of the upright photograph's size.
        size: the photograph's ``(H, W)``.

    Raises:
        VeraError: the file cannot be read, is empty, or has another size.

    """
    pixels = read_photograph(Path(path)).pixels
    return check_mask(pixels.min(axis=2) > 127, size, str(path))


def check_mask(mask: Mask, size: tuple[int, int], name: str) -> Mask:
    """The mask, if it is boolean, of the photograph's size and not empty; a VeraError otherwise."""
    if mask.dtype != np.bool_:
        raise VeraError(f"mask '{name}' must be boolean (True = keep), not {mask.dtype}")
    if mask.shape != size:
        raise VeraError(f"mask '{name}' has shape {mask.shape}, its photograph {size}: draw it on the upright photograph, at its full size")
    if not mask.any():
        raise VeraError(f"mask '{name}' is empty: paint what is to be kept white, or leave the mask out")
    return mask


def preserved_region(photograph: Photograph, face: AlignedFace, parsed: Tensor, *, classes: Sequence[Semantic], mask: Mask | None) -> Mask:
    """Union of the named classes (probability above one half) and a drawn mask.

    Args:
        photograph: the source.
        face: its alignment.
        parsed: ``(K, S', S')`` class probabilities.
        classes: kept wherever they are seen.
        mask: ``(H, W)``, True = keep.

    Returns:
        ``(H, W)``; all False if nothing is asked for.

    Raises:
        VeraError: a class is not visible, or a mask is empty or of another size.

    """
    region = np.zeros(photograph.size, dtype=bool)
    if mask is not None:
        region |= check_mask(np.asarray(mask), photograph.size, f"of {photograph.name}")
    if not classes:
        return region
    window = Window.around_face(face, photograph.size)
    probabilities, _ = to_window(parsed[list(classes)], face, window)
    for number, known in enumerate(classes):
        if int((probabilities[:, :, number] > 0.5).sum()) < LEAST_VISIBLE * eye_distance(face) ** 2:
            raise VeraError(
                f"'{known.name.lower()}' is not visible in photograph '{photograph.name}' and cannot be preserved: "
                "leave it out, or draw a mask"
            )
    region |= window.into(probabilities.sum(axis=2) > 0.5, photograph.size)
    return region


def replaced_region(photograph: Photograph, face: AlignedFace, parsed: Tensor, preserved: Mask, *, hair: bool) -> Mask:
    """The aligned crop ∩ the dilated face (hair by option), minus the preserved region.

    The hull of the landmarks from brows to mouth always belongs to the face, whatever the parser says, and holes are filled:
    a parser's mistake must not leave a piece of the source. Only parts that touch this hull count, so that another person's
    face in the same crop is left alone.

    Args:
        photograph: the source.
        face: its alignment.
        parsed: ``(K, S', S')`` class probabilities.
        preserved: ``(H, W)``, from :func:`preserved_region`.
        hair: replace the hair too.

    Returns:
        ``(H, W)``, not empty.

    Raises:
        VeraError: the preserved region leaves next to nothing of the face to be replaced.

    """
    unit = eye_distance(face)
    window = Window.around_face(face, photograph.size)
    classes = [*FACE, Semantic.HAIR] if hair else list(FACE)
    likely, _ = to_window(parsed[classes].sum(dim=0, keepdim=True), face, window)
    hull = _inner_face(face, window)
    seen = _parts_touching((likely[:, :, 0] > 0.5) | hull, hull)
    grown = grow(seen, DILATION * unit)
    outline = cv2.GaussianBlur(grown.astype(np.float32), (0, 0), max(OUTLINE * unit, 0.5)) > 0.5
    whole = (outline | seen) & inside_crop(face, window, inset=CROP_INSET * face.size)
    kept = preserved[window.slices]
    if not whole.any() or (kept & whole).sum() > MOST_PRESERVED * whole.sum():
        raise VeraError(
            f"the preserved region covers more than {MOST_PRESERVED:.0%} of the face in photograph '{photograph.name}': "
            "almost nothing would be anonymized; preserve less"
        )
    return window.into(whole & ~kept, photograph.size)


def covered_classes(face: AlignedFace, parsed: Tensor, preserved: Mask) -> list[Semantic]:
    """Face classes of which more than half is preserved: their codes stay the photograph's."""
    window = Window.around_face(face, (preserved.shape[0], preserved.shape[1]))
    probabilities, _ = to_window(parsed, face, window)
    kept = preserved[window.slices]
    least = LEAST_VISIBLE * eye_distance(face) ** 2
    shares = {known: probabilities[:, :, known] > 0.5 for known in Semantic}
    return [known for known, seen in shares.items() if seen.sum() >= least and (seen & kept).sum() > 0.5 * seen.sum()]


def _inner_face(face: AlignedFace, window: Window) -> Mask:
    canvas = np.zeros(window.shape, dtype=np.uint8)
    points = np.round(face.landmarks[INNER_FACE] - (window.left, window.top)).astype(np.int32)
    cv2.fillConvexPoly(canvas, cv2.convexHull(points), 1)
    return canvas.astype(bool)


def _parts_touching(mask: Mask, core: Mask) -> Mask:
    """Connected parts of a mask that touch the core, their holes filled."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    wanted = np.unique(labels[core & mask])
    parts = np.isin(labels, wanted[wanted > 0]).astype(np.uint8)
    outlines, _ = cv2.findContours(parts, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(parts, outlines, -1, 1, thickness=cv2.FILLED)
    return parts.astype(bool)
