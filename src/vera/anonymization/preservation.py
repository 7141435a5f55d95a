"""Compute the preserved region (photograph pixels kept bit for bit) and the replaced region."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from vera.anonymization.placement import Window, dilate, eye_distance, inside_crop, to_window
from vera.faces.landmarks import BROWS, FOREHEAD, LEAST_VISIBLE, NOSE_BASE
from vera.faces.masks import check_mask, mask_to_text
from vera.faces.region_choice import Region
from vera.faces.regions import Parts, shape_mask
from vera.types import FACE, AlignedFace, Mask, Photograph, Points, Semantic, VeraError

DILATION = 0.05
"""DECISION: dilation of the parsed outline, in eye distances: parsers are a few pixels off."""
OUTLINE = 0.03
"""DECISION: Gaussian width that smooths the outline, in eye distances."""
MOST_PRESERVED = 0.85
"""DECISION: largest share of the face that may be preserved; beyond it nothing would be anonymized."""
CROP_INSET = 0.015
"""DECISION: the replaced region keeps this share of the crop's side from its edge, so that a seam can be closed there."""
INNER_FACE, CHIN = range(17, 68), range(6, 11)
"""Landmarks from the brows to the mouth, and of the chin."""
DETACHED = tuple(known for known in FACE if known != Semantic.SKIN)
"""Classes of which a patch that stands alone still belongs to the face."""
ABOVE_BROWS = 0.2
"""DECISION: margin above the brow landmarks in which hair counts as face, in brow-to-nose distances."""
TIPS = 0.1
"""DECISION: tips of a fringe narrower than twice this (in eye distances) go with the forehead: alone they would be spots on a new face."""
SURELY_HAIR = 0.7
"""DECISION: from this probability on, hair that hangs over forehead, temples and cheeks is left (unless hair is replaced too)."""
NEAR = 1.0
"""DECISION: ears and other parts of a face this near to its landmarks' hull are its own, in eye distances."""


def preserved_region(
    photograph: Photograph,
    face: AlignedFace,
    parsed: Tensor,
    *,
    classes: Sequence[Semantic],
    mask: Mask | None,
    regions: Sequence[Region] = (),
) -> Mask:
    """Union of the named classes (probability above one half), a drawn mask, and regions.

    Args:
        photograph: the source photograph, ``(H, W, 3)`` uint8.
        face: the aligned face in this photograph.
        parsed: ``(K, S', S')`` class probabilities.
        classes: kept wherever they are seen.
        mask: ``(H, W)``, True = keep.
        regions: named parts, boxes and polygons, with their margins.

    Returns:
        ``(H, W)``; all False if nothing is asked for.

    Raises:
        VeraError: a class or region is not visible, a box or polygon is not in the photograph, or a mask is empty or of another size.

    """
    region = np.zeros(photograph.size, dtype=bool)
    if mask is not None:
        region |= check_mask(np.asarray(mask), photograph.size, f"of {photograph.name}")
    masks = RegionMasks(photograph, face, parsed)
    for asked in regions:
        region |= masks.of(asked)
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


class RegionMasks:
    """Masks of the regions of one face; the segmentation is resampled once for all of them.

    Args:
        photograph: the source photograph, ``(H, W, 3)`` uint8.
        face: the aligned face in this photograph.
        parsed: ``(K, S', S')`` class probabilities.

    """

    def __init__(self, photograph: Photograph, face: AlignedFace, parsed: Tensor) -> None:
        self.photograph, self.face, self.parsed = photograph, face, parsed
        self.window = Window.around_face(face, photograph.size)

    def of(self, region: Region) -> Mask:
        """One region with its margin.

        Args:
            region: a named part, box or polygon.

        Returns:
            ``(H, W)``, not empty.

        Raises:
            VeraError: it is not visible, or lies outside the photograph.

        """
        photograph, unit = self.photograph, eye_distance(self.face)
        if region.is_shape:
            return dilate(drawn_shape(region, photograph), region.margin * unit)
        try:
            part = self._parts.mask(region.name)
        except VeraError as error:
            raise VeraError(f"'{region}' cannot be preserved in photograph '{photograph.name}': {error}; leave it out") from error
        if int(part.sum()) < LEAST_VISIBLE * unit**2:
            raise VeraError(
                f"'{region}' is not visible in photograph '{photograph.name}' and cannot be preserved: leave it out, or draw a mask"
            )
        return dilate(self.window.into(part, photograph.size), region.margin * unit)

    @cached_property
    def _parts(self) -> Parts:
        """The named parts, in the window."""
        probabilities, inside = to_window(self.parsed, self.face, self.window)
        labels = np.where(inside, probabilities.argmax(axis=2), Semantic.BACKGROUND).astype(np.uint8)
        return Parts(self.face.landmarks - (self.window.left, self.window.top), labels)


