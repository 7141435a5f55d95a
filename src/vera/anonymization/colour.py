"""Colour and grain of generated pixels, matched to the photograph by a few statistics; no source pixel is copied."""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from vera.anonymization.placement import Floats
from vera.types import FACE_SKIN, Mask

MIN_PIXELS = 200
"""DECISION: fewer pixels of the same class than this say nothing about the photograph's colours."""
GAIN = (0.95, 1.2)
"""DECISION: limits of the contrast change."""
SHIFT_LIMIT = 45.0
"""DECISION: most the colours are shifted (Lab units): more comes from a wrong segmentation, not from light or complexion."""
OCTAVES = (0.0, 1.0, 2.0)
"""DECISION: grain is measured and drawn in the frequency bands between these Gaussian widths (pixels) and the next, twice as wide."""
SOFT_EDGE = 2.0
"""Gaussian width in pixels of the border of grain."""
GRAIN_LIMIT = 1.2
"""DECISION: most grain a band may get, in grey levels: what is above is pores, stubble, hair or cloth, and looks like a rash as noise."""


def tone(image: Tensor, segmentation: Tensor) -> Floats | None:
    """Median CIELAB colour of a face's skin.

    Args:
        image: ``(3, S, S)`` in [-1, 1], aligned.
        segmentation: ``(K, S, S)`` class probabilities of it.

    Returns:
        ``(3,)`` CIE Lab; None where fewer than :data:`MIN_PIXELS` pixels are a face's skin.

    """
    labels = segmentation.detach().cpu().argmax(dim=0).numpy()
    skin = np.isin(labels, FACE_SKIN)
    if int(skin.sum()) < MIN_PIXELS:
        return None
    pixels = ((image.detach().float().cpu() + 1) * 127.5).permute(1, 2, 0).numpy()[None, skin]
    return np.asarray(np.median(_lab(np.asarray(pixels, dtype=np.float32))[0], axis=0), dtype=np.float32)


def match_tone(generated: Floats, ours: Floats | None, theirs: Floats | None) -> Floats:
    """Give generated colours another tone: lightness by a factor, hues by a shift.

    More light is a factor, not a summand: black stays black, or pupils and brows would be veiled in grey.

    Args:
        generated: ``(h, w, 3)`` RGB, 0 to 255.
        ours: tone of the generated face.
        theirs: tone of the photograph's.

    Returns:
        ``(h, w, 3)``; unchanged where one of them is not known.

    """
    if ours is None or theirs is None:
        return generated
    return _rgb(_moved(_lab(generated), ours, theirs))


def match_colour(generated: Floats, source: Floats, same: Mask) -> Floats:
    """Give generated colours the contrast, lightness (a factor) and hues (a shift) of the photograph beside them.

    Args:
        generated: ``(h, w, 3)`` RGB, 0 to 255.
        source: ``(h, w, 3)`` RGB, 0 to 255; read where ``same`` only.
        same: pixels outside the replaced region where both show the same kind of surface.

    Returns:
        ``(h, w, 3)``; unchanged when fewer than :data:`MIN_PIXELS` pixels compare.

    """
    if int(same.sum()) < MIN_PIXELS:
        return generated
    lab = _lab(generated)
    ours, theirs = lab[same], _lab(source[same][None])[0]
    centre = np.asarray(np.median(ours, axis=0), dtype=np.float32)
    gain = np.clip(spread(theirs[:, 0]) / max(spread(ours[:, 0]), 1e-3), *GAIN)
    lab[..., 0] = (lab[..., 0] - centre[0]) * gain + centre[0]
    return _rgb(_moved(lab, centre, np.asarray(np.median(theirs, axis=0), dtype=np.float32)))


def match_grain(generated: Floats, source: Floats, kept: Mask, where: Mask, *, seed: int) -> Floats:
    """Add fine grey grain so that a replaced region is not smoother than the skin beside it.

    Args:
        generated: ``(h, w, 3)`` RGB, 0 to 255.
        source: ``(h, w, 3)`` RGB, 0 to 255; its residuals are measured where ``kept`` only.
        kept: pixels outside the replaced region, at least a few pixels from it.
        where: pixels that get grain; its edge is soft.
        seed: the grain's seed: same seed, same grain.

    Returns:
        ``(h, w, 3)``; unchanged when fewer than :data:`MIN_PIXELS` pixels can be measured.

    """
    if int(kept.sum()) < MIN_PIXELS:
        return generated
    theirs = np.where(kept, source.mean(axis=2), 0).astype(np.float32)
    ours = generated.mean(axis=2)
    white = np.random.default_rng(seed).standard_normal(ours.shape, dtype=np.float32)
    grain = np.zeros_like(ours)
    weight = kept.astype(np.float32)
    for sigma in OCTAVES:
        wanted = spread(_octave(theirs, weight, sigma)[kept])
        present = spread(_octave(ours, np.ones_like(weight), sigma)[kept])
        drawn = _octave(white, np.ones_like(weight), sigma)
        amplitude = min(float(np.sqrt(max(wanted**2 - present**2, 0.0))), GRAIN_LIMIT)
        grain += drawn * (amplitude / max(float(drawn.std()), 1e-6))
    grain *= cv2.GaussianBlur(where.astype(np.float32), (0, 0), SOFT_EDGE)
    return np.asarray(generated + grain[:, :, None], dtype=np.float32)


def _moved(lab: Floats, ours: Floats, theirs: Floats) -> Floats:
    """Shift Lab colours by the difference of two colours, at most by :data:`SHIFT_LIMIT`."""
    target = ours + (theirs - ours).clip(-SHIFT_LIMIT, SHIFT_LIMIT)
    moved = lab.copy()
    moved[..., 0] *= target[0] / max(float(ours[0]), 1.0)
    moved[..., 1:] += (target - ours)[1:]
    return moved


def _lab(pixels: Floats) -> Floats:
    """``(h, w, 3)`` RGB, 0 to 255, to CIE Lab."""
    return np.asarray(cv2.cvtColor((pixels.clip(0, 255) / 255).astype(np.float32), cv2.COLOR_RGB2Lab), dtype=np.float32)


def _rgb(lab: Floats) -> Floats:
    """``(h, w, 3)`` CIE Lab to RGB, 0 to 255."""
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB) * 255, dtype=np.float32)


def spread(values: Floats) -> float:
    """Standard deviation, robust against edges (from the median absolute deviation)."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _octave(plane: Floats, weight: Floats, sigma: float) -> Floats:
    """The part between Gaussian widths sigma and max(2 sigma, 1), from weighted pixels only."""
    return np.asarray(_blur(plane, weight, sigma) - _blur(plane, weight, max(2 * sigma, 1.0)), dtype=np.float32)


def _blur(plane: Floats, weight: Floats, sigma: float) -> Floats:
    if sigma == 0:
        return np.asarray(plane, dtype=np.float32)
    above = cv2.GaussianBlur(plane * weight, (0, 0), sigma)
    return np.asarray(above / np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-6), dtype=np.float32)
