"""Fine detail of a new face: as strong, and as sharp, as the photograph's own.

Detail is what an image shows between two Gaussian widths (an octave). A few numbers of the old face decide about the new one's: the
spread of the skin's grey values, and how strong its strongest detail is, and that of eyes, brows and mouth. No pixel passes over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vera.anonymization.colour import MIN_PIXELS, OCTAVES, spread
from vera.anonymization.placement import Floats
from vera.types import Mask

BROADEST = 0.04
"""DECISION: largest lower width, in eye distances, of the octaves in which detail is limited: freckles are smaller, features larger."""
GAIN = (0.2, 1.3)
"""DECISION: limits by which the new skin's own detail is weakened (a blurred photograph) or strengthened (pores in dark skin)."""
GRAIN_LIMIT, FINEST_LIMIT = 1.5, 3.5
"""DECISION: most grain an octave may get, in grey levels (more looks like a rash), and the finest one where it shows pores."""
PORES = 80.0
"""DECISION: eye distance in pixels from which on the finest octave shows pores; in smaller faces it shows their form."""
HEAVIEST = 1.9
"""DECISION: most that a standard deviation counts for, in robust ones: pores make it larger than grain does, and so does a single mole."""
BROADEST_GRAIN = 0.018
"""DECISION: largest lower width, in eye distances, of the octaves that get grain: in a small face broader ones show its form."""
LOCAL = 0.06
"""Gaussian width, in eye distances, of the neighbourhood whose detail decides how much grain is added."""
STRONGEST = 97.0
"""DECISION: percentile of the photograph's detail that the new face's levels off at: freckles and moles where it has none."""


@dataclass(frozen=True)
class Detail:
    """Fine detail of a surface in each octave, in grey levels.

    Attributes:
        spread: robust standard deviation.
        deviation: standard deviation of the finest octave, at most :data:`HEAVIEST` robust ones.
        strongest: percentile :data:`STRONGEST` of its magnitude.

    """

    spread: tuple[float, ...]
    deviation: float
    strongest: tuple[float, ...]


def octaves(unit: float) -> list[float]:
    """Lower Gaussian widths in pixels: those in which skin gets the photograph's spread, and doubled ones up to :data:`BROADEST`.

    Args:
        unit: eye distance in pixels.

    """
    widths = list(OCTAVES)
    while widths[-1] * 2 <= BROADEST * unit:
        widths.append(widths[-1] * 2)
    return widths


def measured(image: Floats, where: Mask, widths: Sequence[float]) -> Detail | None:
    """Measure the fine detail of a surface.

    Args:
        image: ``(h, w, 3)`` RGB, 0 to 255.
        where: ``(h, w)``: its pixels; with fewer than :data:`MIN_PIXELS` nothing is known, and the result is None.
        widths: lower Gaussian width of each octave, in pixels.

    """
    if int(where.sum()) < MIN_PIXELS:
        return None
    grey = grey_of(image)
    found = [_octave(grey, width)[where] for width in widths]
    strongest = [float(np.percentile(np.abs(octave), STRONGEST)) for octave in found]
    robust = [spread(octave) for octave in found]
    return Detail(tuple(robust), min(float(found[0].std()), HEAVIEST * robust[0]), tuple(strongest))


def with_detail(
    new: Floats,
    skin: Mask,
    features: Mask,
    plain: Floats,
    wanted: Detail | None,
    sharpness: Detail | None,
    unit: float,
    *,
    seed: int | None,
) -> Floats:
    """A new face with the photograph's fine detail.

    Skin of it is weakened or strengthened to the photograph's spread, grain makes up for what it lacks, and what stands out more than
    anything in the photograph's skin levels off. Eyes, brows and mouth are made no sharper than the photograph's.

    Args:
        new: ``(h, w, 3)`` RGB, 0 to 255.
        skin: ``(h, w)``: pixels of its skin that are measured.
        features: ``(h, w)``: pixels of its eyes, brows and mouth that are measured.
        plain: ``(h, w)`` in [0, 1]: 1 on its skin, 0 on its eyes, brows and mouth.
        wanted: detail of the photograph's skin; None if unknown, which leaves the new skin as it is.
        sharpness: detail of the photograph's eyes, brows and mouth; None if unknown, which leaves those of the new face as they are.
        unit: eye distance in pixels.
        seed: seed of the grain; the same seed gives the same grain. None: none is added.

    """
    widths = octaves(unit)
    own, own_features = (measured(new, where, widths) for where in (skin, features))
    white = None if seed is None else np.random.default_rng(seed).standard_normal(new.shape[:2], dtype=np.float32)
    change = np.zeros_like(new)
    for number, width in enumerate(widths):
        detail = _octave(new, width)
        factor = np.ones(new.shape[:2], np.float32)
        if wanted is not None and own is not None:
            gain, grey = 1.0, grey_of(detail)
            if number < len(OCTAVES):
                gain = float(np.clip(wanted.spread[number] / max(own.spread[number], 1e-3), *GAIN))
                if white is not None and width <= BROADEST_GRAIN * unit:
                    # Rows have no detail of their own where hair hid their skin.
                    here = gain * np.sqrt(cv2.GaussianBlur(grey * grey, (0, 0), LOCAL * unit))
                    porous = width == 0 and unit >= PORES
                    asked, limit = (wanted.deviation, FINEST_LIMIT) if porous else (wanted.spread[number], GRAIN_LIMIT)
                    missing = np.sqrt(np.maximum(asked**2 - here**2, 0)).clip(0, limit)
                    drawn = _octave(white, width)
                    change += (drawn * plain * missing / max(float(drawn.std()), 1e-6))[..., None]
            strength = gain * np.abs(grey) / max(wanted.strongest[number], 1e-3)
            factor = np.asarray(gain * np.tanh(strength) / np.maximum(strength, 1e-6), np.float32)
        sharp = 1.0
        if sharpness is not None and own_features is not None:
            sharp = float(np.clip(sharpness.strongest[number] / max(own_features.strongest[number], 1e-3), GAIN[0], 1.0))
        change += ((plain * factor + (1 - plain) * sharp - 1)[..., None] * detail).astype(np.float32)
    return np.asarray(new + change, dtype=np.float32)


def grey_of(image: Floats) -> Floats:
    """``(h, w)``: mean of the three channels; NumPy's mean along the last axis takes ten times as long."""
    return np.asarray(cv2.transform(image, np.full((1, 3), 1 / 3, np.float32)), dtype=np.float32)


def _octave(values: Floats, width: float) -> Floats:
    """The part of an image between Gaussian widths ``width`` and ``max(2 width, 1)`` pixels."""
    fine = values if width == 0 else cv2.GaussianBlur(values, (0, 0), width)
    return np.asarray(fine - cv2.GaussianBlur(values, (0, 0), max(2 * width, 1.0)), dtype=np.float32)
