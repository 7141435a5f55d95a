"""Colour of faces in CIELAB: recolour skin to another tone, and match a face's shading to its surround."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from vera.types import Mask

Floats = npt.NDArray[np.float32]

HARMONY = (0.6, 0.85, 0.85)
"""DECISION: how far the broad lightness and chroma of the mixed face follow the surround's own face: shine and blushes end nowhere."""
BROAD = 0.07
"""DECISION: what counts as broad: Gaussian width in units of the crop."""


def to_lab(image: npt.NDArray[np.uint8] | Floats) -> Floats:
    """``(..., 3)`` RGB, 0 to 255, to CIELAB."""
    return np.asarray(cv2.cvtColor(np.asarray(image, np.float32).clip(0, 255) / 255, cv2.COLOR_RGB2LAB), dtype=np.float32)


def to_rgb(lab: Floats) -> Floats:
    """CIELAB to RGB, 0 to 255."""
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255, dtype=np.float32)


def typology_angle(lab: npt.NDArray[np.floating]) -> float:
    """Individual typology angle of a skin's CIELAB ``(3,)`` in degrees, -90 to 90: above 55 very light, below -30 dark.

    Source: Chardon, Cretois and Hourseau (1991); a skin that is not yellowish counts as one that is hardly so.
    """
    return float(np.degrees(np.arctan2(lab[0] - 50, max(float(lab[2]), 1e-6))))


def recoloured(lab: Floats, tone: npt.NDArray[np.floating], wanted: npt.NDArray[np.floating]) -> Floats:
    """Bring skin of one tone to another.

    All pixels as light as the skin, and lighter ones, are shifted alike, darker ones less: pupils and nostrils stay neutral, shine is not
    blown up, and lips keep their difference to the skin (a gain in RGB turns them purple).

    Args:
        lab: image in CIELAB, ``(S, S, 3)``.
        tone: ``(3,)``, the skin as it is.
        wanted: ``(3,)``, the skin as it shall be.

    """
    share = np.clip(lab[..., :1] / np.float32(max(tone[0], 1)), 0, 1)
    return np.asarray(lab + share * (wanted - tone).astype(np.float32), dtype=np.float32)


def harmonised(mix: Floats, surround: Floats, skin: Mask) -> Floats:
    """Give a mixed face the broad shading and hue of the surround's own face.

    Args:
        mix: ``(S, S, 3)`` CIELAB, the mixed face.
        surround: ``(S, S, 3)`` CIELAB, the surround, warped to the same shape.
        skin: mask of the pixels where both show skin; nothing else is compared.

    """
    sigma = BROAD * mix.shape[0]
    weight = skin.astype(np.float32)
    known = cv2.GaussianBlur(weight, (0, 0), sigma)
    difference = cv2.GaussianBlur((surround - mix) * weight[..., None], (0, 0), sigma) / np.maximum(known, 1e-3)[..., None]
    return np.asarray(mix + difference * np.minimum(known * 4, 1)[..., None] * np.array(HARMONY), dtype=np.float32)
