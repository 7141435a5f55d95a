"""Read drawn masks (black and white images of a photograph's size), and turn masks into text and back."""

from __future__ import annotations

import base64
import binascii
import io
from pathlib import Path

import numpy as np
from PIL import Image

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


def mask_to_text(mask: Mask) -> str:
    """A mask as text for a JSON file: a PNG of one bit a pixel (white = True), in base64; the same mask gives the same text.

    Args:
        mask: ``(H, W)`` bool array, which may be empty.

    Examples:
        >>> import numpy as np
        >>> from vera.faces.masks import mask_from_text, mask_to_text
        >>> mask = np.eye(40, dtype=bool)
        >>> bool((mask_from_text(mask_to_text(mask), (40, 40), "of the example") == mask).all())
        True

    """
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(mask)).save(encoded, "PNG", compress_level=9)
    return base64.b64encode(encoded.getvalue()).decode("ascii")


def mask_from_text(text: str, size: tuple[int, int], name: str) -> Mask:
    """Read what :func:`mask_to_text` made.

    Args:
        text: the mask as PNG in base64.
        size: ``(H, W)`` that it must have.
        name: subject of the message.

    Returns:
        ``(H, W)`` bool; it may be empty.

    Raises:
        VeraError: it is no such text, no image, or of another size.

    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise VeraError(f"the mask {name} is no base64: the file was changed, fetch it again") from error
    mask: Mask = decode(data, f"the mask {name}").pixels.min(axis=2) > 127
    if mask.shape != size:
        raise VeraError(f"the mask {name} has shape {mask.shape}, its photograph {size}: the file was changed, fetch it again")
    return mask
