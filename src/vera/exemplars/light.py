"""Light and complexion: low-order fields of lightness and colour over a face's skin, and giving one face the fields of another.

These are the only numbers that pass from the old face's skin to the new one: :data:`LIGHTNESS_TERMS` for lightness, twice
:data:`COLOUR_TERMS` for colour, and how bright and how strong its shine is, a photograph.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
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
SAMPLES = 2_000
"""Pixels that a fit looks at, about: up to twice as many."""
EDGES = (3, 97)
"""DECISION: percentiles of the fitted pixels' places beyond which a field goes on as it is there: a quadratic one would run away, and
foreheads would be white under a fringe."""
SHINE, SHINE_ROOM = 98, 4.0
"""DECISION: percentile of the old skin's lightness that shine of the new skin does not exceed by more than so many CIELAB units."""
BLACK = 0.7
"""DECISION: share of the skin's lightness below which a pixel takes less of the change of colour: black brows must not turn blue."""
MOST_GLOSS = 2.5
"""DECISION: most that the shine of the new skin is strengthened: rows with dark skin are mixed of several people, which dulls it."""
GLOSS_WIDTH = 0.012
"""Gaussian width, in units of the crop, of the shine that is strengthened: pores are not."""

COLOURED = 0.4
"""DECISION: share of the change of lightness by which colours become stronger where shine is: it has the lamp's colour, too."""


@dataclass(frozen=True)
class Light:
    """Fields over the crop, as coefficients of 1, x, y, x², y², xy, with x and y from -0.5 to 0.5.

    Attributes:
        lightness: ``(6, 1)``, CIELAB L.
        colour: ``(3, 2)``, CIELAB a and b.
        known: ``(2, 2)``: least and greatest x and y of the fitted skin, in rows.
        shine: CIELAB L of the brightest skin.
        gloss: height of the brightest skin above the field of lightness, in CIELAB L.

    """

    lightness: npt.NDArray[np.float64]
    colour: npt.NDArray[np.float64]
    known: npt.NDArray[np.float64]
    shine: float
    gloss: float

    def fields(self, size: int) -> tuple[Floats, Floats]:
        """Lightness ``(S, S, 1)`` and colour ``(S, S, 2)`` at every pixel."""
        terms = _terms(*(np.clip(axis, *known) for axis, known in zip(_places(size), self.known, strict=True)))
        return (terms @ self.lightness).astype(np.float32), (terms[..., :COLOUR_TERMS] @ self.colour).astype(np.float32)


def measure_light(lab: Floats, skin: Mask) -> Light:
    """Fit the fields to the skin of a face.

    Args:
        lab: ``(S, S, 3)`` CIELAB.
        skin: ``(S, S)``, not empty.

    """
    step = max(1, int(skin.sum()) // SAMPLES)
    x, y = (axis[skin][::step] for axis in _places(lab.shape[0]))
    terms, values = _terms(x, y), lab[skin][::step].astype(np.float64)
    lightness, fitted = _robust(terms, values[:, :1])
    colour, _ = _robust(terms[:, :COLOUR_TERMS], values[:, 1:])
    known = np.percentile([x[fitted], y[fitted]], EDGES, axis=1).T
    above = values[:, 0] - (terms @ lightness)[:, 0]
    return Light(lightness, colour, known, float(np.percentile(values[:, 0], SHINE)), float(np.percentile(above, SHINE)))


def relit(lab: Floats, own: Light, wanted: Light, *, follow: Floats, darken: Floats) -> Floats:
    """Relight a face by other fields: colour by a shift, lightness by a factor (black stays black) up to the field's, and as it is above.

    What is brighter than its surroundings is shine: it does not depend on how dark the skin is, and would be lost in dark skin. What is
    redder than the skin (lips, a nose) becomes less so as it is darkened, else it would glow. Black stays without colour.

    Args:
        lab: ``(S, S, 3)`` CIELAB.
        own: the fields of its skin.
        wanted: the fields it shall have.
        follow: ``(S, S, 1)`` in [0, 1]: share of the change of colour that each pixel takes.
        darken: ``(S, S, 1)`` in [0, 1]: power of the factor where it is below 1: eyes are not darker in darker skin.

    """
    size = lab.shape[0]
    (lightness, colour), (wanted_lightness, wanted_colour) = own.fields(size), wanted.fields(size)
    factor = np.clip(wanted_lightness / np.maximum(lightness, DARKEST), *GAIN)
    factor = np.where(factor < 1, factor**darken, factor)
    shade = np.minimum(lab[..., :1], lightness)
    shine = lab[..., :1] - shade
    redder = np.maximum(lab[..., 1:2] - colour[..., :1], 0) * (1 - np.minimum(factor, 1))
    coloured = np.clip(lab[..., :1] / np.maximum(BLACK * lightness, DARKEST), 0, 1)
    moved = lab[..., 1:] + (wanted_colour - colour) * follow * coloured
    return np.concatenate([shade * factor + shine, moved[..., :1] - redder, moved[..., 1:]], axis=2).astype(np.float32)


def with_shine_of(lab: Floats, own: Light, light: Light, share: Floats) -> Floats:
    """A face whose skin shines as a photograph's: what is brighter than its surroundings is strengthened, and levels off at the brightest.

    Args:
        lab: ``(S, S, 3)`` CIELAB, relit by :func:`relit`.
        own: its light before; relighting leaves shine as it was.
        light: light of the photograph, from :func:`measure_light`.
        share: ``(S, S)`` in [0, 1]: where skin is; eyes and teeth may be brighter.

    """
    size = lab.shape[0]
    gain = np.clip(light.gloss / max(own.gloss, 1.0), 1.0, MOST_GLOSS)
    broad = np.maximum(cv2.GaussianBlur(lab[..., 0], (0, 0), GLOSS_WIDTH * size) - light.fields(size)[0][..., 0], 0)
    lightness = lab[..., 0] + share * (gain - 1) * broad
    above = np.maximum(lightness - (light.shine - SHINE_ROOM), 0)
    levelled = 2 * SHINE_ROOM * np.tanh(above / (2 * SHINE_ROOM))
    lightness = lightness - share * (above - levelled)
    # More light makes a colour stronger; lightness alone would look like ash on dark skin.
    stronger = 1 + COLOURED * np.maximum(lightness / np.maximum(lab[..., 0], DARKEST) - 1, 0)[..., None]
    return np.concatenate([lightness[..., None], lab[..., 1:] * stronger], axis=2).astype(np.float32)


def _places(size: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The coordinates x and y of each pixel."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    return x, y


def _terms(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1)


def _robust(terms: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], Mask]:
    """Coefficients, and which pixels they were fitted to."""
    within, last = np.ones(len(values), dtype=np.bool_), (len(values) - 1) * KEPT_PERCENT // 100
    for _ in range(3):
        # Normal equations: a handful of well-scaled terms, and many times as fast as a factorisation of all rows.
        fitted, known = within, terms[within]
        coefficients = np.linalg.lstsq(known.T @ known, known.T @ values[within], rcond=None)[0]
        residual = ((values - terms @ coefficients) ** 2).sum(axis=1)
        within = np.asarray(residual <= np.partition(residual, last)[last], dtype=np.bool_)
    return np.asarray(coefficients), fitted
