"""Piecewise affine warps of faces: triangles are found once for the target, then each source is one remap."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import Delaunay

from vera.mosaic.points import MARGIN
from vera.types import Points

Floats = npt.NDArray[np.float32]
Triangles = npt.NDArray[np.int32]
"""``(T, 3)`` numbers of points."""
WHOLE = 256
"""DECISION: side in pixels from which a warp is computed for every second pixel, and interpolated."""
NARROW = 3.0
"""DECISION: Gaussian width in pixels that is computed as it is; wider ones are computed at half the size, a quarter, and so on: what
they leave has no finer detail (away from the border, 8-bit images differ by less than one level)."""


def triangulate(points: Points) -> Triangles:
    """Delaunay's triangles of the mean face; the same for all faces."""
    return np.asarray(Delaunay(points).simplices, dtype=np.int32)


class Target:
    """Target mesh of a warp: for each pixel its triangle, and for each triangle the way from pixels to barycentric coordinates.

    Args:
        points: ``(105, 2)`` in units of the crop.
        triangles: triangles of the mesh, ``(T, 3)`` point numbers.
        size: side S of the crop in pixels.

    """

    def __init__(self, points: Points, triangles: Triangles, size: int) -> None:
        self.points, self.triangles, self.size = points, triangles, size
        # The way is linear within each triangle: a quarter of the pixels says all but the kinks at their edges.
        self._side = size if size < WHOLE else -(-size // 2)
        places = points * self._side - 0.5
        number = np.zeros((self._side, self._side), np.int32)
        for n, corners in enumerate(np.round(places).astype(np.int32)[triangles]):
            cv2.fillConvexPoly(number, corners, n)
        corners = np.ones((len(triangles), 3, 3))
        corners[:, :2] = places[triangles].transpose(0, 2, 1)
        self._number, self._inverse = number, np.linalg.inv(corners + 1e-9 * np.eye(3))

    def way_to(self, points: Points) -> Floats:
        """Sampling map into a source with these points: ``(S, S, 2)`` in units of the source's crop."""
        maps = (points[self.triangles].transpose(0, 2, 1) @ self._inverse).astype(np.float32)[self._number]
        rows, columns = np.mgrid[: self._side, : self._side].astype(np.float32)[..., None]
        way = np.asarray(maps[..., 0] * columns + maps[..., 1] * rows + maps[..., 2], dtype=np.float32)
        if self._side == self.size:
            return way
        return np.asarray(cv2.resize(way, (self.size, self.size), interpolation=cv2.INTER_LINEAR), dtype=np.float32)

    def polygon(self, points: Points) -> npt.NDArray[np.bool_]:
        """``(S, S)``: inside a polygon, in units of the crop."""
        return filled(points, self.size)


def resample(values: npt.NDArray[Any], way: Floats, *, nearest: bool = False, margin: float = MARGIN) -> npt.NDArray[Any]:
    """Resample a source's image onto the target mesh.

    Args:
        values: ``(A, A)`` or ``(A, A, C)`` of the frame (the crop and its margin).
        way: ``(S, S, 2)`` in units of the crop.
        nearest: whether to take the nearest pixel, for labels; linear by default.
        margin: margin of the frame on each side, in units of the crop; 0 for a picture of the crop alone, which is sampled by
            cubic interpolation, since it has no more pixels than the target.

    """
    side = values.shape[0]
    place = (way + np.float32(margin)) * np.float32(side / (1 + 2 * margin)) - np.float32(0.5)
    flag = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR if margin else cv2.INTER_CUBIC
    return np.asarray(cv2.remap(values, place[..., 0], place[..., 1], flag, borderMode=cv2.BORDER_REFLECT_101))


def filled(polygon: Points, side: int) -> npt.NDArray[np.bool_]:
    """``(side, side)``: inside a polygon, in units of the side."""
    canvas = np.zeros((side, side), np.uint8)
    cv2.fillPoly(canvas, [np.round(polygon * side - 0.5).astype(np.int32)], 1)
    return canvas.astype(np.bool_)


def blurred(image: Floats, sigma: float) -> Floats:
    """An image after a Gaussian of a width in pixels, at reduced size where it is wide (:data:`NARROW`).

    Args:
        image: ``(H, W)`` or ``(H, W, C)`` float32.
        sigma: standard deviation of the Gaussian, above 0.

    """
    factor = 1
    while sigma / (2 * factor) >= NARROW:
        factor *= 2
    height, width = image.shape[:2]
    if factor == 1 or min(height, width) < 2 * factor:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.float32)
    small = cv2.resize(image, (-(-width // factor), -(-height // factor)), interpolation=cv2.INTER_AREA)
    # Averages over squares and the linear interpolation back are Gaussians, too, nearly: their variances count.
    rest = np.sqrt(sigma**2 - (factor**2 - 1) / 12 - (factor**2 - 1) / 6) / factor
    small = cv2.GaussianBlur(small, (0, 0), rest, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def softened(mask: npt.NDArray[Any], sigma: float) -> Floats:
    """``(S, S, 1)``: a mask with a Gaussian edge."""
    return blurred(mask.astype(np.float32), max(sigma, 0.3))[..., None]


def eroded(mask: npt.NDArray[Any], radius: int) -> npt.NDArray[np.bool_]:
    """A mask without its outermost pixels."""
    kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return cv2.erode(mask.astype(np.uint8), kernel).astype(np.bool_) if radius > 0 else mask.astype(np.bool_)
