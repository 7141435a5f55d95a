"""Joining a fitted face to its photograph, in photograph pixels.

The new face has the photograph's light already, so little is left to do. What differs in shade between new skin and the kept skin beside it
is carried inwards and fades. Beside a kept region the new face follows its colours a little way. At all other borders (hair,
background) only the outermost pixels are softened. Source pixels are read outside the covered region only, as averages; none is copied in.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from vera.anonymization import colour
from vera.anonymization.membrane import FIXED, membrane
from vera.anonymization.placement import Floats, Window, eye_distance, grow, to_window
from vera.types import AlignedFace, Mask, Photograph, Pixels, Semantic

# DECISION: all lengths below are fractions of the distance between the eyes, unless they say pixels.
SAMPLING_BAND = 0.5
"""How far outside the covered region grain is measured."""
SEAM_BAND = 0.06
"""How far outside the covered region the shade of kept skin is averaged."""
SMOOTHING = 0.03
"""Gaussian width of that average."""
SHADING_LENGTH = 0.35
"""How far a difference in shade reaches into the new face."""
SAME_SHADE = 40.0
"""DECISION: grey levels; skin whose colours differ by more is not compared (a shadow below the chin, a beard)."""
KEPT_LENGTH = 0.05
"""How far the new face follows the colours of a kept region beside it."""
SOFT = 0.8
"""Gaussian width in pixels of the border of the new face (more in large photographs: see :data:`SOFT_SHARE`)."""
SOFT_SHARE = 0.006
FLESH = (Semantic.SKIN, Semantic.NOSE, Semantic.EARS, Semantic.NECK)
"""Classes of kept pixels whose shade the new skin has to meet."""


def join(photograph: Photograph, face: AlignedFace, parsed: Floats, image: Floats, covered: Mask, preserved: Mask, *, seed: int) -> Pixels:
    """Put a fitted face into its photograph.

    Args:
        photograph: the source.
        face: the crop that the new face was fitted to.
        parsed: ``(S', S')`` class numbers of the crop, as floats.
        image: ``(S, S, 3)`` RGB, 0 to 255: the new face, with skin all over.
        covered: ``(H, W)``: what it covers; not empty.
        preserved: ``(H, W)``: what is kept on purpose.
        seed: of the grain.

    Returns:
        ``(H, W, 3)`` uint8; equal to the source outside ``covered``, without any of its pixels inside.

    """
    unit = eye_distance(face)
    window = Window.around_mask(covered, margin=round(SAMPLING_BAND * unit) + 2)
    region, kept = covered[window.slices], preserved[window.slices]
    source = np.where(region[:, :, None], 0, photograph.pixels[window.slices]).astype(np.float32)
    planes = torch.from_numpy(np.ascontiguousarray(np.asarray(image, np.float32).transpose(2, 0, 1)))
    new, inside = to_window(planes, face, window, cubic=True)
    labels, _ = to_window(torch.from_numpy(parsed)[None], face, window)
    flesh = np.isin(np.round(labels[..., 0]), [int(c) for c in FLESH]) & inside & ~region & ~kept
    around = inside & ~region
    difference = source - new
    new = new + _shading(difference, flesh & (np.abs(difference).max(axis=2) < SAME_SHADE), region, around, unit)
    if (kept & grow(region, 1.0)).any():
        new = new + _towards_kept(source - new, kept & around, region, unit)
    measured = flesh & grow(region, SAMPLING_BAND * unit) & ~grow(region, 3)
    new = colour.match_grain(new, source, measured, region, seed=seed)
    new = _softened(new, source, region, around & ~kept, max(SOFT, SOFT_SHARE * unit))
    result = photograph.pixels.copy()
    result[window.slices][region] = np.round(new[region]).clip(0, 255).astype(np.uint8)
    return result


def _shading(difference: Floats, flesh: Mask, region: Mask, around: Mask, unit: float) -> Floats:
    """The difference in shade to the kept skin beside the region, carried into it; 0 where no skin is beside it."""
    band = (grow(region, max(SEAM_BAND * unit, 2.0)) & flesh).astype(np.float32)
    ring = grow(region, 1.0) & around
    values, weight = _average(difference, band, max(SMOOTHING * unit, 0.5))
    # Where no skin is near, the border says nothing, and the correction fades along it.
    pull = np.where(ring, FIXED * np.clip(2 * weight, 0, 1) ** 2 * (weight > 0.05), 0).astype(np.float32)
    return np.where(region[:, :, None], membrane(values, pull, region | ring, length=SHADING_LENGTH * unit), 0).astype(np.float32)


def _towards_kept(difference: Floats, kept: Mask, region: Mask, unit: float) -> Floats:
    """The difference to a kept region, carried a little way into the new face."""
    ring = grow(region, 1.0) & kept
    values, _ = _average(difference, (grow(region, 2.5) & kept).astype(np.float32), 1.0)
    spread = membrane(values, np.where(ring, FIXED, 0).astype(np.float32), region | ring, length=max(KEPT_LENGTH * unit, 1.5))
    return np.where(region[:, :, None], spread, 0).astype(np.float32)


def _softened(new: Floats, source: Floats, region: Mask, around: Mask, sigma: float) -> Floats:
    """The outermost pixels of the new face, mixed with the average colour beyond them."""
    ring = around & grow(region, 4 * sigma)
    beyond, weight = _average(source, ring.astype(np.float32), sigma)
    share = cv2.GaussianBlur(np.where(around, 0, 1).astype(np.float32), (0, 0), sigma)
    share = np.where(weight > 1e-3, np.clip(2 * share - 1, 0, 1), 1)[:, :, None]
    return np.asarray(share * new + (1 - share) * beyond, dtype=np.float32)


def _average(values: Floats, weight: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Gaussian average of weighted pixels (0 far from any of them), and the share of weight there."""
    above = cv2.GaussianBlur(values * weight[:, :, None], (0, 0), sigma).reshape(values.shape)
    below = np.asarray(cv2.GaussianBlur(weight, (0, 0), sigma), dtype=np.float32)
    return np.asarray(np.where(below[..., None] > 1e-6, above / np.maximum(below, 1e-6)[..., None], 0), dtype=np.float32), below
