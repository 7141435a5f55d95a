"""Decode image files (photographs and masks): recognise the format, check the size, decode, turn upright, convert to 8-bit sRGB.

Everything that can be told by the header is checked before the pixels are decoded. The pixels are converted in strips, so that memory
stays near what the decoder itself needs.
"""

from __future__ import annotations

import io
import re
import stat
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms

from vera.faces.camera_raw import open_raw
from vera.faces.colour_space import ToRgb, damaged_profile, read_metadata, to_srgb, told_by
from vera.faces.deep import eight_bit_image
from vera.faces.dicom import open_dicom
from vera.faces.formats import CAMERA_RAW, DICOM_START, EXPORT, MOST_BYTES, check_size, check_variant, recognise, too_deep, too_large
from vera.faces.heif import open_heif
from vera.faces.opened import Opened
from vera.files import printable
from vera.types import Pixels, VeraError

EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
SIXTEEN_BIT = re.compile(r"(?<!BGR);16")
"""Pillow quietly halves the depth of 16-bit RGB; only the decoder's name tells ("BGR;16" is a bitmap with 16 bits a pixel)."""
DEEP_FORMATS = ("PNG", "TIFF")
"""Formats that are read with 16 bits a channel, too."""
SEVERAL = "its file holds several images, and only the first is used: make sure that it is the right one"
STRIP = 2**22
"""Pixels that are converted at a time."""
DAMAGED = "cannot be read as an image, it may be damaged: copy it again from the camera or the archive, or export it as JPEG, PNG or TIFF"
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by EXIF's orientation."""


class Decoded(NamedTuple):
    """A decoded image with its warnings.

    Attributes:
        pixels: ``(H, W, 3)`` uint8, sRGB, upright; transparency is dropped.
        opaque: no pixel is transparent.
        warnings: warnings that somebody should look at.

    """

    pixels: Pixels
    opaque: bool
    warnings: tuple[str, ...]


def read_file(path: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        VeraError: it is not there, not a regular file, empty or too large, or cannot be read.

    """
    shown = printable(str(path))
    try:  # looking already fails in a closed folder, and for a name that is too long
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise VeraError(f"'{shown}' is a folder, not a file: give the path of a photograph (JPEG, PNG or TIFF)")
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device may never end
            raise VeraError(f"'{shown}' is not a regular file: save the photograph to a file first")
        if status.st_size > MOST_BYTES:
            raise VeraError(f"'{shown}' is larger than {MOST_BYTES // 2**20} MiB, too large for a photograph: {EXPORT}")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise VeraError(f"'{shown}' is not there: check the path") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise VeraError(f"'{shown}' cannot be read ({getattr(error, 'strerror', error)}): check the path and its permissions") from error
    if not data:
        raise VeraError(f"'{shown}' is empty: copy the photograph again from the camera or the archive")
    return data


def is_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do; False for what cannot be read, which reading it will say.

    Args:
        path: any path; nothing is decoded.

    """
    offset, first = DICOM_START
    try:
        if not path.is_file():  # opening a pipe would wait
            return False
        with path.open("rb") as file:
            return file.read(offset + len(first))[offset:] == first
    except (OSError, ValueError):
        return False


def decode(data: bytes, shown: str) -> Decoded:
    """Decode an image file's bytes.

    DECISION: transparency is dropped and the pixels under it are kept, as Pillow converts them, bit for bit: a part erased to
    transparency in an editor may show again (SAFETY.md says so). Of several images in a file the first is taken, with a warning.

    Args:
        data: all bytes of the file.
        shown: name of the file in messages.

    Raises:
        VeraError: a format, depth or colour space that is not supported, too many pixels, or a damaged file.

    """
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            known = recognise(data, shown)
            kind = CAMERA_RAW if known.startswith(CAMERA_RAW) else known
            opened = OPENERS.get(kind, open_by_pillow)(data, known, shown)
            image = opened.image
            convert = to_srgb(image.mode, opened.told.profile, shown)
            if opened.orientation in UPRIGHT:
                image = image.transpose(UPRIGHT[opened.orientation])
            pixels, opaque = _in_strips(image, convert)
    except VeraError:
        raise
    except ImageCms.PyCMSError as error:
        raise damaged_profile(shown) from error
    except Image.DecompressionBombError as error:  # Pillow's own limit, above ours
        raise too_large(shown) from error
    except Exception as error:  # decoders raise almost anything on damaged bytes
        raise VeraError(f"'{shown}' {DAMAGED}") from error
    notes = [opened.told.warning] if opened.told.warning else []
    notes += opened.warnings
    if opened.damaged or any(issubclass(one.category, UserWarning) for one in heard):
        notes.append("its metadata are damaged and were not used in full: make sure that it is upright and its colours are right")
    return Decoded(pixels, opaque, tuple(notes))


def open_by_pillow(data: bytes, known: str, shown: str) -> Opened:
    """Decode JPEG, PNG, TIFF, WebP and BMP: the header is checked first, and one decoder is run.

    Args:
        data: all bytes of the file.
        known: name of the format, one of :data:`vera.faces.formats.FORMATS`.
        shown: name of the file in messages.

    Raises:
        VeraError: a variant, depth or colour space that is not supported, or too many pixels.

    """
    check_variant(data, known, shown)
    image = Image.open(io.BytesIO(data), formats=[known])
    check_size(image.size, shown)
    deep = image.mode.startswith("I;16") or any(SIXTEEN_BIT.search(str(tile.args)) for tile in getattr(image, "tile", []))
    if (deep and known not in DEEP_FORMATS) or (not deep and image.mode[0] in "IF"):  # integers and floating point numbers of more bits
        raise too_deep(shown)
    if deep and "transparency" in image.info:  # one colour of 16 bits that counts as transparent
        raise too_deep(shown)
    if not deep and image.mode not in EIGHT_BIT_MODES:
        raise VeraError(f"'{shown}' is in the colour mode {image.mode}, which is not supported: {EXPORT}")
    image.load()
    metadata = read_metadata(image)
    told = told_by(image, data, metadata, shown)
    several = (SEVERAL,) if getattr(image, "is_animated", False) else ()
    return Opened(eight_bit_image(data, image) if deep else image, told, metadata.orientation, several, metadata.damaged)


OPENERS: Mapping[str, Callable[[bytes, str, str], Opened]] = {
    "HEIC": open_heif, "AVIF": open_heif, "DICOM": open_dicom, CAMERA_RAW: open_raw,
}  # fmt: skip
"""Readers of the formats that Pillow does not decode alone; :func:`open_by_pillow` reads all others."""


def _in_strips(image: Image.Image, convert: ToRgb) -> tuple[Pixels, bool]:
    """``(H, W, 3)`` uint8 of an image, and whether it is opaque."""
    pixels, opaque = np.empty((image.height, image.width, 3), dtype=np.uint8), True
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        pixels[top : top + rows] = np.asarray(convert(strip))
        if image.has_transparency_data:
            opaque = opaque and strip.convert("RGBA").getchannel("A").getextrema() == (255, 255)
    return pixels, opaque
