"""Read drawn masks: black and white images of a photograph's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vera.faces.image_file import decode, read_file
from vera.files import printable
from vera.types import Mask, VeraError

MOST_GREY = 0.05
"""DECISION: a mask is black and white; more than this share of greys (antialiased edges, JPEG's ringing) means that it is none."""
GREYS = (32, 223)
"""DECISION: values between these are neither black nor white, at JPEG's precision."""


def read_mask(path: str | Path, size: tuple[int, int]) -> Mask:
    """A drawn region: pixels brighter than 127 are kept.

    Args:
        path: an 8-bit black and white image of the upright photograph's size, without transparency.
        size: the photograph's ``(H, W)``.

    Raises:
        VeraError: the file cannot be read, is empty, has another size, or is no mask: transparent, or full of greys as a photograph.

    """
    path = Path(path)
    shown = printable(str(path))
    image = decode(read_file(path), shown)
    if image.warnings:
        raise VeraError(f"mask '{shown}' cannot be used, {image.warnings[0]}; save it as a plain PNG")
    if not image.opaque:
        raise VeraError(
            f"mask '{shown}' is transparent in places: save it without an alpha channel, white for what is kept, black elsewhere"
        )
    values = image.pixels.min(axis=2)
    grey = float(((values > GREYS[0]) & (values < GREYS[1])).mean())
    if grey > MOST_GREY:
        raise VeraError(
            f"mask '{shown}' is neither black nor white in {grey:.0%} of its pixels, as a photograph is: "
            "give an image that is white where the photograph is kept and black elsewhere"
        )
    return check_mask(values > 127, size, shown)


def check_mask(mask: Mask, size: tuple[int, int], name: str) -> Mask:
    """The mask, if it is boolean, of the photograph's size and not empty; a VeraError otherwise."""
    if mask.dtype != np.bool_:
        raise VeraError(f"mask '{name}' must be boolean (True = keep), not {mask.dtype}")
    if mask.shape != size:
        raise VeraError(f"mask '{name}' has shape {mask.shape}, its photograph {size}: draw it on the upright photograph, at its full size")
    if not mask.any():
        raise VeraError(f"mask '{name}' is empty: paint what is to be kept white, or leave the mask out")
    return mask
