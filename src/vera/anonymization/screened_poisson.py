"""Screened Poisson solve: values given at some pixels spread smoothly over a domain and fade with the distance.

It minimises, over the pixels of the domain, ``sum |grad c|^2 + sum c^2 / length^2 + sum weight (c - values)^2`` (the screened
Poisson equation with natural boundaries), coarse to fine: each level starts from the one above and is relaxed a few times.
"""

from __future__ import annotations

import cv2
import numpy as np

from vera.anonymization.placement import Floats
from vera.types import Mask

FIXED = 1e4
"""A weight so large that the solution equals the given value (to 1e-3 of a grey level)."""
SWEEPS = 12
"""DECISION: relaxations a level: enough for a correction that only has to be smooth and right at the seam."""
COARSEST = 12
_CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], dtype=np.float32)


def screened_poisson(values: Floats, weight: Floats, domain: Mask, *, length: float) -> Floats:
    """Solve the screened Poisson equation: spread values smoothly over a domain.

    Args:
        values: ``(h, w, C)``; read where ``weight > 0`` only.
        weight: ``(h, w)``, >= 0; :data:`FIXED` holds a value, small weights are pulled along by their surroundings.
        domain: ``(h, w)``; nothing flows outside it.
        length: pixels after which a value has faded to 1/e (along a straight border).

    Returns:
        ``(h, w, C)``, 0 outside the domain.

    """
    active = (weight * domain).astype(np.float32)
    return _level((values * active[:, :, None]).astype(np.float32), active, domain.astype(np.float32), 1.0 / length**2)


def _level(load: Floats, weight: Floats, domain: Floats, screen: float) -> Floats:
    height, width = weight.shape
    if min(height, width) <= COARSEST:
        start: Floats = np.zeros_like(load)
        sweeps = 8 * COARSEST
    else:
        # In two dimensions the gradient energy does not change with the scale; sums carry the other two terms over.
        above = np.minimum(_pool(domain), 1)
        coarse = _level(_pool(load), _pool(weight), above, 4 * screen)
        share = _enlarge(above[:, :, None], (height, width))  # the zeros outside the domain must not flow in
        start = (_enlarge(coarse, (height, width)) / np.maximum(share, 1e-3)).astype(np.float32)
        sweeps = SWEEPS
    neighbours = np.asarray(cv2.filter2D(domain, -1, _CROSS, borderType=cv2.BORDER_CONSTANT), dtype=np.float32)
    inverse = (domain / (neighbours + screen + weight + 1e-12))[:, :, None]
    solution = start * domain[:, :, None]
    for _ in range(sweeps):
        around = cv2.filter2D(solution, -1, _CROSS, borderType=cv2.BORDER_CONSTANT).reshape(load.shape)
        solution += 0.8 * ((around + load) * inverse - solution)
    return solution


def _pool(array: Floats) -> Floats:
    """Sums of 2 x 2 pixels (odd sides are padded with 0)."""
    height, width = array.shape[:2]
    padding = [(0, height % 2), (0, width % 2)] + [(0, 0)] * (array.ndim - 2)
    padded = np.pad(array, padding)
    return np.asarray(padded[0::2, 0::2] + padded[1::2, 0::2] + padded[0::2, 1::2] + padded[1::2, 1::2], dtype=np.float32)


def _enlarge(coarse: Floats, size: tuple[int, int]) -> Floats:
    """Twice the size, linear, cropped to ``size``."""
    height, width = size
    doubled = cv2.resize(coarse, (2 * coarse.shape[1], 2 * coarse.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(doubled.reshape(*doubled.shape[:2], -1)[:height, :width], dtype=np.float32)