def drawn_shape(region: Region, photograph: Photograph) -> Mask:
    """A box or polygon without its margin; its numbers are of the photograph as it is displayed, before it was turned upright.

    Args:
        region: a box or polygon, in pixels of the photograph as it was read.
        photograph: the photograph, turned upright.

    Returns:
        ``(H, W)``, upright as the photograph is.

    Raises:
        VeraError: it is not in the photograph.

    """
    turns = photograph.quarter_turns
    height, width = photograph.size if turns % 2 == 0 else photograph.size[::-1]
    return np.ascontiguousarray(np.rot90(shape_mask(region, (height, width), photograph.name), turns))


def replaced_region(photograph: Photograph, face: AlignedFace, parsed: Tensor, preserved: Mask, *, hair: bool) -> Mask:
    """The aligned crop ∩ the dilated face (hair by option), minus the preserved region.

    A parser's mistake must not leave a piece of the source: the landmarks' hull (jaw, cheeks, brows) always belongs to the face,
    whatever the parser says, and holes are filled. Hair over the hull stays only where the parser is sure of it, and never between the
    brows and the mouth or over the chin, where it is a beard. Outside the hull only parts that touch it, or the forehead above it,
    belong to the face, and ears and such parts near it: another person's face in the same crop is left alone.

    Args:
        photograph: the source photograph, ``(H, W, 3)`` uint8.
        face: the aligned face in this photograph.
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
    named, _ = to_window(parsed[[*DETACHED, Semantic.HAIR]], face, window)
    points = face.landmarks
    up = points[BROWS].mean(axis=0) - points[NOSE_BASE]
    hull = _hull(points, window)
    inner = _hull(np.vstack([points[[*INNER_FACE, *CHIN]], points[BROWS] + ABOVE_BROWS * up]), window)
    sure = inner | hull if hair else inner | (hull & (named[:, :, -1] < SURELY_HAIR))
    core = _hull(np.vstack([points, points[BROWS] + FOREHEAD * up]), window)
    # A strand of hair or the arm of glasses may cut an ear off from the face.
    apart = (named[:, :, :-1].sum(axis=2) > 0.5) & dilate(hull, NEAR * unit)
    seen = _parts_touching((likely[:, :, 0] > 0.5) | sure, core) | apart
    grown = dilate(seen, DILATION * unit)
    outline = cv2.GaussianBlur(grown.astype(np.float32), (0, 0), max(OUTLINE * unit, 0.5)) > 0.5
    tips = ~dilate(~dilate(outline, TIPS * unit), TIPS * unit) & core
    whole = (outline | seen | tips) & inside_crop(face, window, inset=CROP_INSET * face.size)
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


def region_facts(
    photograph: Photograph,
    preserved: Mask,
    replaced: Mask,
    *,
    hair_edge: Mask | None = None,
    kept_classes: Sequence[Semantic] = (),
    eye_distance: float | None = None,
) -> dict[str, Any]:
    """Plain values that describe a photograph and its regions in the audit.

    Args:
        photograph: the source photograph, ``(H, W, 3)`` uint8.
        preserved: mask ``(H, W)``, kept bit for bit.
        replaced: mask ``(H, W)``, no source pixel left.
        hair_edge: mask ``(H, W)`` of hair mixed again over a new face; None for no such band.
        kept_classes: classes that are kept as a whole.
        eye_distance: distance of the eyes in pixels; None where no face is found.

    """
    return {
        "name": photograph.name,
        "digest": photograph.digest,
        "size": list(photograph.size),
        "quarter_turns": photograph.quarter_turns,
        "eye_distance": eye_distance,
        "preserved_pixels": int(preserved.sum()),
        "replaced_pixels": int(replaced.sum()),
        "hair_edge_pixels": 0 if hair_edge is None else int(hair_edge.sum()),
        "kept_classes": [known.name.lower() for known in kept_classes],
        "regions": {"replaced": mask_to_text(replaced), "hair_edge": None if hair_edge is None else mask_to_text(hair_edge)},
    }


def _hull(points: Points, window: Window) -> Mask:
    canvas = np.zeros(window.shape, dtype=np.uint8)
    inside = np.round(points - (window.left, window.top)).astype(np.int32)
    cv2.fillConvexPoly(canvas, cv2.convexHull(inside), 1)
    return canvas.astype(bool)


def _parts_touching(mask: Mask, core: Mask) -> Mask:
    """Connected parts of a mask that touch the core, their holes filled."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    wanted = np.unique(labels[core & mask])
    parts = np.isin(labels, wanted[wanted > 0]).astype(np.uint8)
    outlines, _ = cv2.findContours(parts, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(parts, outlines, -1, 1, thickness=cv2.FILLED)
    return parts.astype(bool)
