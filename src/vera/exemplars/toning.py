"""Photographs without colours: black and white ones, also toned (sepia), whose colour is a function of the lightness alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
COLOURLESS = 4.0
"""DECISION: CIELAB units within which 95 % of a photograph's colours follow its lightness. Compressed black-and-white photographs of LFW
have up to 3, coloured ones of LFW and of the Face Research Lab London Set 5 and more."""


def toning_of(lab: Floats) -> Floats | None:
    """The toning of a photograph without colours; None for one with colours.

    Args:
        lab: ``(S, S, 3)`` CIELAB.

    Returns:
        ``(3, 2)``: the colours a* and b* as polynomials of the lightness over 100, constant term first.

    """
    looked_at = lab[::2, ::2]  # a quarter of the pixels says as much
    lightness, colours = looked_at[..., 0].ravel(), looked_at[..., 1:].reshape(-1, 2)
    powers = _powers(lightness)
    toning = np.linalg.lstsq(powers, colours, rcond=None)[0]
    away = np.abs(colours - powers @ toning).max(axis=1)
    return np.asarray(toning, np.float32) if np.percentile(away, 95) < COLOURLESS else None


def toned(lab: Floats, toning: Floats) -> Floats:
    """A picture ``(S, S, 3)`` in CIELAB with its own lightness and the colours of a photograph without colours."""
    return np.concatenate([lab[..., :1], (_powers(lab[..., 0].ravel()) @ toning).reshape(*lab.shape[:2], 2)], axis=2).astype(np.float32)


def _powers(lightness: Floats) -> Floats:
    share = lightness / 100
    return np.stack([np.ones_like(share), share, share**2], axis=1)
