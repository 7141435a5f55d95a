"""Determine the colour space of an image file from all its metadata, and convert to sRGB."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import NamedTuple, cast

import numpy as np
from PIL import ExifTags, Image, ImageCms

from vera.faces import icc
from vera.faces.formats import png_chunk
from vera.types import VeraError

ADVICE = "export the photograph again with an sRGB profile"
SAME_COLOUR = 2
"""DECISION: a profile that moves no colour of a grid by more than this (of 255) means sRGB: vendors' sRGB tables differ by that much."""
SRGB_GAMMA = 0.45455
"""What PNG files in sRGB write into ``gAMA``."""
GAMMAS = (0.2, 1.0)
"""DECISION: a PNG whose ``gAMA`` lies outside is damaged."""
SRGB_POWER_AND_SLOPE = (2.4, 12.92)
"""sRGB's curve as LibRaw takes it, for camera raw files: exponent, and slope near black."""
CICP_PRIMARIES = {1: icc.SRGB, 9: icc.BT_2020, 12: icc.DISPLAY_P3}
"""Primaries by their number in ITU-T H.273."""
CICP_GAMMAS = {4: 2.2, 8: 1.0, 13: None}
"""Exponents by the number of the transfer curve in ITU-T H.273; None is sRGB's. Curves of video and of high dynamic range are left out."""
UNSPECIFIED = 2
"""Number of primaries and of a curve that a file leaves open; sRGB is meant (ISO/IEC 23000-22)."""
EMPTY_EXIF = b"Exif\0\0"
UNCALIBRATED, ADOBE = 65535, 2
"""Values of EXIF's ColorSpace beside 1, sRGB; 2 stands in no standard, but some cameras write it."""

ToRgb = Callable[[Image.Image], Image.Image]


class Metadata(NamedTuple):
    """The EXIF fields that colours and orientation depend on.

    Attributes:
        orientation: EXIF's number; 1 is upright.
        colour_space: EXIF's entry ColorSpace.
        interoperability: EXIF's index, ``R03`` for Adobe RGB.
        damaged: whether the metadata could not be read.

    """

    orientation: int = 1
    colour_space: int | None = None
    interoperability: str = ""
    damaged: bool = False


class Told(NamedTuple):
    """Colour information of a file.

    Attributes:
        profile: an ICC profile; None for sRGB, or where the file says nothing.
        warning: fact that somebody should look at; empty for none.

    """

    profile: bytes | None
    warning: str = ""


def read_metadata(image: Image.Image) -> Metadata:
    """A file's EXIF data; damaged ones are no reason to refuse a photograph whose pixels are whole."""
    try:
        exif = image.getexif()
        # Pillow forgets an error that it met when it opened the file.
        if not exif and len(image.info.get("exif") or b"") > len(EMPTY_EXIF):
            return Metadata(damaged=True)
        index = exif.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex, "")
        named = index.decode("ascii", "replace") if isinstance(index, bytes) else str(index)
        space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
        return Metadata(int(exif.get(ExifTags.Base.Orientation, 1)), space, named.strip("\0 "))
    except Exception:  # Pillow raises almost anything on damaged bytes
        return Metadata(damaged=True)


def told_by(image: Image.Image, data: bytes, metadata: Metadata, shown: str) -> Told:
    """Read a file's colour information.

    The order is PNG's ``cICP``, an ICC profile, PNG's ``sRGB``, PNG's ``gAMA`` and ``cHRM``, then EXIF (DCF's Adobe RGB).

    Args:
        image: image as Pillow opened it.
        data: all bytes of the file.
        metadata: the file's EXIF data.
        shown: name of the file in messages.

    Raises:
        VeraError: a colour space that cannot be converted (high dynamic range, video), or damaged information.

    """
    if image.format == "PNG" and (cicp := png_chunk(data, b"cICP")) is not None:
        return Told(_by_cicp(cicp, shown))
    if "icc_profile" in image.info:
        return Told(image.info["icc_profile"] or b"")  # None: Pillow found one, but it is damaged
    if image.format == "BMP" and (embedded := _in_bitmap(data)) is not None:
        return Told(embedded)
    if "srgb" in image.info:
        return Told(None)
    if "gamma" in image.info or "chromaticity" in image.info:
        return Told(_by_gamma(image.info.get("gamma"), image.info.get("chromaticity"), shown))
    return by_exif(metadata)


