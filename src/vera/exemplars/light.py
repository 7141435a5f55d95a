"""Light and complexion: low-order fields of lightness and colour over a face's skin, and giving one face the fields of another.

These are the only numbers that pass from the old face's skin to the new one: :data:`LIGHTNESS_TERMS` for lightness and twice
:data:`COLOUR_TERMS` for colour, a photograph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vera.types import Mask

Floats = npt.NDArray[np.float32]

LIGHTNESS_TERMS = 6
"""DECISION: a quadratic field: side light and a bright forehead carry over."""
COLOUR_TERMS = 3
"""DECISION: a linear field for each of the two colour axes."""
GAIN = (0.35, 1.7)
"""DECISION: limits of the change of lightness."""
DARKEST = 5.0
"""Lightness under which a factor says nothing."""
KEPT_PERCENT = 80
"""DECISION: share of the skin's pixels that are fitted; the others (shine, moles, beard, a parser's mistakes) are outliers."""
SAMPLES = 20_000
"""Pixels that a fit looks at, at most."""


@dataclass(frozen=True)
class Light:
    """Fields over the crop, as coefficients of 1, x, y, x², y², xy, with x and y from -0.5 to 0.5.

    Attributes:
        lightness: ``(6, 1)``, CIELAB L.
        colour: ``(3, 2)``, CIELAB a and b.

    """

    lightness: npt.NDArray[np.float64]
    colour: npt.NDArray[np.float64]

    def fields(self, size: int) -> tuple[Floats, Floats]:
        """Lightness ``(S, S, 1)`` and colour ``(S, S, 2)`` at every pixel."""
        terms = _terms(size)
        return (terms @ self.lightness).astype(np.float32), (terms[..., :COLOUR_TERMS] @ self.colour).astype(np.float32)


def measure_light(lab: Floats, skin: Mask) -> Light:
    """Fit the fields to the skin of a face.

    Args:
        lab: ``(S, S, 3)`` CIELAB.
        skin: ``(S, S)``, not empty.

    """
    terms, values = _terms(lab.shape[0])[skin], lab[skin].astype(np.float64)
    step = max(1, len(values) // SAMPLES)
    terms, values = terms[::step], values[::step]
    return Light(_robust(terms, values[:, :1]), _robust(terms[:, :COLOUR_TERMS], values[:, 1:]))


def relit(lab: Floats, own: Light, wanted: Light, *, follow: Floats) -> Floats:
    """Relight a face by other fields: lightness by a factor (black stays black), colour by a shift.

    Args:
        lab: ``(S, S, 3)`` CIELAB.
        own: the fields of its skin.
        wanted: the fields it shall have.
        follow: ``(S, S, 1)`` in [0, 1]: share of the change of colour that each pixel takes.

    """
    size = lab.shape[0]
    (lightness, colour), (wanted_lightness, wanted_colour) = own.fields(size), wanted.fields(size)
    factor = np.clip(wanted_lightness / np.maximum(lightness, DARKEST), *GAIN)
    return np.concatenate([lab[..., :1] * factor, lab[..., 1:] + (wanted_colour - colour) * follow], axis=2).astype(np.float32)


def _terms(size: int) -> npt.NDArray[np.float64]:
    y, x = np.mgrid[:size, :size] / size - 0.5
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1)


def _robust(terms: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    within = np.ones(len(values), dtype=bool)
    for _ in range(3):
        # Normal equations: a handful of well-scaled terms, and many times as fast as a factorisation of all rows.
        known = terms[within]
        coefficients = np.linalg.pinv(known.T @ known, hermitian=True) @ (known.T @ values[within])
        residual = np.linalg.norm(values - terms @ coefficients, axis=1)
        within = residual <= np.percentile(residual, KEPT_PERCENT)
    return np.asarray(coefficients)
