"""Read HEIC and AVIF photographs, as telephones write them.

pillow-heif reads both headers: size, depth, colours, turns. libheif, which it brings, decodes HEIC; AVIF is decoded by Pillow's own
libavif. Turns and mirrorings that stand in the container are applied by the decoders, and EXIF's orientation is then not used, as the
standard says (ISO/IEC 23008-12).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, features

from vera.faces.colour_space import UNSPECIFIED, Metadata, Told, by_exif, by_numbers, read_metadata
from vera.faces.formats import EXPORT, check_size, too_deep
from vera.faces.opened import Opened, eight_bits, library
from vera.types import VeraError

SEVERAL = "its file holds several images, and only the main one is used: make sure that it is the right one"


def open_heif(data: bytes, known: str, shown: str) -> Opened:
    """Decode the main image of a HEIC or AVIF file; 10 and 12 bits of HEIC are rounded to 8.

    Args:
        data: all bytes of the file.
        known: ``HEIC`` or ``AVIF``, as :func:`vera.faces.formats.recognise` says.
        shown: name of the file in messages.

    Raises:
        VeraError: the extra is not installed, too many pixels, AVIF of more than 8 bits, premultiplied transparency, or a colour space of
            video or of high dynamic range.

    """
    file = library("pillow_heif", known, shown).open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    main = file[file.primary_index]
    check_size(main.size, shown)
    if main.premultiplied_alpha:
        raise VeraError(f"'{shown}' has colours that are multiplied by their transparency, which is not supported: {EXPORT}")
    bits = int(main.info["bit_depth"])
    if known == "AVIF":
        if bits > 8:
            raise too_deep(shown)  # DECISION: Pillow would round by a rule that it does not state
        image = _avif(data, shown)
    else:
        values = np.asarray(main)
        if values.shape[:2] != main.size[::-1]:
            raise ValueError("the decoded image has another size than its header says")
        image = Image.fromarray(values if bits == 8 else eight_bits(values, 2**bits - 1))
        image.info["exif"] = main.info["exif"]
    metadata = read_metadata(image)
    orientation = metadata.orientation if known == "AVIF" else 1  # Pillow hands the container's turn on as EXIF's, libheif applies it
    warnings = (SEVERAL,) if len(file) > 1 else ()
    return Opened(image, _told(main.info, metadata, shown), orientation, warnings, metadata.damaged)


def _avif(data: bytes, shown: str) -> Image.Image:
    if not features.check("avif"):
        raise VeraError(f"'{shown}' is AVIF, which this Pillow cannot decode: run `pip install --upgrade pillow`, or {EXPORT}")
    image = Image.open(io.BytesIO(data), formats=["AVIF"])
    check_size(image.size, shown)
    image.load()
    return image


def _told(info: Mapping[str, Any], metadata: Metadata, shown: str) -> Told:
    """The colour space: an ICC profile, else the numbers of ITU-T H.273, else EXIF."""
    if info.get("icc_profile") is not None:
        return Told(info["icc_profile"])
    if (numbers := info.get("nclx_profile")) is not None and numbers["color_primaries"] != UNSPECIFIED:
        return Told(by_numbers(numbers["color_primaries"], numbers["transfer_characteristics"], shown))
    return by_exif(metadata)
