"""Reading photographs into their one canonical form, and writing images and masks without metadata.

Canonical means upright, 8 bit, RGB, sRGB: what :class:`vera.types.Photograph` holds. A photograph without a colour
profile, or with one that means sRGB, keeps its pixels exactly as Pillow's ``exif_transpose(image).convert("RGB")``.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from vera.files import write_whole
from vera.types import Mask, Photograph, Pixels, VeraError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"})
"""Files in a folder that are taken for photographs."""
EIGHT_BIT_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
SIXTEEN_BIT = re.compile(r"(?<!BGR);16")
"""Pillow quietly halves the depth of 16-bit RGB; only the decoder's name tells ("BGR;16" is a bitmap with 16 bits a pixel)."""
SAME_COLOUR = 2
"""DECISION: a profile that moves no colour of a grid by more than this (of 255) means sRGB: vendors' sRGB tables differ by that much."""
PNG_LEVEL = 3
"""DECISION: zlib level: lossless whatever it is; higher ones cost much time and save few bytes on photographs."""
DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, MemoryError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow's decoders raise on damaged files (``UnidentifiedImageError`` is an ``OSError``)."""


def read_photograph(path: Path) -> Photograph:
    """Read an image file: EXIF orientation applied, converted to 8-bit sRGB.

    DECISION: transparency is dropped and the pixels under it are kept, as Pillow converts them, bit for bit: a part erased to
    transparency in an editor may show again (SAFETY.md says so). Of a file with several images the first is taken.

    Args:
        path: JPEG, PNG, TIFF, WebP, BMP or whatever else Pillow decodes.

    Returns:
        The photograph; ``name`` is the file's stem and ``digest`` the SHA-256 of its bytes.

    Raises:
        VeraError: for no file, an unreadable, truncated or oversized one, more than 8 bits a channel, or a damaged colour profile.

    """
    path = Path(path)
    try:  # looking already fails in a closed folder, and for a name that is too long
        if not path.is_file():
            raise VeraError(f"'{path}' is not a file: give the path of a photograph (JPEG, PNG or TIFF)")
        data = path.read_bytes()
    except OSError as error:
        raise VeraError(f"'{path}' cannot be read ({error.strerror}): check the path and its permissions") from error
    if not data:
        raise VeraError(f"'{path}' is empty: copy the photograph again from the camera or the archive")
    return Photograph(pixels=_decode(data, path), name=path.stem, digest=hashlib.sha256(data).hexdigest())


def photograph_from_pixels(pixels: Pixels, name: str) -> Photograph:
    """A photograph made in memory; its digest is the SHA-256 of size and pixels.

    Args:
        pixels: ``(H, W, 3)`` uint8, sRGB.
        name: used for output names.

    Raises:
        VeraError: for an array that is not ``(H, W, 3)`` uint8.

    """
    _check_pixels(pixels)
    content = np.ascontiguousarray(pixels)
    digest = hashlib.sha256(repr(content.shape).encode() + content.tobytes()).hexdigest()
    return Photograph(pixels=content, name=name, digest=digest)


def is_opaque(path: Path) -> bool:
    """Whether no pixel of an image file is transparent.

    Raises:
        VeraError: for a file that cannot be read.

    """
    try:
        with Image.open(path) as image:
            return not image.has_transparency_data or image.convert("RGBA").getchannel("A").getextrema() == (255, 255)
    except DECODE_ERRORS as error:
        raise VeraError(f"'{path}' cannot be read as an image: give a JPEG, PNG or TIFF file") from error


def write_png(path: Path, pixels_or_mask: Pixels | Mask) -> None:
    """Write an image or a mask as PNG: all or nothing, same input → same bytes, an sRGB chunk and no other metadata.

    Args:
        path: the file; its folder must exist.
        pixels_or_mask: ``(H, W, 3)`` uint8 sRGB, or ``(H, W)`` bool, which is written as grey 0 and 255.

    Raises:
        VeraError: for an array of another kind, or when the file cannot be written.

    """
    is_mask = pixels_or_mask.dtype == np.bool_ and pixels_or_mask.ndim == 2
    if not is_mask:
        _check_pixels(pixels_or_mask)
    array = pixels_or_mask.astype(np.uint8) * np.uint8(255 if is_mask else 1)
    chunks = PngInfo()
    chunks.add(b"sRGB", b"\x01")  # rendering intent 1: relative colorimetric, as in reading
    encoded = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(encoded, "PNG", pnginfo=chunks, compress_level=PNG_LEVEL)
    _replace_file(Path(path), encoded.getvalue())


def _decode(data: bytes, path: Path) -> Pixels:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit is Pillow's hard one, twice as high
            with Image.open(io.BytesIO(data)) as image:
                _check_depth(image, path)
                image.load()
                upright = ImageOps.exif_transpose(image)
                profile = image.info.get("icc_profile")
    except Image.DecompressionBombError as error:
        raise VeraError(f"'{path}' has too many pixels to be a photograph: make it smaller") from error
    except DECODE_ERRORS as error:
        raise VeraError(f"'{path}' cannot be read as an image, it may be damaged: give a JPEG, PNG or TIFF file") from error
    converted = upright.convert("RGB") if not profile else _to_srgb(upright, profile, path)
    return np.array(converted)


def _check_depth(image: Image.Image, path: Path) -> None:
    deep = any(SIXTEEN_BIT.search(str(tile.args)) for tile in getattr(image, "tile", []))
    if image.mode not in EIGHT_BIT_MODES or deep:
        raise VeraError(f"'{path}' does not have 8 bits a channel (mode {image.mode}): convert it to 8-bit RGB first")


def _to_srgb(image: Image.Image, profile: bytes, path: Path) -> Image.Image:
    """Convert by the embedded profile, unless it means sRGB."""
    advice = "export the photograph again with an sRGB profile"
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        wanted = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}.get(space)
        if wanted is None:
            raise VeraError(f"'{path}' has a colour profile for {space}: {advice}")
        if (wanted == "CMYK") != (image.mode == "CMYK"):
            raise VeraError(f"'{path}' has a {space} colour profile on a {image.mode} image: {advice}")
        plain = image.convert("RGB")
        # A grey profile on a colour image cannot be meant for it: grey conversion would lose the colour.
        if wanted == "L" and image.mode not in {"1", "L", "LA"}:
            raise VeraError(f"'{path}' has a grey colour profile on a colour image: {advice}")
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), wanted, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
        if wanted != "CMYK" and _leaves_colours(transform, wanted):
            return plain
        converted = ImageCms.applyTransform(image.convert(wanted), transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
        raise VeraError(f"'{path}' has a damaged colour profile: {advice}") from error
    return plain if converted is None else converted


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


def _check_pixels(pixels: Pixels | Mask) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise VeraError(f"an image must be an (H, W, 3) array of uint8, this is {pixels.shape} of {pixels.dtype}")


def _replace_file(path: Path, content: bytes) -> None:
    """Write beside the target and move over it, so that no half-written file ever carries its name."""
    try:
        write_whole(path, content)
    except OSError as error:
        raise VeraError(f"'{path}' cannot be written ({error.strerror}): choose a folder you may write to") from error