def to_srgb(mode: str, profile: bytes | None, shown: str) -> ToRgb:
    """Make the conversion from a profile to sRGB; where that changes nothing, Pillow only converts the pixels to RGB.

    Args:
        mode: Pillow's mode of the image.
        profile: ICC profile; None for sRGB.
        shown: name of the file in messages.

    Returns:
        A function for the image or any part of it; it may raise ``PyCMSError`` for a damaged profile.

    Raises:
        VeraError: a damaged profile, or one that does not belong to such an image.

    """
    if profile is None:
        return _plain
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        wanted = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}.get(space)
        if wanted is None:
            raise VeraError(f"'{shown}' has a colour profile for {space}: {ADVICE}")
        if (wanted == "CMYK") != (mode == "CMYK"):
            raise VeraError(f"'{shown}' has a {space} colour profile on a {mode} image: {ADVICE}")
        # A grey profile on a colour image cannot be meant for it: grey conversion would lose the colour.
        if wanted == "L" and mode not in {"1", "L", "LA"}:
            raise VeraError(f"'{shown}' has a grey colour profile on a colour image: {ADVICE}")
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), wanted, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
        if wanted != "CMYK" and _leaves_colours(transform, wanted):
            return _plain
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise damaged_profile(shown) from error
    return lambda part: cast(Image.Image, ImageCms.applyTransform(part.convert(wanted), transform))


def damaged_profile(shown: str) -> VeraError:
    """The error for a profile that cannot be used."""
    return VeraError(f"'{shown}' has a damaged colour profile: {ADVICE}")


def _plain(part: Image.Image) -> Image.Image:
    return part if part.mode == "RGB" else part.convert("RGB")


def _leaves_colours(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a transform to sRGB moves no colour of a grid noticeably."""
    if mode == "L":
        ramp = np.arange(256, dtype=np.uint8)[None]
        probe, expected = ramp, np.repeat(ramp[..., None], 3, axis=2)
    else:
        steps = np.linspace(0, 255, 9).round().astype(np.uint8)
        probe = expected = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    moved = ImageCms.applyTransform(Image.fromarray(probe), transform)
    return bool(np.abs(np.asarray(moved, dtype=np.int16) - expected).max() <= SAME_COLOUR)


def _by_cicp(chunk: bytes, shown: str) -> bytes | None:
    """Primaries, transfer curve, matrix (0 is RGB) and full range (1), one byte each."""
    if len(chunk) != 4:
        raise VeraError(f"'{shown}' has damaged colour information (cICP): {ADVICE}")
    primaries, curve, matrix, full = chunk
    if matrix != 0 or full != 1:
        raise _not_still(primaries, curve, shown)
    return by_numbers(primaries, curve, shown)


def by_numbers(primaries: int, curve: int, shown: str) -> bytes | None:
    """Make a profile for a colour space that a file names by the numbers of ITU-T H.273, as PNG, HEIC and AVIF do; None for sRGB.

    Args:
        primaries: number of the primaries, such as 12 for Display P3.
        curve: number of the transfer curve, such as 13 for sRGB's.
        shown: name of the file in messages.

    Raises:
        VeraError: a colour space of video or of high dynamic range.

    """
    if curve == UNSPECIFIED:
        curve = 13
    if primaries not in CICP_PRIMARIES or curve not in CICP_GAMMAS:
        raise _not_still(primaries, curve, shown)
    return None if (primaries, curve) == (1, 13) else icc.profile(CICP_PRIMARIES[primaries], CICP_GAMMAS[curve])


def _not_still(primaries: int, curve: int, shown: str) -> VeraError:
    return VeraError(
        f"'{shown}' is in a colour space of video or high dynamic range (primaries {primaries}, transfer curve {curve} of H.273): {ADVICE}"
    )


def _by_gamma(gamma: float | None, chromaticity: tuple[float, ...] | None, shown: str) -> bytes | None:
    """Build a profile from PNG's ``gAMA`` (encoding exponent) and ``cHRM`` (white, red, green, blue); defaults are sRGB's."""
    primaries = icc.SRGB if chromaticity is None else (*chromaticity[2:], *chromaticity[:2])
    if len(primaries) != 8 or (gamma is not None and not GAMMAS[0] <= gamma <= GAMMAS[1]):
        raise VeraError(f"'{shown}' has damaged colour information (gAMA or cHRM): {ADVICE}")
    # sRGB's curve is written as an exponent here, which it is only nearly.
    like_srgb = gamma is None or abs(gamma - SRGB_GAMMA) < 0.005
    if like_srgb and np.allclose(primaries, icc.SRGB, atol=0.002):
        return None
    try:
        return icc.profile(primaries, None if gamma is None else 1 / gamma)
    except (ValueError, struct.error) as error:
        raise VeraError(f"'{shown}' has damaged colour information (cHRM): {ADVICE}") from error


def by_exif(metadata: Metadata) -> Told:
    """Read what EXIF says: DCF marks Adobe RGB as uncalibrated, with the interoperability index R03."""
    space = metadata.colour_space
    if space == ADOBE or (space == UNCALIBRATED and metadata.interoperability == "R03"):
        return Told(icc.profile(icc.ADOBE_RGB, icc.ADOBE_GAMMA))
    if space == UNCALIBRATED:
        return Told(None, "its EXIF data say that its colours are not sRGB, but no profile says which they are: compare the shades")
    return Told(None)


def _in_bitmap(data: bytes) -> bytes | None:
    """The profile that a bitmap with a header of version 5 embeds."""
    if data[14:18] != (124).to_bytes(4, "little") or data[70:74] != b"DEBM":
        return None
    offset, length = struct.unpack("<II", data[126:134])
    return data[14 + offset : 14 + offset + length]
