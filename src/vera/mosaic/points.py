"""The mesh points of a face: landmarks, forehead, a ring around the face and the frame's border.

Coordinates are in units of the FFHQ crop's side: the crop is [0, 1]², the frame reaches :data:`MARGIN` beyond it on each side. Without
the margin, a warp would pull what lies outside the crop in as streaks.
"""

from __future__ import annotations

import numpy as np

from vera.faces.landmarks import HAIRLINE
from vera.types import Points, VeraError

MARGIN = 0.2
"""Beyond the crop, on each side, in units of its side."""
RING = 1.38
"""How far the ring lies out, in distances from the base of the nose's bridge to the face's outline."""

FOREHEAD_POINTS = range(68, 77)
INNER = 77
"""The first so many points are the face's own and are mixed; ring and border belong to the surround."""
OUTLINE = [*range(17), *range(76, 67, -1)]
EYES = (range(36, 42), range(42, 48))
BROWS = (range(17, 22), range(22, 27))
LIPS, OPENING = range(48, 60), range(60, 68)
REGIONS: dict[str, list[int]] = {
    "jaw": [*range(17), *FOREHEAD_POINTS],
    "brows": [*range(17, 27)],
    "nose": [*range(27, 36)],
    "eyes": [*range(36, 48)],
    "mouth": [*range(48, 68)],
}
"""Each has mixing weights of its own."""
_MIRRORED = [
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65, *range(76, 67, -1),
]  # fmt: skip
"""Which point each one becomes in a mirror."""


def extend(landmarks: Points) -> Points:
    """68 landmarks to the 105 points of the mesh.

    Args:
        landmarks: ``(68, 2)`` in units of the crop.

    Returns:
        ``(105, 2)``: landmarks, 9 on the forehead, 16 on the ring, 12 on the frame's border.

    Raises:
        VeraError: the face does not fit into the frame.

    """
    return mesh(landmarks, forehead_arc(landmarks))


def forehead_arc(landmarks: Points) -> Points:
    """``(9, 2)``: points of the forehead where the landmarks alone suggest its border, from the face's right to its left."""
    brows = landmarks[17:27].mean(0)
    middle, half = (landmarks[0] + landmarks[16]) / 2, (landmarks[16] - landmarks[0]) / 2
    top = brows + HAIRLINE * (brows - landmarks[33]) - middle
    angles = np.linspace(np.pi, 0, len(FOREHEAD_POINTS) + 2)[1:-1, None]
    return np.asarray(middle + np.cos(angles) * half + np.sin(angles) * top)


def mesh(landmarks: Points, forehead: Points) -> Points:
    """Landmarks and a forehead to the 105 points of the mesh.

    Args:
        landmarks: ``(68, 2)`` in units of the crop.
        forehead: ``(9, 2)`` in units of the crop.

    Raises:
        VeraError: the face does not fit into the frame.

    """
    centre = landmarks[27:31].mean(0)
    around = np.vstack([landmarks[:17:2], forehead[[7, 6, 5, 4, 2, 1, 0]]])
    low, high = -MARGIN, 1 + MARGIN
    if not ((np.vstack([landmarks, forehead]) > low) & (np.vstack([landmarks, forehead]) < high)).all():
        raise VeraError("the face does not fit into its crop: the head must be upright and seen from the front")
    ring = np.clip(centre + RING * (around - centre), low + 0.02, high - 0.02)  # outside the frame it would fold over the border
    steps = np.linspace(low, high, 4)
    border = [(x, y) for y in (low, high) for x in steps] + [(x, y) for x in (low, high) for y in steps[1:3]]
    return np.vstack([landmarks, forehead, ring, border])


def mirrored(points: Points) -> Points:
    """The mesh of the mirrored face, ``(105, 2)``."""
    turned = points * [-1, 1] + [1, 0]
    return extend(turned[_MIRRORED][:68])
