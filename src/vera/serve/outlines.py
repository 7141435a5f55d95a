"""Outlines of masks as numbers, which the page draws at any zoom."""

from __future__ import annotations

import cv2
import numpy as np

from vera.types import Mask

FINENESS = 0.75
"""DECISION: pixels by which an outline may differ from the mask's edge; it is only shown, never used."""


def rings(mask: Mask) -> list[list[list[int]]]:
    """The outlines of a mask's pieces and of their holes.

    Args:
        mask: ``(H, W)``, True inside.

    Returns:
        Rings of ``[x, y]`` in pixels, (0, 0) = the corner at the upper left.

    Examples:
        >>> import numpy as np
        >>> from vera.serve.outlines import rings
        >>> mask = np.zeros((9, 9), dtype=bool)
        >>> mask[2:6, 3:7] = True
        >>> sorted(rings(mask)[0])
        [[3, 2], [3, 5], [6, 2], [6, 5]]

    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    top, left = int(rows[0]), int(columns[0])
    part = np.ascontiguousarray(mask[top : rows[-1] + 1, left : columns[-1] + 1]).astype(np.uint8)
    found, _ = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top))
    return [[[int(x), int(y)] for x, y in cv2.approxPolyDP(ring, FINENESS, True).reshape(-1, 2)] for ring in found]
