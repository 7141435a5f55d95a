"""Laplacian pyramids (Burt and Adelson, 1983): blend images octave by octave."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

FINE = (1.0, 0.9, 0.4)
"""Share of the fine detail's source in the octaves of a face of 256 px, finest first; the rest is the average's."""
LEVELS = 4
"""Octaves over which the face is joined to its surround, at 256 px."""


def laplacian(image: Floats, levels: int) -> list[Floats]:
    """Octaves, finest first, and what is left below them."""
    smaller = [image]
    for _ in range(levels):
        smaller.append(_same_rank(cv2.pyrDown(smaller[-1]), image))
    octaves = [a - _enlarged(b, a) for a, b in pairwise(smaller)]
    return [*octaves, smaller[-1]]


def collapse(octaves: list[Floats]) -> Floats:
    """Back to the image."""
    image = octaves[-1]
    for octave in octaves[-2::-1]:
        image = _enlarged(image, octave) + octave
    return image


def join(inside: Floats, outside: Floats, mask: Floats, levels: int) -> Floats:
    """One image inside a mask, another outside; coarse octaves pass into each other over a wider zone.

    Args:
        inside: image that shows inside the mask, ``(S, S, 3)``.
        outside: image that shows outside the mask, ``(S, S, 3)``.
        mask: ``(S, S, 1)``, 1 inside.
        levels: number of octaves of the pyramid.

    """
    weights = [mask]
    for _ in range(levels):
        weights.append(_same_rank(cv2.pyrDown(weights[-1]), mask))
    pairs = zip(weights, laplacian(inside, levels), laplacian(outside, levels), strict=True)
    return collapse([w * a + (1 - w) * b for w, a, b in pairs])


def octaves_of(size: int) -> int:
    """Number of octaves by which a face of this side is finer (positive) or coarser than 256 px."""
    return round(float(np.log2(size / 256)))


def fine_shares(size: int) -> list[float]:
    """:data:`FINE` for a face of another side: the same detail, measured in parts of the face."""
    more = octaves_of(size)
    return [1.0] * more + list(FINE) if more >= 0 else list(FINE[-more:])


def _same_rank(values: npt.NDArray[Any], like: Floats) -> Floats:
    """Restore the channel axis where OpenCV dropped a single one."""
    plane = np.asarray(values, dtype=np.float32)
    return plane.reshape(*plane.shape[:2], like.shape[2]) if like.ndim == 3 else plane


def _enlarged(image: Floats, like: Floats) -> Floats:
    return _same_rank(cv2.pyrUp(image, dstsize=(like.shape[1], like.shape[0])), like)
