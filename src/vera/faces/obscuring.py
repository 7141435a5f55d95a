"""The classical ways to hide a face: Gaussian blur, blocks of mean colour, a cover of one colour.

Each takes a whole photograph and a region, and gives an image of the photograph's size whose pixels are meant for this region; elsewhere
they mean nothing.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vera.types import Mask, Pixels


def blurred(pixels: Pixels, region: Mask, *, sigma: float) -> Pixels:
    """A Gaussian blur of a region and what surrounds it.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        region: ``(H, W)`` bool, where the result is used.
        sigma: the Gaussian's standard deviation in pixels; at least half a pixel is taken.

    Returns:
        ``(H, W, 3)`` uint8.

    """
    width = max(sigma, 0.5)
    rows, columns = box(region, margin=round(4 * width))
    part = cv2.GaussianBlur(pixels[rows, columns], (0, 0), width, borderType=cv2.BORDER_REFLECT_101)
    return _placed(np.asarray(part), rows, columns, pixels)


def pixelated(pixels: Pixels, region: Mask, *, side: int) -> Pixels:
    """Square blocks of their mean colour, from the corner of the region's box on.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        region: ``(H, W)`` bool, where the result is used.
        side: side of a block in pixels, at least 1.

    Returns:
        ``(H, W, 3)`` uint8.

    """
    rows, columns = box(region)
    part = pixels[rows, columns]
    whole = cv2.copyMakeBorder(part, 0, -part.shape[0] % side, 0, -part.shape[1] % side, cv2.BORDER_REFLECT)
    means = cv2.resize(whole, (whole.shape[1] // side, whole.shape[0] // side), interpolation=cv2.INTER_AREA)
    blocks = means.repeat(side, axis=0).repeat(side, axis=1)
    return _placed(np.asarray(blocks[: part.shape[0], : part.shape[1]]), rows, columns, pixels)


def covered(pixels: Pixels, region: Mask, *, colour: str) -> Pixels:
    """One colour for all pixels.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        region: ``(H, W)`` bool, where the result is used.
        colour: ``black``, or ``mean``: the region's own mean.

    Returns:
        ``(H, W, 3)`` uint8; it may not be written to.

    """
    if colour == "black" or not region.any():
        return np.zeros_like(pixels)
    mean = pixels[region].mean(axis=0).round().astype(np.uint8)
    return np.broadcast_to(mean, pixels.shape)


def box(region: Mask, *, margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns around a region, widened by a margin in pixels; one pixel for an empty region."""
    spans = []
    for axis, length in ((1, region.shape[0]), (0, region.shape[1])):
        seen = np.flatnonzero(region.any(axis=axis))
        spans.append(slice(max(int(seen[0]) - margin, 0), min(int(seen[-1]) + 1 + margin, length)) if len(seen) else slice(0, 1))
    return spans[0], spans[1]


def _placed(part: npt.NDArray[np.generic], rows: slice, columns: slice, pixels: Pixels) -> Pixels:
    """A part, at its place in a photograph-sized image."""
    canvas = np.zeros_like(pixels)
    canvas[rows, columns] = part
    return canvas
