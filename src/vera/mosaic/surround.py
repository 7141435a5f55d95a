"""Join a mixed face to the donor's surround: hair, ears, neck, clothes and background stay unchanged."""

from __future__ import annotations

from vera.faces.landmarks import scaled
from vera.mosaic.points import OUTLINE
from vera.mosaic.pyramid import LEVELS, join, octaves_of
from vera.mosaic.warping import Floats, Target, eroded, softened
from vera.types import Mask

INNER = 0.97
"""DECISION: the joint lies inside the outline by this factor."""
FEATHER = 3.0
"""DECISION: width in pixels of its edge, at 256 px."""


def face_mask(target: Target, valid: Floats) -> Mask:
    """Mask of the mixed face: inside the outline, and only where the donor shows skin, so that hanging hair stays."""
    scale = target.size / 256
    points = target.points
    inside = target.polygon(scaled(points[OUTLINE], INNER, points[27:31].mean(0)))
    free = eroded(valid > 0.9, max(1, round(scale)))
    return eroded(inside & free, max(1, round(2 * scale)))


def joined(face: Floats, surround: Floats, mask: Mask) -> Floats:
    """The face in its surround.

    Args:
        face: ``(S, S, 3)``, the mixed face in the surround's tone.
        surround: ``(S, S, 3)``, the donor, warped.
        mask: the face's share of each pixel, ``(S, S)`` in [0, 1].

    """
    size = mask.shape[0]
    return join(face, surround, softened(mask, FEATHER * size / 256), max(1, LEVELS + octaves_of(size)))
