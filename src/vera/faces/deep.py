"""Decode PNG and TIFF with 16 bits a channel, and round them to 8.

Pillow cuts the lower byte of colours off, so OpenCV decodes them a second time, in full. The two must agree on the upper bytes: a file
that one of them reads otherwise is refused.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from vera.faces.opened import eight_bits

DEEPEST = 65535


def eight_bit_image(data: bytes, image: Image.Image) -> Image.Image:
    """Round a 16-bit image to 8 bits, grey or RGB; transparency is kept.

    Args:
        data: all bytes of the PNG or TIFF file.
        image: the same, decoded by Pillow: RGB, RGBA and LA hold upper bytes, the other modes whole values.

    Returns:
        The image in the mode L, LA, RGB or RGBA, with Pillow's metadata.

    Raises:
        ValueError: the two decoders differ.

    """
    values = np.asarray(image)
    if image.mode.startswith("I"):
        rounded = eight_bits(values, DEEPEST)
    else:
        import cv2  # here, since few files need it

        decoded = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
        full = _as_pillow(decoded, len(image.getbands()))
        if full.shape != values.shape or not np.array_equal(full >> 8, values):
            raise ValueError("two decoders read different values")
        rounded = eight_bits(full, DEEPEST)
    shallow = Image.fromarray(rounded)
    shallow.format, shallow.info = image.format, dict(image.info)
    return shallow


def _as_pillow(decoded: np.ndarray | None, bands: int) -> np.ndarray:
    """OpenCV's channels (BGR, alpha) in Pillow's order and number."""
    if decoded is None or decoded.dtype != np.uint16 or decoded.ndim != 3:
        raise ValueError("no 16-bit image")
    order = {2: (0, 3), 3: (2, 1, 0), 4: (2, 1, 0, 3)}[bands]
    return decoded[..., [known for known in order if known < decoded.shape[2]]]
