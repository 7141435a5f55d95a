"""Develop camera raw files with LibRaw (by rawpy).

A raw file holds no picture yet: colours and brightness are made from it. DECISION: the camera's white balance, LibRaw's matrix to sRGB,
the curve of sRGB, highlights clipped, and no automatic brightness, since that would depend on the whole picture and differ between
before and after. The same file and version of LibRaw give the same pixels.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image

from vera.faces.colour_space import SRGB_POWER_AND_SLOPE, Told
from vera.faces.formats import CAMERA_RAW, EXPORT, check_size
from vera.faces.opened import Opened, library
from vera.types import VeraError

BEHIND = b"\xa5\x3c" * 2048
"""Bytes that are put behind a file to see whether the developer reads over its end; no decoder takes missing bytes for these."""


def open_raw(data: bytes, known: str, shown: str) -> Opened:
    """Develop a camera raw file to an upright image in sRGB.

    Args:
        data: all bytes of the file.
        known: name of the format, for messages.
        shown: name of the file in messages.

    Raises:
        VeraError: the extra is not installed, too many pixels, a camera that LibRaw does not know, or a damaged file.

    """
    rawpy = library("rawpy", CAMERA_RAW, shown)
    try:
        with rawpy.RawPy() as raw:
            raw.open_buffer(io.BytesIO(data))
            sizes = raw.sizes
            check_size((sizes.raw_width, sizes.raw_height), shown)
            check_size((sizes.iwidth, sizes.iheight), shown)
            values = raw.raw_image
            if not values.any() or _reads_over_the_end(rawpy, data, values):
                raise VeraError(f"'{shown}' is {known}, but its picture is not whole: copy it again from the camera or the archive")
            balanced = all(raw.camera_whitebalance[:3])
            pixels = raw.postprocess(
                use_camera_wb=True,
                output_color=rawpy.ColorSpace.sRGB,
                gamma=SRGB_POWER_AND_SLOPE,
                output_bps=8,
                no_auto_bright=True,
                adjust_maximum_thr=0.0,  # else the brightest value of each picture becomes white
            )
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        raise VeraError(f"'{shown}' looks like {known}, which LibRaw cannot develop: {EXPORT}") from error
    shade = "the camera's white balance" if balanced else "the white balance of daylight, since it has none of its own"
    version = ".".join(map(str, rawpy.libraw_version))
    warning = f"it is {known}, developed by LibRaw {version} with {shade}: compare its shades with the camera's own picture"
    image = Image.fromarray(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels)
    return Opened(image, Told(None), warnings=(warning,))


def _reads_over_the_end(rawpy: Any, data: bytes, values: Any) -> bool:
    """Whether bytes are missing: LibRaw goes on without them, and says so on the standard error output alone.

    Args:
        rawpy: the library that develops raw files.
        data: all bytes of the file.
        values: the sensor's values, as LibRaw reads them.

    """
    try:
        with rawpy.RawPy() as longer:
            longer.open_buffer(io.BytesIO(data + BEHIND))
            return not np.array_equal(values, longer.raw_image)
    except rawpy.LibRawError:  # a format that allows nothing behind its end
        return False
