"""An opened image: decoded, with all that its orientation and colours depend on; every reader of a format hands one on."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from vera.faces.colour_space import Told
from vera.faces.formats import EXPORT, EXTRAS
from vera.types import VeraError


class Opened(NamedTuple):
    """A decoded image of 8 bits a channel, not yet upright and not yet in sRGB.

    Attributes:
        image: the decoded image; nothing is left to be read from the file.
        told: the file's colour information.
        orientation: EXIF's number; 1 is upright.
        warnings: warnings that somebody should look at.
        damaged: metadata could not be read.

    """

    image: Image.Image
    told: Told
    orientation: int = 1
    warnings: tuple[str, ...] = ()
    damaged: bool = False


def library(module: str, kind: str, shown: str) -> ModuleType:
    """Import the library that reads a format.

    Args:
        module: name of the module to import.
        kind: name of the format, as in :data:`vera.faces.formats.EXTRAS`.
        shown: name of the file in messages.

    Raises:
        VeraError: it is not installed; says which extra brings it.

    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        wanted = f"run `pip install 'vera-anonymization[{EXTRAS[kind]}]'`"
        raise VeraError(f"'{shown}' is {kind}, which is read by {module}, and that is not installed: {wanted}, or {EXPORT}") from error


def eight_bits(values: npt.NDArray[Any], most: int) -> npt.NDArray[np.uint8]:
    """Values of more bits as 8-bit ones: ``round(255 * value / most)``, so that 8-bit values that were scaled up come back exactly.

    Args:
        values: unsigned whole numbers, any shape.
        most: the largest value that is possible, such as 65535.

    """
    table = np.rint(np.arange(most + 1) * (255 / most)).astype(np.uint8)
    return np.asarray(table[values], dtype=np.uint8)
