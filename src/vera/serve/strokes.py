"""A painted mask as the page sends it: strokes in the photograph's pixels, drawn here at the photograph's full size.

So no picture comes from the page, a mask of 50 megapixels is some kilobytes, and zoom or screen do not change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vera.types import Mask, VeraError

KINDS = ("brush", "erase", "polygon")
"""A line that paints, a line that takes away, and a filled polygon."""
MOST_STROKES, MOST_POINTS = 2000, 20000
"""DECISION: strokes of one photograph, and points of one stroke; an hour's painting has fewer."""
FARTHEST, BROADEST = 2**16, 2**13
"""Largest coordinate and radius in pixels; no photograph is wider, and OpenCV draws no broader line."""
SHIFT = 4
"""Bits of the fraction that OpenCV draws with."""


@dataclass(frozen=True)
class Stroke:
    """One movement of the pointer.

    Attributes:
        kind: kind of stroke, one of :data:`KINDS`.
        radius: radius of brush and eraser, in pixels of the photograph; 0 for a polygon.
        points: ``(x, y)`` each, in pixels of the upright photograph, (0, 0) = the corner at the upper left.

    """

    kind: str
    radius: float
    points: tuple[tuple[float, float], ...]


def read_strokes(value: Any) -> tuple[Stroke, ...]:
    """Strokes from a JSON value: a list of mappings with ``kind``, ``radius`` and ``points``.

    Raises:
        VeraError: too many, an unknown kind, or numbers that can't be used.

    """
    if not isinstance(value, list) or len(value) > MOST_STROKES:
        raise VeraError(f"a mask is no list of at most {MOST_STROKES} strokes: paint it with fewer, broader ones")
    return tuple(_stroke(one) for one in value)


def paint(strokes: tuple[Stroke, ...], size: tuple[int, int]) -> Mask:
    """The mask that the strokes make, one after the other.

    Args:
        strokes: strokes in the order in which they were made.
        size: ``(H, W)`` of the photograph.

    Returns:
        ``(H, W)``, True = keep; pixels on a polygon's edge are kept, too.

    Examples:
        >>> from vera.serve.strokes import Stroke, paint
        >>> square = Stroke("polygon", 0, ((2, 2), (8, 2), (8, 8), (2, 8)))
        >>> int(paint((square,), (12, 12)).sum())
        49

    """
    import cv2  # only now: the page's process paints nothing

    canvas = np.zeros(size, dtype=np.uint8)
    for stroke in strokes:
        # A pixel's centre lies at half a pixel on the page, and at whole numbers in OpenCV.
        points = np.round((np.array(stroke.points, dtype=np.float64) - 0.5) * 2**SHIFT).astype(np.int32)
        if stroke.kind == "polygon":
            cv2.fillPoly(canvas, [points], 1, shift=SHIFT)
            continue
        value = int(stroke.kind == "brush")
        width = max(1, round(2 * stroke.radius))
        if len(points) == 1:
            centre = (int(points[0, 0]), int(points[0, 1]))
            cv2.circle(canvas, centre, round(stroke.radius * 2**SHIFT), value, thickness=cv2.FILLED, shift=SHIFT)
        else:
            cv2.polylines(canvas, [points], False, value, thickness=width, shift=SHIFT)
    return canvas.astype(bool)


def _stroke(value: Any) -> Stroke:
    wrong = VeraError("a stroke of the mask can't be read: it needs kind (brush, erase or polygon), radius, and points in the photograph")
    if not isinstance(value, dict) or value.get("kind") not in KINDS:
        raise wrong
    points, radius = value.get("points"), value.get("radius", 0)
    if not isinstance(points, list) or not (3 if value["kind"] == "polygon" else 1) <= len(points) <= MOST_POINTS:
        raise wrong
    if not all(isinstance(point, list) and len(point) == 2 and all(map(_is_near, point)) for point in points):
        raise wrong
    if not _is_near(radius) or (value["kind"] != "polygon" and not 0 < radius <= BROADEST):
        raise wrong
    return Stroke(value["kind"], float(radius), tuple((float(x), float(y)) for x, y in points))


def _is_near(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and abs(number) <= FARTHEST
