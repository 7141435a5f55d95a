"""Decode an image and its mask of class numbers to a :class:`~vera.data.sample.Sample`."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image

from vera.data.sample import Sample
from vera.faces.formats import DECODE_ERRORS, FORMATS
from vera.types import NUM_CLASSES, VeraError


def read_sample(image: Path | IO[bytes], mask: Path | IO[bytes], *, size: int, name: str) -> Sample:
    """Decode one face.

    Args:
        image: path or open file of an encoded image.
        mask: an encoded mask of one channel, its values class numbers.
        size: side S of the sample.
        name: name of this face in messages.

    Raises:
        VeraError: for what cannot be decoded, and what :func:`to_sample` raises.

    """
    return to_sample(decode(image, name), decode(mask, f"the mask of {name}"), size=size, name=name)


def decode(source: Path | IO[bytes], name: str) -> Image.Image:
    """Decode an image completely.

    Raises:
        VeraError: for what is not there or not an image.

    """
    try:
        with Image.open(source, formats=FORMATS) as image:
            image.load()
            return image
    except DECODE_ERRORS as error:
        raise VeraError(f"cannot read {name}, it may be missing or damaged: {error}") from error


def to_sample(image: Image.Image, mask: Image.Image, *, size: int, name: str) -> Sample:
    """Resize to the side S: the image by Lanczos (antialiased), the mask to the nearest class.

    Raises:
        VeraError: for an image or a mask that is not square, or a mask that does not hold class numbers.

    """
    for part, what in ((image, name), (mask, f"the mask of {name}")):
        if part.width != part.height:
            raise VeraError(f"{what} has {part.width} by {part.height} pixels: aligned faces are square, align and crop it first")
    if mask.mode not in ("L", "P"):
        raise VeraError(f"the mask of {name} is {mask.mode}: it must have one channel of class numbers (L or P)")
    side = (size, size)
    pixels = np.array(image.convert("RGB").resize(side, Image.Resampling.LANCZOS))
    labels = np.array(mask.resize(side, Image.Resampling.NEAREST))
    if labels.max() >= NUM_CLASSES:
        raise VeraError(f"the mask of {name} holds class {labels.max()}: class numbers run from 0 to {NUM_CLASSES - 1}")
    return Sample(image=torch.from_numpy(pixels).permute(2, 0, 1).contiguous(), labels=torch.from_numpy(labels))
